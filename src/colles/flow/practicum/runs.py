"""Small trainings of a walk, kept under a name, and their predictions judged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from colles.core.files import remove, sha256_json
from colles.core.recipe import Recipe
from colles.core.recipe_text import recipe_from
from colles.evaluation.evaluate import evaluate
from colles.evaluation.predictions import Predictions
from colles.evaluation.results import Evaluation
from colles.flow.practicum.walk import Practicum, quiet
from colles.flow.workspace import Ledger

_LONGER = ("train.head_epochs=0", "train.epochs=3", "train.lr=3e-4")
_SEARCH = {
    "trials": 3,
    "startup_trials": 3,
    "prune": False,
    "space": {"train.lr": {"low": 3e-4, "high": 3e-3, "log": True}, "train.sampler": ["plain", "weighted"]},
}


def train_model(practicum: Practicum, name: str, *overrides: str, again: bool = False) -> Path:
    """Train a network under a name, or take the one that was trained so on these data; return its run folder."""
    recipe, out = _recipe(practicum, overrides), practicum.space.out / "runs" / name
    with quiet():
        from colles.learning.training import train

        if _begin(practicum, recipe, out, again=again):
            train(practicum.catalog, practicum.split, recipe, out)
            _end(practicum, recipe, out)
    return out


def fine_tune(practicum: Practicum, run: Path, *, again: bool = False) -> Path:
    """Go on from a trained run with all layers, at a lower rate; return the folder of the new run."""
    weights = (run / "checkpoints" / "best.safetensors").absolute()
    return train_model(practicum, f"{run.name}_tuned", f"model.weights={weights}", *_LONGER, again=again)


def search(practicum: Practicum, *, again: bool = False) -> Path:
    """Search a few settings by val, or take the search that is there; return the folder with a file a trial."""
    recipe, out = _recipe(practicum, ()), practicum.space.out / "runs" / "sweep"
    recipe = recipe_from({**recipe.model_dump(mode="json"), "sweep": _SEARCH})
    with quiet():
        from colles.learning.sweep.search import search as run_search

        if _begin(practicum, recipe, out, again=again):
            run_search(practicum.catalog, practicum.split, recipe, out)
            _end(practicum, recipe, out)
    return out


def judge(practicum: Practicum, runs: Mapping[str, Path]) -> dict[str, Evaluation]:
    """Evaluate the predictions of runs anew, from their tables alone."""
    frame = practicum.catalog.frame
    return {
        name: evaluate(Predictions.load(run / "predictions.parquet"), practicum.recipe.evaluate, catalog_frame=frame)
        for name, run in runs.items()
    }


def _recipe(practicum: Practicum, overrides: tuple[str, ...]) -> Recipe:
    return recipe_from(practicum.recipe.model_dump(mode="json"), overrides)


def _key(practicum: Practicum, recipe: Recipe) -> str:
    return sha256_json([practicum.catalog.digest, practicum.split.digest, recipe.model_dump(mode="json")])


def _ledger(practicum: Practicum) -> Ledger:
    return Ledger(practicum.space.out / "runs" / "state.json")


def _begin(practicum: Practicum, recipe: Recipe, out: Path, *, again: bool) -> bool:
    # Tell whether there is work to do; what is there of other data or settings makes room for it.
    if not again and _ledger(practicum).why_run(out.name, _key(practicum, recipe), [out]) is None:
        return False
    remove(out)
    return True


def _end(practicum: Practicum, recipe: Recipe, out: Path) -> None:
    _ledger(practicum).finish(out.name, _key(practicum, recipe), 0.0)
