"""Rows with a `condition` (the same images under noise, blur …) judged beside the clean ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from colles.core.recipe import EvaluateRecipe
from colles.core.records import OperatingPoint
from colles.evaluation.estimates import proportion
from colles.evaluation.predictions import to_scores
from colles.evaluation.results import Subgroup
from colles.evaluation.subgroups import judge_subgroup

CLEAN = ("", "none", "clean", "original")


def clean_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of unchanged images: all where there is no column `condition`."""
    return frame if "condition" not in frame.columns else frame.filter(_is_clean())


def _is_clean() -> pl.Expr:
    return pl.col("condition").is_null() | pl.col("condition").str.to_lowercase().is_in(CLEAN)


def judge_conditions(
    frame: pl.DataFrame, points: Mapping[str, OperatingPoint], recipe: EvaluateRecipe
) -> list[Subgroup]:
    """Judge every condition of every subset as a subgroup of the column `condition`.

    With image_ids every operating point also gets `flips`: the share of images whose decision the condition changes.
    """
    if "condition" not in frame.columns:
        return []
    clean, changed = clean_rows(frame), frame.filter(~_is_clean())
    keys = changed.select("subset", "condition").unique().sort("subset", "condition")
    judged = []
    for subset, condition in keys.iter_rows():
        rows = changed.filter((pl.col("subset") == subset) & (pl.col("condition") == condition))
        group = judge_subgroup(rows, subset, "condition", condition, points, recipe)
        judged.append(_with_flips(group, clean, rows, points, recipe))
    return judged


def _with_flips(
    group: Subgroup,
    clean: pl.DataFrame,
    rows: pl.DataFrame,
    points: Mapping[str, OperatingPoint],
    recipe: EvaluateRecipe,
) -> Subgroup:
    if "image_id" not in rows.columns:
        return group
    before = clean.select("image_id", before="y_score")
    paired = rows.join(before, on="image_id", how="inner", maintain_order="left")
    if paired.is_empty():
        return group
    scores = to_scores(paired)
    found = dict(group.operating_points)
    for name, point in points.items():
        flipped = (scores.y_score >= point.threshold) != (paired["before"].to_numpy() >= point.threshold)
        flips = proportion(flipped, scores, np.ones(scores.n, dtype=bool), level=recipe.level)
        found[name] = found[name].model_copy(update={"figures": {**found[name].figures, "flips": flips}})
    return group.model_copy(update={"operating_points": found})
