"""Which images stay in one fold of a cross-validation: kin, the folder of a person, and else neighbouring numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from colles.datasets.grouping import block_name
from colles.datasets.persons import person_folders
from colles.datasets.union_find import Groups

FOLDS = 5
ALL = "all sources"
_LEAST_GROUPS = 10  # of a class; fewer cannot be divided into folds
_BLOCK = 10  # neighbouring file numbers, which are often one visit


def with_fold_groups(frame: pl.DataFrame, clusters: pl.DataFrame) -> pl.DataFrame:
    """Return the readable rows with a label, sorted, with the column `fold_group`.

    It is the group of `clusters` (image_id, group_id), joined by folders of persons, where that holds several images,
    else the block of ten neighbouring file numbers, else the image itself.
    """
    rows = frame.filter((pl.col("status") == "ok") & pl.col("label").is_not_null())
    rows = rows.join(clusters.select("image_id", pl.col("group_id").alias("fold_group")), on="image_id", how="inner")
    rows = _joined(rows.sort("image_id"), person_folders(rows))
    several = set(rows.group_by("fold_group").len().filter(pl.col("len") > 1)["fold_group"].to_list())
    columns = ("image_id", "source", "patient_id", "study_id", "group_id", "fold_group")
    names = [
        row["fold_group"] if row["fold_group"] in several else block_name(row, _BLOCK, {}) or row["fold_group"]
        for row in rows.select(columns).to_dicts()
    ]
    return rows.with_columns(pl.Series("fold_group", names, dtype=pl.String))


def _joined(rows: pl.DataFrame, persons: Mapping[str, str]) -> pl.DataFrame:
    # Copies of two persons' images join the persons.
    joined: Groups[tuple[str, ...]] = Groups()
    group = {image: ("group", name) for image, name in rows.select("image_id", "fold_group").iter_rows()}
    for image, source in rows.select("image_id", "source").iter_rows():
        joined.find(group[image])
        if image in persons:
            joined.join(group[image], ("person", source, persons[image]))
    name: dict[tuple[str, ...], str] = {}
    for found in joined.sets():
        name |= dict.fromkeys(found, min(one[1] for one in found if one[0] == "group"))
    return rows.with_columns(pl.Series("fold_group", [name[unit] for unit in group.values()], dtype=pl.String))


def by_source(rows: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """Return all rows under the name `ALL` and, where there are several sources, those of each."""
    sources = sorted(rows["source"].unique().to_list())
    return [(ALL, rows)] + ([(name, rows.filter(source=name)) for name in sources] if len(sources) > 1 else [])


def enough(label: npt.NDArray[Any], groups: npt.NDArray[Any]) -> bool:
    """Tell whether each class lies in so many groups that folds can hold both."""
    return all(len(np.unique(groups[label == value])) >= _LEAST_GROUPS for value in (0, 1))
