"""Train on a cluster with Ray Train: Lightning's DDP with one worker a process of the recipe, on whichever machines.

A worker whose machine is lost ends the others too; all of them start again elsewhere and go on from the last finished
epoch. Ray itself opens ports on all interfaces; run it in a network that you trust.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from colles.core.errors import TrainingError
from colles.core.extras import require
from colles.core.progress import say
from colles.core.recipe import Recipe
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.learning.cluster import connect, placed


def fit_on_ray(catalog: Catalog, split: Split, recipe: Recipe, out: Path, device: str) -> None:
    """Fit the network of a decided recipe on the cluster of RAY_ADDRESS, or on this machine; weights land in `out`.

    Raise `MissingExtraError` without Ray, `TrainingError` with the one line that matters where the workers fail.
    """
    train, torch_backend = require("ray.train", "ray"), require("ray.train.torch", "ray")
    connect()
    processes = recipe.train.processes
    say(f"  {processes} processes on the cluster; {out / 'metrics.csv'} grows by a row an epoch")
    trainer = torch_backend.TorchTrainer(
        partial(fit_in_worker, catalog=catalog, split=split, recipe=placed(recipe), out=out.resolve(), device=device),
        torch_config=torch_backend.TorchConfig(backend="gloo" if device == "cpu" else "nccl"),
        scaling_config=train.ScalingConfig(num_workers=processes, use_gpu=device != "cpu"),
        run_config=train.RunConfig(
            name="ray",
            storage_path=str(out.resolve()),
            failure_config=train.FailureConfig(max_failures=recipe.train.retries),
        ),
    )
    try:
        trainer.fit()
    except train.TrainingFailedError as error:
        raise TrainingError(_reason(error), field="train.engine") from error


def fit_in_worker(catalog: Catalog, split: Split, recipe: Recipe, out: Path, device: str) -> None:
    """Fit in one worker of the cluster; the first one writes the weights and the log."""
    from colles.learning.training.fit import prepare
    from colles.learning.training.two_stages import TwoStages

    data, model, recipe = prepare(catalog, split, recipe)
    TwoStages(model, data, recipe, out, device, placing=on_this_cluster).fit()


def on_this_cluster() -> dict[str, Any]:
    """Return the arguments of a Lightning trainer in a worker of the cluster."""
    from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment

    strategy, environment = RayDDPStrategy(), RayLightningEnvironment()  # type: ignore[no-untyped-call]
    return {"devices": "auto", "strategy": strategy, "plugins": [environment]}


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if "Error: " in line]
    return (named or lines or [type(error).__name__])[-1].rpartition("Error: ")[2]
