"""Copies of one radiograph that carry contradicting labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from colles.core.records import Issue
from colles.datasets.audit.groups import Groups


def label_conflicts(frame: pl.DataFrame, clusters: Iterable[Iterable[str]]) -> Iterator[Issue]:
    """Yield an issue for every set of copies that holds both labels.

    Copies are the duplicate `clusters` and the rows that share a base name. Patients and studies are left out: one
    patient may well have a broken and a sound wrist.
    """
    rows = frame.filter((pl.col("status") == "ok") & pl.col("label").is_not_null())
    label = dict(zip(rows["image_id"].to_list(), rows["label"].to_list(), strict=True))
    copies: Groups[str] = Groups()
    for ids in clusters:
        copies.join_all(image for image in ids if image in label)
    named = rows.filter(pl.col("base_name").is_not_null())
    for ids in named.group_by("source", "base_name").agg("image_id")["image_id"].to_list():
        copies.join_all(ids)
    for ids in sorted(sorted(found) for found in copies.sets()):
        positive = sum(label[image] for image in ids)
        if 0 < positive < len(ids):
            detail = f"Copies of one radiograph: {positive} labelled fracture, {len(ids) - positive} no fracture"
            yield Issue(kind="label_conflict", severity="error", images=tuple(ids), detail=detail)
