"""Subgroups of numbers in bands: the image's size, the fracture's share of the picture, the patient's age."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

import polars as pl

from colles.core.tables import has_values

IMAGE_SIZE, LESION_AREA = "image_size", "lesion_area"
SIZE_COLUMNS = ("width", "height", "boxes", LESION_AREA)
AGE, AGE_BAND = "age", "age_band"
IMAGE_CUTS = (500, 1000, 2000)
"""Longer side in pixels; public sets hold thumbnails of 450 as well as originals of 3,000."""
IMAGE_NAMES = tuple(f"{cut:,} px" for cut in IMAGE_CUTS)
LESION_CUTS = (0.005, 0.01, 0.03)
"""Share of the picture: about the quartiles of the fractures of FracAtlas and a YOLO export together."""
AGE_CUTS = (18, 65)
"""Years: children, whose bones still grow, and those whose bones break easily."""
_OLDEST = 125  # years; 999 stands for an unknown age


def with_ages(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `age_band` (in words) where there are ages in years."""
    if AGE_BAND in frame.columns or not has_values(frame, AGE):
        return frame
    years = _number(AGE)
    named = in_words(years, AGE_CUTS, [f"{cut} years" for cut in AGE_CUTS])
    return frame.with_columns(**{AGE_BAND: pl.when(years.is_between(0, _OLDEST)).then(named)})


def with_sizes(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `image_size` (in words) and `lesion_area` (share, 0–1) where width, height and boxes allow it."""
    if not has_values(frame, "width") or not has_values(frame, "height"):
        return frame
    width, height = _number("width"), _number("height")
    longer = pl.when(width.is_not_null() & height.is_not_null()).then(pl.max_horizontal(width, height))
    added = {IMAGE_SIZE: in_words(longer, IMAGE_CUTS, IMAGE_NAMES)}
    if _has_boxes(frame):
        added[LESION_AREA] = _covered() / (width * height)
    return frame.with_columns(**{name: column for name, column in added.items() if name not in frame.columns})


def _number(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Float64, strict=False)


def _has_boxes(frame: pl.DataFrame) -> bool:
    dtype = frame.schema.get("boxes")
    if not isinstance(dtype, pl.List) or not isinstance(dtype.inner, pl.Struct):
        return False
    sides = {field.name: field.dtype for field in dtype.inner.fields if field.name in ("x1", "y1", "x2", "y2")}
    return len(sides) == 4 and all(side.is_numeric() for side in sides.values())


def _covered() -> pl.Expr:
    """Sum the boxes' areas (pixels); null where there is no box, and overlaps count twice."""
    box = pl.element().struct
    area = (box.field("x2") - box.field("x1")) * (box.field("y2") - box.field("y1"))
    areas = pl.col("boxes").list.eval(area)
    return pl.when(areas.list.len() > 0).then(areas.list.sum())


def in_words(values: pl.Expr, cuts: Sequence[float], names: Sequence[str]) -> pl.Expr:
    """Name the interval that each value lies in, as an Enum that sorts by size; what is no number stays null."""
    labels = _bands(names)
    place = pl.sum_horizontal(*((values >= cut).cast(pl.Int32) for cut in cuts))
    named = place.replace_strict(dict(enumerate(labels)), return_dtype=pl.Enum(labels))
    return pl.when(values.is_finite()).then(named)


def image_size(longer: float) -> str:
    """Name the interval that an image's longer side (pixels) lies in, as `image_size` of an evaluation does."""
    return image_sizes()[bisect_right(IMAGE_CUTS, longer)]


def image_sizes() -> list[str]:
    """Return the names of all intervals, the smallest first."""
    return _bands(IMAGE_NAMES)


def _bands(names: Sequence[str]) -> list[str]:
    between = [f"{low} to {high}" for low, high in pairwise(names)]
    return [f"under {names[0]}", *between, f"{names[-1]} and more"]


def lesion_rows(frame: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """Yield (column, value, rows) by size of the fracture: those of this size and all images without a fracture."""
    if not has_values(frame, LESION_AREA):
        return
    names = [f"{100 * cut:g} %" for cut in LESION_CUTS]
    size = frame.select(in_words(_number(LESION_AREA), LESION_CUTS, names)).to_series()
    fractured, others = frame["y_true"] == 1, frame.filter(pl.col("y_true") == 0)
    for value in size.filter(fractured).drop_nulls().unique().sort().to_list():
        yield LESION_AREA, value, pl.concat([frame.filter(fractured & (size == value)), others])
