"""Choose the images to show: some of each outcome (TP, FP, FN, TN) of test, by seed, and lay them out in rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from colles.core.drawn import drawn_places
from colles.core.files import atomic_path
from colles.core.recipe import ExplainRecipe
from colles.datasets.catalog import Catalog
from colles.flow.explain import Item
from colles.flow.known import item_of
from colles.flow.pictures import OUTCOMES, Entry
from colles.imaging.montage import grid

_PER_ROW = 6


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
    judged = predictions.filter((pl.col("subset") == "test") & pl.col("y_true").is_not_null())
    test = judged.with_columns(outcome=outcome).sort("image_id")
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
    chosen: pl.DataFrame = rows[drawn_places(rows.height, count, rng)]
    return chosen


def gallery_items(catalog: Catalog, chosen: pl.DataFrame) -> list[Item]:
    """Return the chosen rows as images to explain, with their boxes and outcomes, in the order of the outcomes."""
    known = catalog.where(pl.col("image_id").is_in(chosen["image_id"].to_list()))
    rows = {row.image_id: row for row in known.rows()}
    return [item_of(rows[image], outcome) for image, outcome in chosen.select("image_id", "outcome").iter_rows()]


def write_sheets(entries: Sequence[Entry], folder: Path) -> list[Path]:
    """Write `gallery-tp.png` and so on: the overlays of each outcome, a row a method; return the files."""
    files = []
    for outcome in OUTCOMES:
        own = [entry for entry in entries if entry["outcome"] == outcome and entry["overlay"]]
        rows = []
        for method in dict.fromkeys(entry["method"] for entry in own):
            shown = [entry for entry in own if entry["method"] == method]
            pictures = [(_title(entry), _open(folder / entry["overlay"])) for entry in shown]
            rows += [pictures[start : start + _PER_ROW] for start in range(0, len(pictures), _PER_ROW)]
        if rows:
            file = folder / f"gallery-{outcome.lower()}.png"
            with atomic_path(file) as temporary:
                grid(rows).save(temporary)
            files.append(file)
    return files


def _title(entry: Entry) -> str:
    return f"{Path(str(entry['path'])).stem[:18]}: {entry['method']}"


def _open(file: Path) -> Image.Image:
    with Image.open(file) as picture:
        picture.load()
        return picture
