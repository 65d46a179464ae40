"""Copies of one radiograph that carry contradicting labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from colles.core.records import Issue


def label_conflicts(frame: pl.DataFrame, clusters: Iterable[Iterable[str]]) -> Iterator[Issue]:
    """Yield an issue for every set of copies that holds both labels.

    Duplicate `clusters` are errors: their pixels agree. Rows that only share a base name are warnings, since exports
    also give one name to different radiographs. Patients and studies are left out: one patient may well have a broken
    and a sound wrist.
    """
    rows = frame.filter((pl.col("status") == "ok") & pl.col("label").is_not_null())
    label = dict(zip(rows["image_id"].to_list(), rows["label"].to_list(), strict=True))
    reported: set[str] = set()
    for ids in sorted(sorted(image for image in cluster if image in label) for cluster in clusters):
        if _contradict(ids, label):
            reported.update(ids)
            detail = f"Copies of one radiograph: {_counts(ids, label)}"
            yield Issue(kind="label_conflict", severity="error", images=tuple(ids), detail=detail)
    for name, ids in _named(rows):
        if _contradict(ids, label) and not reported.issuperset(ids):
            detail = f"Base name {name}: {_counts(ids, label)}; two radiographs may share the name"
            yield Issue(kind="label_conflict", severity="warning", images=tuple(ids), detail=detail)


def _named(rows: pl.DataFrame) -> Iterator[tuple[str, list[str]]]:
    named = rows.filter(pl.col("base_name").is_not_null()).group_by("source", "base_name").agg("image_id")
    for _, name, ids in named.sort("source", "base_name").iter_rows():
        yield name, sorted(ids)


def _contradict(ids: list[str], label: dict[str, int]) -> bool:
    return len({label[image] for image in ids}) > 1


def _counts(ids: list[str], label: dict[str, int]) -> str:
    positive = sum(label[image] for image in ids)
    return f"{positive} labelled fracture, {len(ids) - positive} no fracture"
