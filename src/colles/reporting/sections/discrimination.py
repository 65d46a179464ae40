"""How well scores tell fractured from unfractured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from colles.core.records import Estimate
from colles.evaluation.worth import difference
from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Figures, Missing, Note, Table
from colles.reporting.failures import UNLIKE
from colles.reporting.figures.curves import precision_recall_curve, roc_curve
from colles.reporting.figures.histogram import score_histogram
from colles.reporting.formats import capital, count, estimate, figure_name, subset_name
from colles.reporting.sections.base import Section


class Discrimination(Section):
    """Curves, histograms, figures with intervals."""

    name = "discrimination"
    title = "Discrimination"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        if run.evaluation is None:
            return [Missing("No evaluation.", "colles evaluate PREDICTIONS --out DIR")]
        return [*_curves(run), *_histogram(run), _figures(run)]


def _curves(run: Artefacts) -> Iterator[Block]:
    parts = {name: run.subsets[name] for name in run.shown}
    drawn = [
        (roc_curve(parts), "ROC curves; marks are the operating points on the last-named set."),
        (precision_recall_curve(parts), "Precision–recall curves; the dashed line is the share of fractures."),
    ]
    kept = tuple((drawing, caption) for drawing, caption in drawn if drawing is not None)
    if kept:
        yield Figures(kept)


def _histogram(run: Artefacts) -> Sequence[Block]:
    if run.unlike:
        return [Note(UNLIKE, warning=True)]
    scores = scores_by_subset(run)
    if not scores:
        return [Missing("No predictions, so the scores cannot be drawn.", "colles train RECIPE --out RUN")]
    thresholds = {
        name: point["threshold"] for name, point in run.points().items() if point.get("threshold") is not None
    }
    caption = "Scores by class (each class has the same area); dashed lines are the thresholds."
    return [Figures(((score_histogram(scores, thresholds), caption),), wide=True)]


def scores_by_subset(run: Artefacts) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return (y_true, y_score) of the shown subsets from the judged predictions."""
    if run.judged is None:
        return {}
    parts = {name: run.judged.filter(pl.col("subset") == name) for name in run.shown}
    return {name: (part["y_true"].to_numpy(), part["y_score"].to_numpy()) for name, part in parts.items()}


def _difference(first: Mapping[str, Any] | None, last: Mapping[str, Any] | None) -> str:
    if not first or not last:
        return "–"
    found = difference(Estimate.model_validate(first), Estimate.model_validate(last))
    return "–" if found is None else estimate(found.model_dump())


def _methods(figures: Sequence[Mapping[str, Any] | None]) -> str:
    """Return the methods of the intervals of one row, in the order of its columns; one where all have the same."""
    named = (str((figure or {}).get("method") or "–").replace("_", " ") for figure in figures)
    return ", ".join(dict.fromkeys(name for name in named if name != "–")) or "–"


def _figures(run: Artefacts) -> Table:
    names = run.shown
    has_gap = len(names) > 1 and names[0] == "val"
    figures = list(dict.fromkeys(f for name in names for f in run.subsets[name].get("figures") or {}))
    rows = []
    for figure in figures:
        by_subset = [(run.subsets[name].get("figures") or {}).get(figure) for name in names]
        gap = [_difference(by_subset[0], by_subset[-1])] if has_gap else []
        rows.append((figure_name(figure), *(estimate(entry) for entry in by_subset), *gap, _methods(by_subset)))
    gap_of = capital(f"{subset_name(names[0])} − {subset_name(names[-1])}")
    heads = [f"{subset_name(n).capitalize()} (n = {count(run.subsets[n].get('n'))})" for n in names]
    columns = ("Figure", *heads, *([gap_of] if has_gap else []), "Interval by")
    text = frozenset({0, len(columns) - 1})
    return Table(
        columns,
        tuple(rows),
        "Figures with their intervals. Brier score and calibration errors: the lower the better.",
        text,
    )
