"""Where it failed worst: the surest false alarms and the fractures it scored lowest, with their heat maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Heading, Missing, Note, Pictures, Table, Text, long_table
from colles.reporting.failures import UNLIKE, failures_table, judging_point
from colles.reporting.formats import number, plural, point_name, threshold
from colles.reporting.sections.base import Section
from colles.reporting.sections.overlays import overlay_picture

SHOWN = 8
"""Pictures of each kind."""
LISTED = 20
_TEXT = (
    "At {point} (score ≥ {threshold}) {missed} of {fractured} fractures were missed and {alarms} of {sound} other "
    "images called fractured. These are the worst of both: the lowest scores among fractures, the highest among the "
    "others. A reference label can itself be wrong; look before blaming the model."
)
_DECIDED = (
    " What a picture says of its decision is by two other thresholds, rule-out and rule-in: “uncertain” lies between "
    "them."
)


class Failures(Section):
    """Gallery and list of the worst errors."""

    name = "failures"
    title = "Failures"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        judged, frame = judging_point(run), failures_table(run)
        if judged is None:
            return [Missing("No evaluation, so no call is right or wrong.", "colles evaluate PREDICTIONS --out DIR")]
        if run.unlike:
            return [Note(UNLIKE, warning=True)]
        if frame is None:
            return [
                Missing("No predictions by image, so single errors are not known.", "colles train RECIPE --out RUN")
            ]
        name, point = judged
        cells = point.get("confusion") or {}
        text = _TEXT.format(
            point=point_name(name),
            threshold=threshold(point.get("threshold")),
            missed=cells.get("fn"),
            fractured=(cells.get("fn") or 0) + (cells.get("tp") or 0),
            alarms=cells.get("fp"),
            sound=(cells.get("fp") or 0) + (cells.get("tn") or 0),
        )
        blocks: list[Block] = [Text(text + (_DECIDED if run.explanations else ""))]
        for outcome, title in (("FN", "Fractures that it missed"), ("FP", "False alarms")):
            part = frame.filter(pl.col("outcome") == outcome)
            if part.height:
                blocks += [Heading(title), *_gallery(run, part), *_list(part, title)]
        return blocks


def _gallery(run: Artefacts, part: pl.DataFrame) -> list[Block]:
    entries, folder = first_entries(run), run.explain_folder
    if folder is None:
        return []
    found = [overlay_picture(entries[image], folder, several=True) for image in worst(part) if image in entries]
    pictures = tuple(picture for picture in found if picture is not None)
    broad = any(entries[image].get("side_by_side") for image in worst(part) if image in entries)
    return [Pictures(pictures, broad=broad)] if pictures else []


def worst(part: pl.DataFrame) -> list[str]:
    """Return the images whose pictures are shown, the worst first."""
    return [str(image) for image in part["image_id"].head(SHOWN)]


def first_entries(run: Artefacts) -> dict[str, dict[str, Any]]:
    """Return the first map of each image: that of the method that the run names first."""
    found: dict[str, dict[str, Any]] = {}
    for entry in run.explanations or ():
        found.setdefault(str(entry.get("image_id")), entry)
    return found


def pictured(run: Artefacts) -> set[str]:
    """Return the images that this section shows, so that no other shows them again."""
    frame = failures_table(run)
    if frame is None:
        return set()
    parts = frame.partition_by("outcome")
    return {image for part in parts for image in worst(part)} & set(first_entries(run))


def _list(part: pl.DataFrame, title: str) -> Sequence[Block]:
    shown = part.head(LISTED)
    columns = [name for name in shown.columns if name != "outcome" and shown[name].null_count() < shown.height]
    rows = tuple(tuple(_cell(value) for value in row) for row in shown.select(columns).iter_rows())
    heads = tuple({"image_id": "Image", "y_score": "Score"}.get(n, n.replace("_", " ").capitalize()) for n in columns)
    more = f"; all {part.height} are in results/failures.csv" if part.height > LISTED else ""
    text = frozenset(i for i, name in enumerate(columns) if name != "y_score")
    table = Table(heads, rows, f"{title}, the worst first{more}.", text)
    return long_table(table, f"The list ({plural(len(rows), 'image')} of {part.height})", 6)


def _cell(value: object) -> str:
    return number(value) if isinstance(value, float) else "–" if value is None else str(value)
