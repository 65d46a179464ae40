"""Corrections of a data set by its readers: one CSV, applied to the catalog and kept in it.

A line an image: `image_id`, `label` (1, 0, unknown, or drop), `reason`, `reader`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import polars as pl

from colles.core.errors import TableError
from colles.core.names import nearest
from colles.core.tables import read_table
from colles.datasets.catalog import Catalog

COLUMNS = ("image_id", "label", "reason", "reader")
_LABELS = {"1": 1, "0": 0, "unknown": None}
_DROP = "drop"
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Correction:
    """What a reader decided about one image."""

    image_id: str
    label: int | None
    drop: bool
    reason: str
    reader: str


def read_corrections(path: str | Path) -> list[Correction]:
    """Read the file; raise `TableError` naming every bad line (the first five of them in full)."""
    table = read_table(path, COLUMNS, as_text=True)
    found: dict[str, Correction] = {}
    bad = []
    for number, row in enumerate(table.iter_rows(named=True), start=2):
        values = {name: (row[name] or "").strip() for name in COLUMNS}
        fault = _fault(values, found)
        if fault:
            bad.append(f"line {number} {fault}")
            continue
        drop = values["label"].lower() == _DROP
        label = None if drop else _LABELS[values["label"].lower()]
        found[values["image_id"]] = Correction(values["image_id"], label, drop, values["reason"], values["reader"])
    _refuse(bad, path)
    return list(found.values())


def _fault(values: dict[str, str], found: dict[str, Correction]) -> str | None:
    empty = next((name for name in COLUMNS if not values[name]), None)
    if empty:
        return f"has no {empty}"
    if values["image_id"] in found:
        return f"corrects {values['image_id']!r} a second time"
    if values["label"].lower() not in (*_LABELS, _DROP):
        return f"has the label {values['label']!r}; write 1, 0, unknown or drop"
    return None


def _refuse(bad: Sequence[str], path: str | Path) -> None:
    if bad:
        more = f", and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        raise TableError(f"{'; '.join(bad[:_SHOWN])}{more}", path=path, repair="Mend the lines; nothing was applied")


def made_fractures(corrections: Sequence[Correction]) -> frozenset[str]:
    """Return the image_ids that corrections call fractured: boxes that a wrong label denied are theirs after all."""
    return frozenset(each.image_id for each in corrections if each.label == 1)


def apply_corrections(catalog: Catalog, corrections: Sequence[Correction], *, path: str | Path) -> Catalog:
    """Return the catalog with the corrections made and kept in its columns.

    A dropped image gets the status `dropped`; boxes of an image that is no longer fractured go. `path` is the file that
    an error names. Raise `TableError` for images that the catalog lacks.
    """
    known = catalog.frame["image_id"].to_list()
    _refuse(_strangers(corrections, set(known)), path)
    if not corrections:
        return catalog
    frame = catalog.frame.drop("correction", "correction_reason", "corrected_by", "label_before", strict=False)
    rows = [(c.image_id, c.label, c.drop, _word(c), c.reason, c.reader) for c in corrections]
    schema: dict[str, Any] = {
        "image_id": pl.String,
        "new": pl.Int8,
        "drop": pl.Boolean,
        "correction": pl.String,
        "correction_reason": pl.String,
        "corrected_by": pl.String,
    }
    joined = frame.join(
        pl.DataFrame(rows, schema=schema, orient="row"), on="image_id", how="left", maintain_order="left"
    )
    relabelled = pl.col("correction").is_not_null() & ~pl.col("drop")
    readable = pl.col("drop") & (pl.col("status") == "ok")
    changed = joined.with_columns(
        label_before=pl.when(pl.col("correction").is_not_null()).then("label"),
        label=pl.when(relabelled).then("new").otherwise("label"),
        boxes=pl.when(relabelled & (pl.col("new").fill_null(0) == 0)).then(pl.lit([])).otherwise("boxes"),
        status=pl.when(readable).then(pl.lit("dropped")).otherwise("status"),
        reason=pl.when(readable).then("correction_reason").otherwise("reason"),
    )
    return Catalog.of(changed.drop("new", "drop"))


def _strangers(corrections: Sequence[Correction], known: set[str]) -> list[str]:
    # A guess takes as long as a search of the whole catalog: only those that are shown are worth it.
    strange = [correction.image_id for correction in corrections if correction.image_id not in known]
    guesses = [nearest(image, known) if len(known) < 20_000 else None for image in strange[:_SHOWN]]
    meant = [f"; did you mean {guess!r}?" if guess else "" for guess in guesses]
    return [f"the catalog has no image {image!r}{hint}" for image, hint in zip_longest(strange, meant, fillvalue="")]


def _word(correction: Correction) -> str:
    if correction.drop:
        return _DROP
    return "unknown" if correction.label is None else str(correction.label)
