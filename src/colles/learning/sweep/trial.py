"""One trial of a search: a point of the space → a training that ends with its best figures on val.

Any engine runs trials through `run_trial`. A trial never sees test: the images of test are taken out of its split.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from colles.core.errors import CollesError, RecipeError, StorageError
from colles.core.files import storage_errors
from colles.core.progress import say
from colles.core.recipe import Recipe
from colles.core.tables import read_table
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.learning.sweep.entries import Entry
from colles.learning.sweep.space import Parameter, point_recipe, read_space

Report = Callable[[int, float], bool]
"""Told epoch and objective after each epoch; True stops the trial early."""


class StopEarly(Exception):
    """The search has no further use for the trial."""


@dataclass(frozen=True)
class SweepJob:
    """What all trials of a search share."""

    catalog: Catalog
    split: Split
    """Without the images of test."""
    recipe: Recipe
    parameters: tuple[Parameter, ...]
    out: Path

    @classmethod
    def create(cls, catalog: Catalog, split: Split, recipe: Recipe, out: Path) -> SweepJob:
        """Check the space and take test away; raise `RecipeError` for trials of several processes.

        A trial is stopped from inside its process, and on a cluster the search places it.
        """
        split.assert_matches(catalog)
        for field, value, single in (
            ("processes", recipe.train.processes, 1),
            ("engine", recipe.train.engine, "local"),
        ):
            if value != single:
                repair = f"Set train.{field}={single}; sweep.engine=ray shares the trials out"
                raise RecipeError(
                    f"a trial is one process, so {value} cannot be", field=f"train.{field}", repair=repair
                )
        seen = replace(split, frame=split.frame.filter(pl.col("subset").is_in(["train", "val"])))
        return cls(catalog, seen, recipe, read_space(recipe), Path(out).absolute())

    def trial_folder(self, config_id: int | str) -> Path:
        """Return where a trial trains."""
        return self.out / "trials" / str(config_id)

    def inputs(self) -> dict[str, Any]:
        """Return what decides the search's result, for comparison with a begun one; engine and number are free."""
        sweep = self.recipe.sweep
        others = self.recipe.model_dump(mode="json", include={"seed", "preprocess", "model", "train"})
        chosen = sweep.model_dump(mode="json", include={"objective", "seed", "startup_trials", "prune"})
        return {
            "space": {parameter.name: parameter.described() for parameter in self.parameters},
            "sweep": {**chosen, "warmup_epochs": sweep.warmup_epochs},
            "recipe": others,
            "data": {"catalog": self.catalog.digest, "split": self.split.digest},
        }


def run_trial(job: SweepJob, config_id: int | str, params: Mapping[str, Any], report: Report) -> Entry:
    """Train one point of the space, or go on with it where it stopped; an error becomes part of the entry.

    Raise `StorageError` where the disk is full: that says nothing of the point, and it can go on once there is room.
    """
    folder = job.trial_folder(config_id)
    started = time.perf_counter()
    before = trial_figures(folder, job.recipe.sweep.objective).get("seconds", 0.0)
    error, pruned = None, False
    try:
        with storage_errors(folder):
            _train(job, folder, params, report)
    except StopEarly:
        pruned = True
    except StorageError:
        raise
    except Exception as problem:  # any library may fail at one point of the space; the search goes on
        error = " ".join(
            f"{'' if isinstance(problem, CollesError) else type(problem).__name__ + ': '}{problem}".split()
        )
    figures = trial_figures(folder, job.recipe.sweep.objective) if error is None else {}
    figures["seconds"] = round(before + time.perf_counter() - started, 2)
    return Entry(config_id, dict(params), **figures, error=error, pruned=pruned)


def _train(job: SweepJob, folder: Path, params: Mapping[str, Any], report: Report) -> None:
    from colles.learning.sweep.report_epoch import ReportEpoch
    from colles.learning.training import train

    recipe = point_recipe(job.recipe, params)
    resume = folder.exists()
    callback = ReportEpoch(recipe.train.monitor, report)
    if resume and (folder / "metrics.csv").is_file():
        # the search forgets nothing that it was told; a new one is told again
        for epoch, value in enumerate(_values(folder, recipe.train.monitor)):
            report(epoch, value)
    train(job.catalog, job.split, recipe, folder, resume=resume, callbacks=[callback])


def _values(folder: Path, objective: str) -> list[float]:
    column: list[float] = read_table(folder / "metrics.csv", (f"val_{objective}",))[f"val_{objective}"].to_list()
    return column


def trial_figures(folder: Path, objective: str) -> dict[str, Any]:
    """Return the scores of the best epoch so far, the epochs and their seconds; empty before the first."""
    file = folder / "metrics.csv"
    if not file.is_file():
        return {}
    table = read_table(file)
    best = table.row(int(table[f"val_{objective}"].arg_max() or 0), named=True)
    return {
        "best_score": best[f"val_{objective}"],
        "best_sensitivity": best["val_sensitivity_at_specificity_90"],
        "best_f1_score": best["val_f1"],
        "best_auroc": best["val_auroc"],
        "seconds": round(float(table["seconds"].sum()), 2),
        "epochs": table.height,
    }


def say_trial(entry: Entry, number: int, total: int) -> None:
    """Say one line of a finished trial."""
    score = "no score" if entry.best_score is None else f"score {entry.best_score:.4f}"
    remark = f", {entry.remark}" if entry.remark else ""
    say(f"trial {entry.config_id} ({number} of {total}): {score}{remark}, {entry.seconds or 0:.0f} s")
