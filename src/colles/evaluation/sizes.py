"""Subgroups by size: of the image in pixels, and of the fracture as a share of the picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import polars as pl

IMAGE_SIZE, LESION_AREA = "image_size", "lesion_area"
SIZE_COLUMNS = ("width", "height", "boxes", LESION_AREA)
IMAGE_CUTS = (500, 1000, 2000)
"""Longer side in pixels; public sets hold thumbnails of 450 as well as originals of 3,000."""
LESION_CUTS = (0.005, 0.01, 0.03)
"""Share of the picture: about the quartiles of the fractures of FracAtlas and a YOLO export together."""


def with_sizes(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `image_size` (in words) and `lesion_area` (share, 0–1) where width, height and boxes allow it."""
    if not {"width", "height"} <= set(frame.columns):
        return frame
    longer = pl.max_horizontal("width", "height").cast(pl.Float64)
    added = {IMAGE_SIZE: in_words(longer, IMAGE_CUTS, [f"{cut:,} px" for cut in IMAGE_CUTS])}
    if LESION_AREA not in frame.columns and isinstance(frame.schema.get("boxes"), pl.List):
        added[LESION_AREA] = _covered() / (pl.col("width").cast(pl.Float64) * pl.col("height"))
    return frame.with_columns(**{name: column for name, column in added.items() if name not in frame.columns})


def _covered() -> pl.Expr:
    """Sum the boxes' areas (pixels); null where there is no box, and overlaps count twice."""
    box = pl.element().struct
    area = (box.field("x2") - box.field("x1")) * (box.field("y2") - box.field("y1"))
    areas = pl.col("boxes").list.eval(area)
    return pl.when(areas.list.len() > 0).then(areas.list.sum())


def in_words(values: pl.Expr, cuts: Sequence[float], names: Sequence[str]) -> pl.Expr:
    """Name the interval that each value lies in, as an Enum that sorts by size; null stays null."""
    between = [f"{low} to {high}" for low, high in pairwise(names)]
    labels = [f"under {names[0]}", *between, f"{names[-1]} and more"]
    place = pl.sum_horizontal(*((values >= cut).cast(pl.Int32) for cut in cuts))
    named = place.replace_strict(dict(enumerate(labels)), return_dtype=pl.Enum(labels))
    return pl.when(values.is_not_null()).then(named)


def lesion_rows(frame: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """Yield (column, value, rows) by size of the fracture: those of this size and all images without a fracture."""
    if LESION_AREA not in frame.columns or not frame.schema[LESION_AREA].is_numeric():
        return
    names = [f"{100 * cut:g} %" for cut in LESION_CUTS]
    words = in_words(pl.col(LESION_AREA).cast(pl.Float64), LESION_CUTS, names)
    fractured = frame.with_columns(size=words).filter((pl.col("y_true") == 1) & pl.col("size").is_not_null())
    others = frame.filter(pl.col("y_true") == 0)
    for value in fractured["size"].unique().sort().to_list():
        yield LESION_AREA, value, pl.concat([fractured.filter(pl.col("size") == value).drop("size"), others])
