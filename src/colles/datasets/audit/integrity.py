"""Files that cannot be read, and labels that are absent or contradict their own table."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from colles.core.records import Issue


def broken_files(frame: pl.DataFrame) -> Iterator[Issue]:
    """Yield an issue for every file that could not be decoded; its kind is the file's status."""
    for row in frame.filter(pl.col("status") != "ok").sort("image_id").iter_rows(named=True):
        detail = row["reason"] or f"The file is {row['status']}"
        yield Issue(kind=row["status"], severity="warning", images=(row["image_id"],), detail=detail)


def missing_labels(frame: pl.DataFrame) -> Iterator[Issue]:
    """Yield one issue a source for its images without a label."""
    rows = frame.filter((pl.col("status") == "ok") & pl.col("label").is_null()).sort("image_id")
    for (source,), part in rows.group_by("source", maintain_order=True):
        detail = f"{len(part)} images of {source} have no label; they take no part in training"
        yield Issue(kind="missing_label", severity="info", images=tuple(part["image_id"]), detail=detail)


def mislabelled_metadata(frame: pl.DataFrame) -> Iterator[Issue]:
    """Yield an issue for every image whose label is not the one in the source's own table."""
    rows = frame.filter(pl.col("label") != pl.col("metadata_label")).sort("image_id")
    for row in rows.iter_rows(named=True):
        detail = f"The label is {row['label']}, the source's table says {row['metadata_label']}"
        yield Issue(kind="mislabelled_metadata", severity="warning", images=(row["image_id"],), detail=detail)
