"""How to repeat it: command, versions, digests, recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from colles.core.files import to_json
from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Code, Details, Missing, Table, Text
from colles.reporting.sections.base import Section

_APART = ("command", "versions", "digests")


class Provenance(Section):
    """Command, versions, digests, recipe."""

    name = "provenance"
    title = "Provenance"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        blocks: list[Block] = []
        if run.recipe_text is not None:
            blocks += [
                Text("With the same data, the recipe below repeats this run:"),
                Code("colles run recipe.yaml --out out/again"),
            ]
        if run.provenance is None:
            blocks.append(Missing("No record of versions and digests.", "colles train RECIPE --out RUN"))
        else:
            blocks += _recorded(run.provenance)
        blocks.append(_digests(run))
        if run.recipe_text is not None:
            blocks.append(Details("The recipe, every setting resolved", (Code(run.recipe_text),)))
        return blocks


def _recorded(provenance: Mapping[str, Any]) -> list[Block]:
    plain = [(_words(k), str(v)) for k, v in provenance.items() if k not in _APART and isinstance(v, str | int | float)]
    nested = {k: v for k, v in provenance.items() if k not in _APART and isinstance(v, dict | list)}
    versions = tuple((str(k), str(v)) for k, v in (provenance.get("versions") or {}).items())
    blocks: list[Block] = []
    if provenance.get("command"):
        blocks += [Text("The training was started by:"), Code(str(provenance["command"]))]
    blocks.append(Table(("", ""), tuple(plain), "Record of the training.", frozenset({0, 1})))
    if versions:
        table = Table(("Package", "Version"), versions, text_columns=frozenset({0, 1}))
        blocks.append(Details(f"Versions ({len(versions)} packages)", (table,)))
    if nested:
        blocks.append(Details("Everything else on record", (Code(to_json(nested)),)))
    return blocks


def _words(key: str) -> str:
    return key.replace("_", " ").capitalize()


def _digests(run: Artefacts) -> Table:
    found = {f"Training: {key}": value for key, value in ((run.provenance or {}).get("digests") or {}).items()}
    found |= {
        "Split": (run.split_summary or {}).get("split_digest"),
        "Catalog, by the split": (run.split_summary or {}).get("catalog_digest"),
        "Catalog, by the audit": ((run.audit or {}).get("summary") or {}).get("catalog_digest"),
        "Predictions, by the evaluation": ((run.evaluation or {}).get("predictions") or {}).get("digest"),
    }
    rows = tuple((_words(key), str(value)) for key, value in found.items() if value)
    return Table(("Input", "sha256"), rows or (("none recorded", "–"),), "Digests.", frozenset({0, 1}))
