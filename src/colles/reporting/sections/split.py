"""How the images were divided, and the certificate that nothing leaks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from colles.core.records import SUBSETS
from colles.datasets.split_table import COPIES_UNKNOWN
from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Missing, Note, Table, Text
from colles.reporting.division import how_divided
from colles.reporting.formats import capital, count, plural, share, subset_name
from colles.reporting.leaks import check_units, patients_unknown
from colles.reporting.sections.base import Section


class SplitSection(Section):
    """Groups, balance, digest, certificate."""

    name = "split"
    title = "Split"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        if run.split is None:
            return [Missing("No split.", "colles split CATALOG --out split.csv")]
        return [_certificate(run), *_warnings(run), _balance(run), *_digests(run)]


def _warnings(run: Artefacts) -> Sequence[Note]:
    # Others may name a patient, and a report is passed on.
    said = (run.split_summary or {}).get("warnings") or ()
    copies = [text for text in said if text.startswith(COPIES_UNKNOWN)]
    notes = [Note(f"{capital(text.partition(': ')[0])}.", warning=True) for text in copies]
    others = len(said) - len(copies)
    rest = f"The split warned of {plural(others, 'other matter')}: see warnings in split.json."
    return [*notes, Note(rest, warning=True)] if others else notes


def _certificate(run: Artefacts) -> Note:
    checks = check_units(run)
    if not checks:
        return Note("The split names no groups, so leaks cannot be ruled out.", warning=True)
    leaking = [check for check in checks if check.leaking]
    if leaking:
        found = ", ".join(f"{count(check.leaking)} {check.unit}" for check in leaking)
        return Note(f"LEAK: {found} stand in more than one subset. The figures below are too good.", warning=True)
    looked = ", ".join(f"{count(check.units)} {check.unit}" for check in checks)
    told = f"No leak: counted again for this report, none of {looked} stands in more than one subset."
    return Note(told + patients_unknown(checks))


def _balance(run: Artefacts) -> Table:
    assert run.split is not None
    joined = run.split
    if run.catalog is not None:
        labels = run.catalog.select("image_id", "label", "source")
        joined = joined.drop("label", "source", strict=False).join(labels, on="image_id", how="left")
    rows = []
    for subset in (name for name in SUBSETS if name in set(joined["subset"])):
        part = joined.filter(pl.col("subset") == subset)
        groups = count(part["group_id"].n_unique()) if "group_id" in part.columns else "–"
        cells = [count(part.height), share(part.height, joined.height), groups]
        if "label" in part.columns:
            fractured = part.filter(pl.col("label") == 1).height
            cells += [count(fractured), share(fractured, part.height)]
        rows.append((subset_name(subset).capitalize(), *cells))
    columns = ("Subset", "Images", "Share", "Groups") + (("Fractured", "Share") if "label" in joined.columns else ())
    return Table(columns, tuple(rows), "Balance reached. A group (patient, study, copies) is never divided.")


def _digests(run: Artefacts) -> Sequence[Block]:
    assert run.split is not None
    summary = run.split_summary or {}
    blocks: list[Block] = []
    if "group_id" in run.split.columns and run.split.height:
        largest = max(part.height for _, part in run.split.group_by("group_id"))
        blocks.append(Text(f"The largest group holds {plural(largest, 'image')} ({share(largest, run.split.height)})."))
    split = "Split before it was edited" if how_divided(run) == "edited" else "Split"
    named = ((split, "split_digest"), ("Catalog that it was made from", "catalog_digest"))
    rows = tuple((label, str(summary[key])) for label, key in named if summary.get(key))
    return [*blocks, *([Table(("Digest of", "sha256"), rows, "", frozenset({0, 1}))] if rows else [])]
