"""Several runs side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Note, Table
from colles.reporting.formats import count, estimate, subset_name

_FIGURES = ("auroc", "average_precision", "brier")
_AT_POINT = ("sensitivity", "specificity", "f1")


def comparison_blocks(names: Sequence[str], runs: Sequence[Artefacts]) -> list[Block]:
    """Return the comparison of several runs on their reported subsets."""
    rows = [_row(name, run) for name, run in zip(names, runs, strict=True)]
    heads = ("Run", "Judged on", "Fractured of images", "AUROC", "Average precision", "Brier score")
    points = ("Sensitivity, best F1", "Specificity, best F1", "F1, best F1")
    caption = (
        "Runs side by side. Intervals that overlap do not show equality; colles compare tests "
        "the difference on the same images."
    )
    return [*_warning(names, runs), Table((*heads, *points), tuple(rows), caption, frozenset({0, 1}))]


def comparison_table(names: Sequence[str], runs: Sequence[Artefacts]) -> pl.DataFrame:
    """Return the same as a frame with value, low and high of each figure."""
    rows = []
    for name, run in zip(names, runs, strict=True):
        row: dict[str, Any] = {"run": name, "subset": run.reported}
        for key, figure in _figures(run):
            row |= {key: figure.get("value"), f"{key}_low": figure.get("low"), f"{key}_high": figure.get("high")}
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def _figures(run: Artefacts) -> Iterator[tuple[str, Mapping[str, Any]]]:
    content = run.subsets.get(run.reported or "", {})
    for name in _FIGURES:
        yield name, (content.get("figures") or {}).get(name) or {}
    point = run.points().get("f1") or {}
    for name in _AT_POINT:
        yield f"{name}_at_f1", (point.get("figures") or {}).get(name) or {}


def _row(name: str, run: Artefacts) -> tuple[str, ...]:
    content = run.subsets.get(run.reported or "", {})
    size = f"{count(content.get('n_positive'))} of {count(content.get('n'))}"
    cells = (estimate(figure) if figure else "–" for _, figure in _figures(run))
    return (name, subset_name(run.reported or "–"), size, *cells)


def _warning(names: Sequence[str], runs: Sequence[Artefacts]) -> list[Block]:
    images = [_images(run) for run in runs]
    if any(ids is None for ids in images):
        return [
            Note(
                "Not every run holds the predictions that were judged, so whether the runs were judged on the same "
                "images is not known."
            )
        ]
    others = [name for name, ids in zip(names, images, strict=True) if ids != images[0]]
    if not others:
        return []
    text = (
        f"{', '.join(others)} and {names[0]} were judged on different images: a difference may be the "
        "images', not the model's."
    )
    return [Note(text, warning=True)]


def _images(run: Artefacts) -> frozenset[str] | None:
    frame = run.judged
    if frame is None or "image_id" not in frame.columns:
        return None
    return frozenset(frame.filter(pl.col("subset") == run.reported)["image_id"].to_list())
