"""Which base names mean that files are copies of one radiograph."""

from __future__ import annotations

import polars as pl


def trust_names(frame: pl.DataFrame) -> pl.DataFrame:
    """Blank the base names that the catalog itself did not group by.

    A source that marks augmented copies in its names groups by them. Elsewhere a base name is a mere file name, and
    equal ones in two folders (`fractured/001.jpg`, `normal/001.jpg`) are two radiographs.
    """
    grouped = pl.col("group_id").is_not_null() & (pl.col("group_id") != pl.col("image_id"))
    return frame.with_columns(pl.when(grouped).then("base_name").alias("base_name"))
