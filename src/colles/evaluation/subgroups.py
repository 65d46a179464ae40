"""Subgroups of a subset by the catalog's columns."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from colles.evaluation.predictions import Predictions

COLUMNS = ("source", "body_part", "upper_limb", "view", "hardware")
_MOST_VALUES = 20  # a column with more values than this is an identifier, not a subgroup


def split_subgroups(
    predictions: Predictions, catalog_frame: pl.DataFrame | None
) -> Iterator[tuple[str, str, Predictions]]:
    """Yield (column, value, rows) for each value of each known column that divides the images.

    Columns come from the predictions themselves or, by image_id, from the catalog; upper limb is taken by source too.
    """
    frame = _with_catalog(predictions.frame, catalog_frame)
    present = [name for name in COLUMNS if name in frame.columns]
    for column in present:
        values = sorted(frame[column].drop_nulls().unique().to_list(), key=str)
        if column == "upper_limb":
            values = [value for value in values if value]
        if len(values) > _MOST_VALUES or (len(values) < 2 and column != "upper_limb"):
            continue
        for value in values:
            rows = frame.filter(pl.col(column) == value)
            yield column, _word(column, value), Predictions(rows, predictions.path)
    if {"source", "upper_limb"} <= set(present) and frame["source"].n_unique() > 1:
        upper = frame.filter(pl.col("upper_limb"))
        for source in sorted(upper["source"].unique().to_list()):
            rows = upper.filter(pl.col("source") == source)
            yield "source × upper_limb", f"{source}, upper limb", Predictions(rows, predictions.path)


def _word(column: str, value: object) -> str:
    if isinstance(value, bool):
        return column if value else f"no {column}"
    return str(value)


def _with_catalog(frame: pl.DataFrame, catalog_frame: pl.DataFrame | None) -> pl.DataFrame:
    if catalog_frame is None or "image_id" not in frame.columns:
        return frame
    wanted = [name for name in COLUMNS if name in catalog_frame.columns and name not in frame.columns]
    return frame.join(catalog_frame.select("image_id", *wanted), on="image_id", how="left")
