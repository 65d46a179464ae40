"""Studies and patients as the units: several images made one score, with operating points of its own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from colles.core.recipe import EvaluateRecipe
from colles.core.records import Estimate
from colles.evaluation.aggregation import AGGREGATIONS, Aggregation, best_aggregation, unit_scores_of
from colles.evaluation.estimates import auroc_estimate
from colles.evaluation.groups import scoped
from colles.evaluation.judge import judge_subset
from colles.evaluation.locked import Locked, choosing_subset, lock, lock_on
from colles.evaluation.predictions import to_scores
from colles.evaluation.results import Level
from colles.evaluation.scores import IntArray, Scores
from colles.evaluation.subgroups import few_warning

UNITS = {"study": "study_id", "patient": "patient_id"}
UNITS_IN_WORDS = {"study": ("study", "studies"), "patient": ("patient", "patients")}


def judge_levels(
    by_subset: Mapping[str, pl.DataFrame], recipe: EvaluateRecipe
) -> tuple[dict[str, Level], tuple[str, ...]]:
    """Judge every unit that a column names and that has several images, and return what is to be said of it.

    `by_subset` holds the labelled rows of unchanged images. Rows without an id are left out of that level. The
    aggregation with the largest AUROC on val is used on all subsets.
    """
    found, said = {}, []
    for unit, column in UNITS.items():
        parts = {name: rows.filter(pl.col(column).is_not_null()) for name, rows in by_subset.items()
                 if column in rows.columns}  # fmt: skip
        parts = {name: rows for name, rows in parts.items() if rows.height}
        if not any(scoped(rows, column).is_duplicated().any() for rows in parts.values()):
            continue
        found[unit], warnings = _judge_level(unit, column, parts, recipe)
        said += [f"by {unit}: {warning}" for warning in warnings]
    return found, tuple(said)


def _judge_level(
    unit: str, column: str, parts: Mapping[str, pl.DataFrame], recipe: EvaluateRecipe
) -> tuple[Level, tuple[str, ...]]:
    images = {name: (to_scores(rows), unit_codes(rows, column)) for name, rows in parts.items()}
    by_way = {how: {name: unit_scores_of(*pair, how) for name, pair in images.items()} for how in AGGREGATIONS}
    chosen_on = choosing_subset(by_way["max"])
    candidates = _candidates(by_way, chosen_on, recipe)
    best = best_aggregation({how: estimate.value for how, estimate in candidates.items()})
    scores = by_way[best]
    locked = lock(scores, recipe)
    subsets = {name: judge_subset(part, name, locked, recipe) for name, part in scores.items()}
    level = Level(
        unit="study" if unit == "study" else "patient",
        aggregation=best,
        chosen_on=chosen_on or "none",
        candidates=candidates,
        operating_points=locked.points,
        calibration=locked.calibrator,
        subsets=subsets,
        images_per_unit=sum(s.n for s, _ in images.values()) / sum(s.n for s in scores.values()),
    )
    few = [(name, few_warning(part, units=UNITS_IN_WORDS[unit])) for name, part in scores.items()]
    return level, (*locked.warnings, *(f"{name}: {text}" for name, text in few if text))


def choose_level(images: Scores, units: IntArray, name: str, recipe: EvaluateRecipe) -> tuple[Aggregation, Locked]:
    """Choose aggregation, operating points and calibration of a unit on one subset of images (N,).

    Raise `TableError` where all units are of one class, as where every patient has a fractured image.
    """
    by_way = {how: {name: unit_scores_of(images, units, how)} for how in AGGREGATIONS}
    candidates = _candidates(by_way, name, recipe)
    best = best_aggregation({how: estimate.value for how, estimate in candidates.items()})
    return best, lock_on(by_way[best][name], name, recipe)


def _candidates(
    by_way: Mapping[Aggregation, Mapping[str, Scores]], chosen_on: str | None, recipe: EvaluateRecipe
) -> dict[Aggregation, Estimate]:
    if chosen_on is None:
        return {}
    return {how: auroc_estimate(by_way[how][chosen_on], recipe) for how in AGGREGATIONS}


def unit_codes(rows: pl.DataFrame, column: str) -> IntArray:
    """Number the units that `column` names 0…U−1, in the order of source and name."""
    return np.asarray(np.unique(scoped(rows, column).to_numpy(), return_inverse=True)[1], dtype=np.int64)
