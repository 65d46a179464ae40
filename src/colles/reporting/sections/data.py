"""Which radiographs: sources, and counts by source, label and subset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from colles.core.records import SUBSETS
from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Missing, Table, Text, long_table
from colles.reporting.formats import count, plural, share, subset_name
from colles.reporting.sections.base import Section
from colles.reporting.tables import LEFT_OUT, count_boxed, counts_table

_LABELS = ("fracture", "no fracture", "unknown")


class Data(Section):
    """Sources and counts."""

    name = "data"
    title = "Data"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        if run.catalog is None:
            return [Missing("No catalog.", "colles catalog --source KIND=PATH --out catalog.parquet")]
        catalog = run.catalog
        boxed = count_boxed(catalog)
        sentence = (
            f"{plural(catalog.height, 'file')} from {plural(catalog['source'].n_unique(), 'source')}; "
            f"{plural(boxed, 'image')} with boxes around a fracture. A label that is not known stays unknown; "
            "it never counts as “no fracture”."
        )
        table = _crossed(counts_table(catalog, run.split))
        return [Text(sentence), *_corrected(catalog), _sources(catalog), table]


def _corrected(catalog: pl.DataFrame) -> list[Block]:
    made = catalog.filter(pl.col("correction").is_not_null()) if "correction" in catalog.columns else catalog.clear()
    if made.is_empty():
        return []
    dropped = made.filter(pl.col("correction") == "drop").height
    readers = ", ".join(map(str, made["corrected_by"].unique().sort()))
    relabelled = plural(made.height - dropped, "label")
    text = f"Readers ({readers}) corrected {relabelled} and dropped {plural(dropped, 'image')}."
    columns = ("Image", "Before", "Now", "Reason", "Reader")
    names = ("image_id", "label_before", "correction", "correction_reason", "corrected_by")
    rows = tuple(
        tuple("unknown" if value is None else str(value) for value in row) for row in made.select(names).iter_rows()
    )
    return [
        Text(text),
        *long_table(Table(columns, rows, "What readers changed, and why.", frozenset({0, 3, 4})), text, 12),
    ]


def _sources(catalog: pl.DataFrame) -> Table:
    rows = []
    for (source,), part in catalog.group_by("source", maintain_order=True):
        readable = part.filter(pl.col("status") == "ok")
        fractured = readable.filter(pl.col("label") == 1).height
        labelled = readable.filter(pl.col("label").is_not_null()).height
        groups = readable["group_id"].n_unique() if "group_id" in part.columns else None
        broken = part.filter(~pl.col("status").is_in(["ok", "dropped"]))
        cells = (count(part.height), count(broken.height), count(fractured), share(fractured, labelled))
        rows.append((str(source), *cells, count(groups)))
    columns = ("Source", "Files", "Broken", "Fractured", "Share of labelled", "Groups")
    return Table(
        columns, tuple(sorted(rows)), "Sources. Groups: patients, studies or base names, before copies are joined."
    )


def _crossed(counts: pl.DataFrame) -> Table:
    """Set counts out as source × label down, subset across."""
    present = set(counts["subset"])
    subsets = [name for name in (*SUBSETS, LEFT_OUT, "no split") if name in present]
    cell = {(s, u, lab): n for s, u, lab, n in counts.iter_rows()}
    rows = []
    for source in sorted(set(counts["source"])):
        for label in _LABELS:
            numbers = [cell.get((source, subset, label), 0) for subset in subsets]
            if sum(numbers):
                rows.append((f"{source}: {label}", *map(count, numbers), count(sum(numbers))))
    totals = [int(counts.filter(pl.col("subset") == subset)["images"].sum()) for subset in subsets]
    rows.append(("All", *map(count, totals), count(sum(totals))))
    columns = ("Source and label", *(subset_name(name).capitalize() for name in subsets), "All")
    return Table(columns, tuple(rows), "Readable images by source, label and subset.")
