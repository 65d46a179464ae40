"""Choose the images to explain: some of each outcome (TP, FP, FN, TN) of test, by seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from colles.core.recipe import ExplainRecipe
from colles.datasets.catalog import Catalog

OUTCOMES = ("TP", "FP", "FN", "TN")


def choose_gallery(predictions: pl.DataFrame, threshold: float, recipe: ExplainRecipe) -> pl.DataFrame:
    """Return the chosen rows of test with a column `outcome`: some drawn by seed, and the worst errors.

    `predictions` needs image_id, subset, y_true and y_score; score ≥ threshold is a positive call.
    """
    called = pl.col("y_score") >= threshold
    fractured = pl.col("y_true") == 1
    outcome = (
        pl.when(called & fractured)
        .then(pl.lit("TP"))
        .when(called)
        .then(pl.lit("FP"))
        .when(fractured)
        .then(pl.lit("FN"))
        .otherwise(pl.lit("TN"))
    )
    test = predictions.filter(pl.col("subset") == "test").with_columns(outcome=outcome).sort("image_id")
    rng = np.random.default_rng(recipe.seed)
    by_outcome = {name: test.filter(pl.col("outcome") == name) for name in OUTCOMES}
    chosen = [
        _with_worst(_draw(rows, recipe.per_outcome, rng), rows, name, recipe) for name, rows in by_outcome.items()
    ]
    return pl.concat(chosen)


def _with_worst(drawn: pl.DataFrame, rows: pl.DataFrame, outcome: str, recipe: ExplainRecipe) -> pl.DataFrame:
    """Put the worst errors first; right calls stay as drawn."""
    if outcome in ("TP", "TN"):
        return drawn
    worst = rows.sort("y_score", "image_id", descending=[outcome == "FP", False]).head(recipe.worst)
    return pl.concat([worst, drawn.join(worst, on="image_id", how="anti")])


def _draw(rows: pl.DataFrame, count: int, rng: np.random.Generator) -> pl.DataFrame:
    picked = rng.permutation(rows.height)[:count]
    chosen: pl.DataFrame = rows[np.sort(picked).tolist()]
    return chosen


def explain_gallery(
    run: Path, catalog: Catalog, chosen: pl.DataFrame, recipe: ExplainRecipe, out: Path
) -> list[dict[str, Any]]:
    """Write heat maps of the chosen rows, with their reference boxes and outcomes."""
    from colles.learning.explain import explain_images

    rows = {row.image_id: row for row in catalog.where(pl.col("image_id").is_in(chosen["image_id"].implode())).rows()}
    order = [(rows[image_id], outcome) for image_id, outcome in chosen.select("image_id", "outcome").iter_rows()]
    paths = [Path(row.path) for row, _ in order]
    boxes = {row.path: row.boxes for row, _ in order}
    captions = {row.path: outcome for row, outcome in order}
    ids = {row.path: row.image_id for row, _ in order}
    return explain_images(run, paths, recipe.methods, out, boxes=boxes, captions=captions, image_ids=ids)
