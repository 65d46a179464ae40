"""Run a search: Optuna one trial after the other, or Ray Tune on a cluster; each trial leaves one JSON file.

The folder holds `sweep.json` (what was searched), the trials' files, `trials/`, `best_recipe.yaml`, and the engine's
own memory (`study.db`, or `ray/`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colles.core.dotted import dotted
from colles.core.errors import StaleInputError, TrainingError
from colles.core.files import alone, read_json, refuse_existing, write_json
from colles.core.recipe import Recipe
from colles.core.recipe_text import save_recipe
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.learning.sweep.logs import SweepLogs
from colles.learning.sweep.space import point_recipe
from colles.learning.sweep.trial import SweepJob

AGAIN = "Resume with the recipe and data it began with, or search into another folder"
_MEND = "Mend the recipe or the space, and search into another --out"


def search(catalog: Catalog, split: Split, recipe: Recipe, out: Path, *, resume: bool = False) -> SweepLogs:
    """Search what `recipe.sweep` describes; return the trials.

    With `resume` a begun search goes on, an interrupted trial from its last finished epoch, up to `sweep.trials`.
    Raise `RecipeError` for a bad space, `OutputExistsError` where `out` holds a search, `StaleInputError` where the
    begun one was of something else, `TrainingError` where every trial failed.
    """
    job = SweepJob.create(catalog, split, recipe, out)
    if not resume:
        refuse_existing(job.out / "sweep.json", repair="Go on with --resume, or choose another --out")
    if (job.out / "sweep.json").is_file():
        assert_same_search(_begun(job.out / "sweep.json"), job.inputs(), job.out / "sweep.json")
    with alone(job.out, "search"):
        write_json(job.out / "sweep.json", {"inputs": job.inputs(), "trials": recipe.sweep.trials})
        _engine(job)
        logs = SweepLogs.read(job.out)
        _write_best(job, logs)
    return logs


def _begun(path: Path) -> dict[str, Any]:
    found = read_json(path)
    inputs = found.get("inputs") if isinstance(found, dict) else None
    if not isinstance(inputs, dict):
        repair = "Remove it and resume: study.db knows what its trials are of"
        raise StaleInputError("does not say what was searched", path=path, repair=repair)
    return inputs


def begun_data(path: Path) -> dict[str, Any]:
    """Return the digests of catalog and split of the search that `sweep.json` tells of; empty where there is none."""
    data = _begun(path).get("data") if path.is_file() else None
    return data if isinstance(data, dict) else {}


def assert_same_search(before: Any, now: dict[str, Any], path: Path) -> None:
    """Raise `StaleInputError` naming what a begun search had otherwise."""
    old, new = dotted(before), dotted(now)
    changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if changed:
        what = "another space" if any(key.startswith("space") for key in changed) else "other settings"
        raise StaleInputError(
            f"a search of {what} began here (different: {', '.join(changed)})", path=path, repair=AGAIN
        )


def _engine(job: SweepJob) -> None:
    if job.recipe.sweep.engine == "ray":
        from colles.learning.sweep.ray_engine import run_ray

        run_ray(job)
    else:
        from colles.learning.sweep.optuna_engine import run_optuna

        run_optuna(job)


def _write_best(job: SweepJob, logs: SweepLogs) -> None:
    complete = logs.of("complete")
    if not complete:
        failed = logs.of("failed")
        reason = f"; first error: {failed[0].error}" if failed else ""
        raise TrainingError(f"no trial of {len(logs.entries)} was finished{reason}", path=job.out, repair=_MEND)
    best = max(complete, key=lambda entry: entry.best_score or 0.0)
    save_recipe(point_recipe(job.recipe, best.params), job.out / "best_recipe.yaml")
