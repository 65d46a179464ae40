"""Rows with a `condition` (the same images under noise, blur …) judged beside the clean ones."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import polars as pl

from colles.core.errors import TableError
from colles.core.recipe import EvaluateRecipe
from colles.core.records import OperatingPoint
from colles.core.tables import require_columns
from colles.evaluation.estimates import auroc_estimate, paired_difference, proportion
from colles.evaluation.predictions import Predictions, refuse_duplicates, to_scores
from colles.evaluation.results import Condition
from colles.evaluation.subgroups import judge_subgroup

CLEAN = ("", "none", "clean", "original")


def clean_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of unchanged images: all where there is no column `condition`."""
    return frame if "condition" not in frame.columns else frame.filter(_is_clean())


def _is_clean() -> pl.Expr:
    return pl.col("condition").is_null() | pl.col("condition").str.to_lowercase().is_in(CLEAN)


def with_perturbed(frame: pl.DataFrame, perturbed: Predictions | None) -> pl.DataFrame:
    """Return the rows of `frame` and, under their condition, those of its images made worse.

    Everything but the score comes from the unchanged image. Raise `TableError` where a table names no image_id,
    `perturbed` no condition, an image that `frame` lacks or gives another label, or a row that `frame` has already.
    """
    if perturbed is None:
        return frame
    require_columns(frame, ("image_id",))
    try:
        require_columns(perturbed.frame, ("image_id", "condition"))
        changed = perturbed.frame.filter(~_is_clean())
        clean = clean_rows(frame)
        _refuse_unlike(changed, clean)
        known = clean.drop("y_score", "condition", strict=False)
        rows = changed.select("image_id", "condition", "y_score").join(
            known, on="image_id", how="left", maintain_order="left"
        )
        both = pl.concat([frame, rows], how="diagonal")
        refuse_duplicates(both)
    except TableError as error:
        raise TableError(error.message, path=perturbed.path, field=error.field, repair=error.repair) from error
    return both


def _refuse_unlike(changed: pl.DataFrame, clean: pl.DataFrame) -> None:
    if changed.is_empty():
        raise TableError("no row has a condition", field="condition", repair="Name what was done to each image")
    strange = changed.join(clean, on="image_id", how="anti")
    if strange.height:
        raise TableError(
            f"{strange.height} rows are of images without an unchanged row in the predictions, first "
            f"{strange['image_id'][0]!r}",
            field="image_id",
            repair="Perturb the images that were predicted",
        )
    labels = changed.join(clean.select("image_id", known="y_true"), on="image_id", how="inner")
    unlike = labels.filter(pl.col("y_true") != pl.col("known"))
    if unlike.height:
        raise TableError(
            f"{unlike.height} rows have another label than the unchanged image, first {unlike['image_id'][0]!r}",
            field="y_true",
            repair="Give both the same label",
        )


def judge_conditions(
    frame: pl.DataFrame, points: Mapping[str, OperatingPoint], recipe: EvaluateRecipe
) -> list[Condition]:
    """Judge every condition of every subset, and pair it with the unchanged images where there are image_ids."""
    if "condition" not in frame.columns:
        return []
    clean, changed = clean_rows(frame), frame.filter(~_is_clean())
    keys = changed.select("subset", "condition").unique().sort("subset", "condition")
    judged = []
    for subset, condition in keys.iter_rows():
        rows = changed.filter((pl.col("subset") == subset) & (pl.col("condition") == condition))
        group = judge_subgroup(rows, subset, "condition", condition, points, recipe)
        kind, strength = name_and_strength(condition)
        known = Condition(**dict(group), kind=kind, strength=strength)
        judged.append(_beside_clean(known, clean, rows, points, recipe))
    return sorted(judged, key=lambda c: (c.subset, c.kind, c.strength or 0, c.value))


def name_and_strength(condition: str) -> tuple[str, int | None]:
    """Split `noise 2` into its name and its strength; None where it ends with no number."""
    found = re.fullmatch(r"\s*(.*?)[\s_\-]*(\d{1,9})\s*", condition)
    return (found[1], int(found[2])) if found and found[1] else (condition.strip(), None)


def _beside_clean(
    group: Condition,
    clean: pl.DataFrame,
    rows: pl.DataFrame,
    points: Mapping[str, OperatingPoint],
    recipe: EvaluateRecipe,
) -> Condition:
    if "image_id" not in rows.columns:
        return group
    clean_scores = clean.select("image_id", before="y_score")
    paired = rows.join(clean_scores, on="image_id", how="inner", maintain_order="left")
    if paired.is_empty():
        return group
    scores, unchanged = to_scores(paired), paired["before"].to_numpy()
    found = dict(group.operating_points)
    for name, point in points.items():
        flipped = (scores.y_score >= point.threshold) != (unchanged >= point.threshold)
        flips = proportion(flipped, scores, np.ones(scores.n, dtype=bool), level=recipe.level)
        found[name] = found[name].model_copy(update={"figures": {**found[name].figures, "flips": flips}})
    before = auroc_estimate(scores.with_score(unchanged), recipe)
    change = paired_difference(scores, unchanged, level=recipe.level)
    figures = {**group.figures, "auroc_unchanged": before, "auroc_change": change}
    return group.model_copy(update={"operating_points": found, "figures": figures})
