"""Files with equal bytes or equal pixels: copies that the catalog alone tells."""

from __future__ import annotations

import polars as pl

from colles.datasets.union_find import Groups


def exact_copies(rows: pl.DataFrame) -> list[list[str]]:
    """Return the sets of several image_ids with equal bytes or equal pixels, sorted."""
    joined: Groups[str] = Groups()
    for column in ("sha256", "pixel_sha256"):
        equal = rows.filter(pl.col(column).is_not_null() & pl.col(column).is_duplicated())
        for ids in equal.group_by(column).agg("image_id")["image_id"].to_list():
            joined.join_all(ids)
    return sorted(sorted(ids) for ids in joined.sets())
