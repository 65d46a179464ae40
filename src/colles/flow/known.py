"""What a catalog knows of the images that are explained: ids, boxes, labels, groups, and the outcome of a score."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from colles.core.errors import MissingInputError, UsageError
from colles.core.records import SUBSETS, Radiograph
from colles.datasets.catalog import Catalog
from colles.flow.explain import Item


def item_of(row: Radiograph, outcome: str | None = None, group: str | None = None) -> Item:
    """Return a catalog's row as an image to explain."""
    columns = {"body_part": row.body_part, "source": row.source, "hardware": row.hardware}
    return Item(
        Path(row.path), row.image_id, row.boxes, row.label, outcome, group or row.group_id or row.image_id, columns
    )


def items_of_paths(paths: Sequence[Path], catalog: Catalog | None) -> list[Item]:
    """Return the images with what the catalog knows of them, by absolute path; unknown ones as they are.

    A path counts without its dots, and as what its links lead to, in the catalog too.
    """
    if catalog is None:
        return [Item(path) for path in paths]
    names = [_names(path) for path in paths]
    files = sorted({os.path.basename(name) for pair in names for name in pair})
    near = list(catalog.where(pl.col("path").str.split("/").list.last().is_in(files)).rows())
    stored = [_names(Path(row.path)) for row in near]
    rows = {target: row for (_, target), row in zip(stored, near, strict=True)}
    rows |= {own: row for (own, _), row in zip(stored, near, strict=True)}
    found = [rows.get(own) or rows.get(target) for own, target in names]
    return [Item(path) if row is None else item_of(row) for path, row in zip(paths, found, strict=True)]


def _names(path: Path) -> tuple[str, str]:
    return os.path.normpath(path.absolute()), os.path.realpath(path)


def items_of_subset(catalog: Catalog, frame: pl.DataFrame, subset: str) -> list[Item]:
    """Return the readable images of one subset; `frame` has image_id, subset and group_id (a split or predictions).

    Raise `UsageError` for an unknown subset, `MissingInputError` where the catalog has none of its images.
    """
    if subset not in SUBSETS:
        raise UsageError(f"unknown subset {subset!r}", field="subset", repair=f"Use {', '.join(SUBSETS)}")
    chosen = frame.filter(pl.col("subset") == subset).sort("image_id")
    groups: Mapping[str, str] = dict(chosen.select("image_id", "group_id").iter_rows())
    known = catalog.where(pl.col("image_id").is_in(list(groups)) & (pl.col("status") == "ok"))
    items = [item_of(row, group=groups[row.image_id]) for row in known.rows()]
    if not items:
        raise MissingInputError(
            f"the catalog holds no image of {subset}", field="image_id", repair="Name the catalog of this run"
        )
    return sorted(items, key=lambda item: item.image_id or "")


def with_boxes(items: Sequence[Item]) -> list[Item]:
    """Return the fractured images that have at least one box."""
    return [item for item in items if item.boxes and item.label != 0]


def without_fracture(items: Sequence[Item]) -> list[Item]:
    """Return the images without fracture."""
    return [item for item in items if item.label == 0]
