"""Where it looked: heat maps of hits and misses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Heading, Missing, Picture, Pictures, Text
from colles.reporting.formats import number, plural
from colles.reporting.pictures import data_address
from colles.reporting.sections.base import Section

SIDE = 360
_MAX_PICTURES = 48
_OUTCOMES = {
    "TP": "Fractures found (TP)",
    "FP": "False alarms (FP)",
    "FN": "Fractures missed (FN)",
    "TN": "Rightly left alone (TN)",
    None: "Others",
}
_HOW_TO_READ = (
    "Bright regions raised the score; boxes are the reference. A map that lies beside the fracture means that the "
    "score rests on something else, however right it is. Heat maps show where, never why."
)


class Explanations(Section):
    """Gallery by outcome."""

    name = "explanations"
    title = "Explanations"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        if not run.explanations or run.explain_folder is None:
            return [Missing("No heat maps.", "colles explain RUN PATH --out DIR")]
        shown = run.explanations[:_MAX_PICTURES]
        return [Text(_HOW_TO_READ), *_galleries(shown, run.explain_folder)]


def _galleries(entries: Sequence[Mapping[str, Any]], folder: Path) -> Iterator[Block]:
    known = set(_OUTCOMES)
    for outcome, title in _OUTCOMES.items():
        chosen = [e for e in entries if (e.get("outcome") if e.get("outcome") in known else None) == outcome]
        pictures = tuple(picture for entry in chosen if (picture := _picture(entry, folder)))
        if pictures:
            yield Heading(title)
            yield Pictures(pictures)
        if len(pictures) < len(chosen):
            lost = plural(len(chosen) - len(pictures), "overlay")
            yield Missing(f"{lost} cannot be read.", "colles explain RUN PATH --out DIR")


def _picture(entry: Mapping[str, Any], folder: Path) -> Picture | None:
    file = (folder / str(entry.get("overlay") or "")).resolve()
    if not file.is_relative_to(folder.resolve()) or not file.is_file():
        return None
    address = data_address(file, SIDE)
    if address is None:
        return None
    name = str(entry.get("image_id") or Path(str(entry.get("path") or "")).name)
    method = str(entry.get("method")).replace("_", " ")
    outcome = str(entry.get("outcome") or "outcome not known")
    lines = (name, method, f"score {number(entry.get('score'))} · {outcome}")
    return Picture(address, f"Heat map by {method} on {name}, {outcome}", lines)
