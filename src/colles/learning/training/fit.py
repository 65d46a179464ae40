"""From a split catalog to a run folder: check, train in two stages, score val and test with the best weights."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback

from colles.core.errors import StaleInputError
from colles.core.files import alone, existing_file, read_json, refuse_existing, sha256_json, write_json
from colles.core.machine import usable_cpus
from colles.core.provenance import collect_provenance
from colles.core.recipe import Recipe
from colles.core.recipe_text import save_recipe
from colles.core.records import SUBSETS
from colles.core.tables import write_table
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.learning.checkpoint import load_classifier
from colles.learning.devices import choose_device
from colles.learning.loaders.datamodule import RadiographDataModule
from colles.learning.models import FractureClassifier, count_parameters, create_model
from colles.learning.training.allocator import keep_memory
from colles.learning.training.inputs import (
    BEST,
    MEMBERS,
    RETRAIN,
    assert_same_division,
    assert_same_inputs,
    describe_inputs,
    save_inputs,
)
from colles.learning.training.location import decide_location
from colles.learning.training.mode import assert_trained, keep_training, shorten
from colles.learning.training.samples import write_samples
from colles.learning.training.scores import predict_subset
from colles.learning.training.two_stages import TwoStages


def train(
    catalog: Catalog,
    split: Split,
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Train what `recipe` describes on a split catalog; return the run folder `out`.

    With `resume` a begun training goes on from its last finished epoch, to the same result. `callbacks` of Lightning
    run beside its own, in each of several trainings, and not on Ray. Raise `StaleInputError` where split and catalog
    do not belong together, the begun training had other settings, or a network that it starts from or learns from
    knows another division, `OutputExistsError` where `out` holds a run or another process trains there, `DeviceError`
    for a missing GPU, `TrainingError` where the loss diverges or too many files are broken, `KeyboardInterrupt` after
    Ctrl-C.
    """
    if recipe.train.folds or recipe.train.seeds > 1:
        from colles.learning.training.several import train_several

        return train_several(catalog, split, recipe, out, train_once, resume=resume, callbacks=callbacks)
    _refuse_several(out)
    return train_once(catalog, split, recipe, out, resume=resume, callbacks=callbacks)


def _refuse_several(out: Path) -> None:
    if (out / MEMBERS).is_file():
        raise StaleInputError(
            "holds several networks and their mean, not one",
            path=out,
            repair="Set train.folds or train.seeds as they were, or train into another folder",
        )


def train_once(
    catalog: Catalog,
    split: Split,
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Train one network; see `train`."""
    skip = recipe.train.mode == "skip"
    if not resume and not skip:
        refuse_existing(out / "checkpoints", repair="Go on with resume, or choose another folder")
    device = choose_device(recipe.train)
    recipe = shorten(decide_location(recipe, catalog, split))
    inputs = describe_inputs(recipe, catalog.digest, split.digest)
    if skip:
        assert_trained(recipe, out, inputs)
    else:
        assert_same_inputs(out / "checkpoints", inputs)
        assert_same_division(recipe, catalog.digest, split.digest)
    _prepare_process(recipe, device)
    with alone(out / "checkpoints", "training"):
        started = time.perf_counter()
        data = _begin(catalog, split, recipe, out)
        if not skip:
            save_inputs(out / "checkpoints", inputs)
            _fit(catalog, split, data, recipe, out, device, callbacks)
        best = _score(data, recipe, out, device)
        digests = {"catalog": catalog.digest, "split": split.digest, "recipe": sha256_json(inputs)}
        write_json(
            out / "provenance.json",
            collect_provenance(
                digests,
                model=recipe.model.name,
                weights_from=best.weights_from,
                parameters=count_parameters(best),
                device=device,
                threads=torch.get_num_threads(),
                seconds=round(time.perf_counter() - started, 1),
                bad_files=len(data.bad),
                best=read_json(out / "checkpoints" / "best.json"),
            ),
        )
    return out


def _begin(catalog: Catalog, split: Split, recipe: Recipe, out: Path) -> RadiographDataModule:
    """Load the images, and write what is known before the first step: recipe, broken files, a picture of samples."""
    data = _load(catalog, split, recipe)
    kept = keep_training(recipe, out / "recipe.yaml") if recipe.train.mode == "skip" else recipe
    save_recipe(kept, out / "recipe.yaml")
    data.write_bad_files(out / "bad_files.csv")
    write_samples(data, out / "samples.png")
    return data


def _fit(
    catalog: Catalog,
    split: Split,
    data: RadiographDataModule,
    recipe: Recipe,
    out: Path,
    device: str,
    callbacks: Sequence[Callback],
) -> None:
    if recipe.train.engine == "ray":
        from colles.learning.training.ray_train import fit_on_ray

        fit_on_ray(catalog, split, recipe, out, device)
        return
    model = create_model(recipe.model, recipe.preprocess).to(memory_format=torch.channels_last)
    TwoStages(model, data, recipe, out, device, callbacks).fit()


def _score(data: RadiographDataModule, recipe: Recipe, out: Path, device: str) -> FractureClassifier:
    """Write the scores of val and test by the best weights, and return these."""
    for name in BEST:  # a finished training never writes them again
        existing_file(out / "checkpoints" / name, repair=RETRAIN)
    best, _ = load_classifier(out)
    best.to(device if recipe.train.engine == "local" else "cpu")
    table = pl.concat([predict_subset(best, data, subset) for subset in SUBSETS[1:]])
    write_table(table, out / "predictions.parquet")
    return best


def prepare(catalog: Catalog, split: Split, recipe: Recipe) -> tuple[RadiographDataModule, FractureClassifier, Recipe]:
    """Return data and network of a recipe, as a training on the CPU begins with them, and the decided recipe."""
    recipe = decide_location(recipe, catalog, split)
    _prepare_process(recipe, "cpu")
    model = create_model(recipe.model, recipe.preprocess).to(memory_format=torch.channels_last)
    return _load(catalog, split, recipe), model, recipe


def _load(catalog: Catalog, split: Split, recipe: Recipe) -> RadiographDataModule:
    return RadiographDataModule(
        catalog,
        split,
        recipe.preprocess,
        recipe.train,
        seed=recipe.seed,
        limits=recipe.data,
        stride=recipe.model.location_stride if recipe.model.location == "on" else 0,
    )


def _prepare_process(recipe: Recipe, device: str) -> None:
    if device == "cpu" and recipe.train.allocator:
        keep_memory()
    torch.set_num_threads(_threads(recipe))
    lightning.seed_everything(recipe.seed, verbose=False)
    # Deterministic mode writes a value into every new tensor first: a fifth of a step's time (docs/experiments.md).
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    for name in ("pytorch_lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(pytorch_)?lightning.*")


def _threads(recipe: Recipe) -> int:
    if recipe.train.processes > 1:
        return 1  # a pool of threads does not survive the fork
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # OpenMP takes a number a level: 4,2
    return recipe.train.threads or (int(asked) if asked.isdecimal() else 0) or usable_cpus()
