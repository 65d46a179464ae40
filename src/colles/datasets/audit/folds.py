"""Which images stay in one fold of a cross-validation: kin, and else neighbouring file numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

FOLDS = 5
_LEAST_GROUPS = 10  # of a class; fewer cannot be divided into folds
_BLOCK = 10  # neighbouring file numbers, which are often one visit


def with_fold_groups(frame: pl.DataFrame, clusters: pl.DataFrame) -> pl.DataFrame:
    """Return the readable rows with a label, sorted, with the column `fold_group`.

    It is the group of `clusters` (image_id, group_id) where that holds several images, else the block of ten
    neighbouring file numbers, else the image itself.
    """
    from colles.datasets.grouping import block_name

    rows = frame.filter((pl.col("status") == "ok") & pl.col("label").is_not_null())
    rows = rows.join(clusters.select("image_id", pl.col("group_id").alias("fold_group")), on="image_id", how="inner")
    rows = rows.sort("image_id")
    several = set(rows.group_by("fold_group").len().filter(pl.col("len") > 1)["fold_group"].to_list())
    columns = ("image_id", "source", "patient_id", "study_id", "group_id", "fold_group")
    names = [
        row["fold_group"] if row["fold_group"] in several else block_name(row, _BLOCK) or row["fold_group"]
        for row in rows.select(columns).to_dicts()
    ]
    return rows.with_columns(pl.Series("fold_group", names, dtype=pl.String))


def enough(label: npt.NDArray[Any], groups: npt.NDArray[Any]) -> bool:
    """Tell whether each class lies in so many groups that folds can hold both."""
    return all(len(np.unique(groups[label == value])) >= _LEAST_GROUPS for value in (0, 1))
