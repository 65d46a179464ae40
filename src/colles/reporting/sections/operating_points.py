"""Thresholds: chosen on validation, locked, judged on test; and a slider for any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Figures, Heading, Missing, Note, Slider, Table, Text
from colles.reporting.figures.confusion import confusion_matrices
from colles.reporting.figures.curves import polyline
from colles.reporting.formats import capital, estimate, figure_name, point_name, subset_name, threshold
from colles.reporting.sections.base import Section
from colles.reporting.sections.predictive_values import predictive_blocks

_MAX_STEPS = 1500
_HELP = (
    "The slider steps through the thresholds of the ROC curve of the {subset} set. A threshold picked by looking at "
    "this set's figures is no longer judged fairly by them: use it to see what moves, not to choose."
)


class OperatingPoints(Section):
    """Confusion matrices, figures at the locked thresholds, slider."""

    name = "operating-points"
    title = "Operating points"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        subset = run.reported
        if run.evaluation is None or subset is None:
            return [Missing("No evaluation.", "colles evaluate PREDICTIONS --out DIR")]
        points = run.points(subset)
        return [*_points(run, subset), *_optimism(run), *predictive_blocks(points), *_slider(run, subset)]


def _points(run: Artefacts, subset: str) -> Sequence[Block]:
    points = run.points(subset)
    chosen = (run.evaluation or {}).get("operating_points") or {}
    if not points:
        return [
            Missing(
                "No operating point was chosen (it takes validation scores).", "colles evaluate PREDICTIONS --out DIR"
            )
        ]
    drawing = confusion_matrices(points)
    caption = f"Confusion matrices on the {subset_name(subset)} set; per cent of the row."
    figures = [Figures(((drawing, caption),))] if drawing else []
    others = [_table(run.points(name), f"The same thresholds on the {subset_name(name)} set.") for name in run.others]
    return [Text(_choice(chosen, subset)), *_unreached(chosen), *figures, _table(points, _LOCKED), *others]


def _choice(chosen: Mapping[str, Any], subset: str) -> str:
    found = {name: point for name, point in chosen.items() if point.get("chosen_on") != "none"}
    if chosen and not found:
        return "No threshold was chosen on data."
    if not found:
        return "Where these thresholds were chosen is not recorded."
    on = sorted({subset_name(str(point.get("chosen_on"))) for point in found.values()})
    criteria = "; ".join(f"{point_name(name)}: {_criterion(point)}" for name, point in found.items())
    same = (
        " These are the very data that the figures below judge: they are too good."
        if on == [subset_name(subset)]
        else ""
    )
    return f"Thresholds were chosen on the {' and '.join(on)} set and locked ({criteria}).{same}"


def _criterion(point: Mapping[str, Any]) -> str:
    return str(point.get("criterion")).replace(">=", "≥")


def _unreached(chosen: Mapping[str, Any]) -> list[Note]:
    missed = [name for name, point in chosen.items() if point.get("reached") is False]
    text = "{} could not be satisfied on the data that chose it; the nearest threshold was taken."
    return [Note(text.format(capital(point_name(name))), warning=True) for name in missed]


_LOCKED = "Figures at the locked thresholds."


def _table(points: Mapping[str, Mapping[str, Any]], caption: str) -> Table:
    figures = list(dict.fromkeys(f for point in points.values() for f in point.get("figures") or {}))
    rows = [("Threshold", *(threshold(point.get("threshold")) for point in points.values()))]
    for figure in figures:
        cells = (estimate((point.get("figures") or {}).get(figure)) for point in points.values())
        rows.append((figure_name(figure), *cells))
    heads = (f"{capital(point_name(name))}{' *' if point.get('chosen_here') else ''}" for name, point in points.items())
    caption += " PPV and NPV hold at this set's share of fractures."
    if any(point.get("chosen_here") for point in points.values()):
        caption += " * This set's own labels chose the threshold, so its figures flatter."
    return Table(("Figure", *heads), tuple(rows), caption)


_OPTIMISM = ("sensitivity", "specificity", "ppv", "npv", "f1")


def _optimism(run: Artefacts) -> Sequence[Block]:
    """Return how much better the figures are on the data that chose the thresholds."""
    found = {name: gaps for name, gaps in ((run.evaluation or {}).get("optimism") or {}).items() if gaps}
    figures = [figure for figure in _OPTIMISM if any(figure in gaps for gaps in found.values())]
    if not figures:
        return []
    rows = tuple((figure_name(f), *(estimate(gaps.get(f)) for gaps in found.values())) for f in figures)
    caption = "Optimism: validation minus test. Above 0 the set that chose the threshold flatters it."
    return [Table(("Figure", *(capital(point_name(name)) for name in found)), rows, caption)]


def _slider(run: Artefacts, subset: str) -> Sequence[Block]:
    content = run.subsets[subset]
    roc = (content.get("curves") or {}).get("roc") or {}
    positives = int(content.get("n_positive") or 0)
    negatives = int(content.get("n") or 0) - positives
    if not roc.get("fpr") or positives < 1 or negatives < 1:
        return []
    data = slider_data(roc, positives, negatives, run.points(subset))
    recall, precision = _pr(data)
    slider = Slider(data, polyline(data["fpr"], data["tpr"]), polyline(recall, precision))
    return [Heading("Move the threshold"), Text(_HELP.format(subset=subset_name(subset))), slider]


def slider_data(
    roc: Mapping[str, Any], positives: int, negatives: int, points: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """Return counts, rates and thresholds of a ROC curve, thinned to what a page can carry.

    `thresholds` runs from high to low; null stands for a threshold above every score. The locked `points` are steps of
    their own, so that the slider shows their very counts; one without counts is left out.
    """
    found = list(zip(roc["thresholds"], roc["fpr"], roc["tpr"], [None] * len(roc["fpr"]), strict=True))
    keep = np.unique(np.linspace(0, len(found) - 1, min(len(found), _MAX_STEPS)).round().astype(int))
    steps = [found[i] for i in keep]
    for name, point in (points or {}).items():
        cells = point.get("confusion") or {}
        if point.get("threshold") is not None and {"tp", "fp"} <= set(cells):
            steps.append((point["threshold"], cells["fp"] / negatives, cells["tp"] / positives, name))
    steps.sort(key=lambda step: (step[1], step[2], -(step[0] or 0)))
    place = {
        name: _place(i, fpr, tpr, positives, negatives)
        for i, (_, fpr, tpr, name) in enumerate(steps)
        if name is not None
    }
    return {
        "thresholds": [None if t is None or fpr == tpr == 0 else float(f"{t:.12g}") for t, fpr, tpr, _ in steps],
        "fpr": [round(float(fpr), 9) for _, fpr, *_ in steps],
        "tpr": [round(float(tpr), 9) for _, _, tpr, _ in steps],
        "positives": positives,
        "negatives": negatives,
        "points": [{"name": point_name(name), **place[name]} for name in points or () if name in place],
    }


def _place(step: int, fpr: float, tpr: float, positives: int, negatives: int) -> dict[str, Any]:
    """Return the step of a locked threshold with its place on both curves."""
    called = tpr * positives + fpr * negatives
    return {"step": step, "fpr": fpr, "tpr": tpr, **({"precision": tpr * positives / called} if called else {})}


def _pr(data: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    recall, precision = [], []
    for tpr, fpr in zip(data["tpr"], data["fpr"], strict=True):
        hits, false = tpr * data["positives"], fpr * data["negatives"]
        if hits + false > 0:
            recall.append(tpr)
            precision.append(hits / (hits + false))
    return recall, precision
