"""Where it looked: heat maps of hits and misses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Heading, Missing, Pictures, Text
from colles.reporting.formats import plural
from colles.reporting.sections.base import Section
from colles.reporting.sections.explanation_scores import score_blocks
from colles.reporting.sections.failures import pictured
from colles.reporting.sections.overlays import overlay_picture

_MAX_PICTURES = 48
_OUTCOMES = {
    "TP": "Fractures found (TP)",
    "FP": "False alarms (FP)",
    "FN": "Fractures missed (FN)",
    "TN": "Rightly left alone (TN)",
    None: "Others",
}
_HOW_TO_READ = (
    "Bright regions raised the score; frames are the reference boxes, and a white line bounds the hottest part. Each "
    "map is scaled to its own peak, so it glows as brightly at a score of 0.02 as at 0.98. A map that lies beside the "
    "fracture means that the score rests on something else, however right it is. Heat maps show where it looks, never "
    "why. The worst errors have their maps under Failures."
)


class Explanations(Section):
    """Gallery by outcome."""

    name = "explanations"
    title = "Explanations"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        scores = score_blocks(run.explanation_scores)
        if not run.explanations or run.explain_folder is None:
            return scores or [Missing("No heat maps.", "colles explain RUN PATH --out DIR")]
        elsewhere = pictured(run)
        left = [entry for entry in run.explanations if str(entry.get("image_id")) not in elsewhere]
        shown = left[:_MAX_PICTURES]
        return [Text(_HOW_TO_READ), *scores, *_galleries(shown, run.explain_folder)]


def _galleries(entries: Sequence[Mapping[str, Any]], folder: Path) -> Iterator[Block]:
    known = list(_OUTCOMES)  # a stranger's outcome may be anything
    for outcome, title in _OUTCOMES.items():
        chosen = [e for e in entries if (e.get("outcome") if e.get("outcome") in known else None) == outcome]
        pictures = tuple(picture for entry in chosen if (picture := overlay_picture(entry, folder)))
        if pictures:
            yield Heading(title)
            yield Pictures(pictures)
        if len(pictures) < len(chosen):
            lost = plural(len(chosen) - len(pictures), "overlay")
            yield Missing(f"{lost} cannot be read.", "colles explain RUN PATH --out DIR")
