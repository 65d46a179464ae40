"""Which base names mean that files are copies of one radiograph."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from colles.datasets.union_find import Groups


def trust_names(frame: pl.DataFrame) -> pl.DataFrame:
    """Blank the base names that the catalog itself did not group by.

    A source that marks augmented copies in its names groups by them. Elsewhere a base name is a mere file name, and
    equal ones in two folders (`fractured/001.jpg`, `normal/001.jpg`) are two radiographs.
    """
    grouped = pl.col("group_id").is_not_null() & (pl.col("group_id") != pl.col("image_id"))
    return frame.with_columns(pl.when(grouped).then("base_name").alias("base_name"))


def joined_copies(rows: pl.DataFrame, copies: Iterable[Iterable[str]]) -> Groups[str]:
    """Join the image_ids of each of `copies`, and those of `rows` that share a base name within a source."""
    joined: Groups[str] = Groups()
    named = rows.filter(pl.col("base_name").is_not_null()).group_by("source", "base_name").agg("image_id")
    for ids in (*copies, *named["image_id"].to_list()):
        joined.join_all(ids)
    return joined
