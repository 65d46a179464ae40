"""Whether acting on the model does more good than acting on everybody or nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Figures, Missing, Note, Table, Text
from colles.reporting.figures.decision import decision_curve, everybody
from colles.reporting.formats import hundredths, number, subset_name
from colles.reporting.sections.base import Section

SHOWN = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
"""Thresholds of the table; the figure has all."""
_HOW_TO_READ = (
    "Net benefit weighs fractures found against false alarms (Vickers and Elkin 2006). Somebody who acts from a "
    "probability of 10 % on takes nine false alarms for one fracture found; the further right, the dearer a false "
    "alarm. A net benefit of 0.10 is as good as finding 10 fractures in every 100 patients without a single false "
    "alarm. The model is worth using where its line lies above both others."
)


class NetBenefit(Section):
    """Decision curve and its table."""

    name = "net-benefit"
    title = "Net benefit"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        content = run.subsets.get(run.reported or "", {})
        curve = (content.get("curves") or {}).get("net_benefit") or {}
        share = int(content.get("n_positive") or 0) / max(int(content.get("n") or 0), 1)
        drawing = decision_curve(curve, share)
        if drawing is None:
            return [Missing("No decision curve.", "colles evaluate PREDICTIONS --out DIR")]
        where = subset_name(run.reported or "")
        caption = (
            f"Decision curve on the {where} set, whose share of fractures ({hundredths(share)} %) it holds for. "
            "Shaded: the interval."
        )
        return [
            Text(_HOW_TO_READ),
            *_verdict(curve, share),
            Figures(((drawing, caption),)),
            _table(curve, share),
        ]


def useful_ranges(curve: Mapping[str, Sequence[Any]], share: float) -> list[tuple[float, float]]:
    """Return the runs of thresholds, first and last, at which the model beats acting on everybody and on nobody."""
    found: list[tuple[float, float]] = []
    went_on = False
    for threshold, value in zip(curve["threshold"], curve["model"], strict=True):
        better = value is not None and value > max(0.0, everybody(threshold, share)) + 1e-9
        if better:
            found.append((found.pop()[0] if went_on else threshold, threshold))
        went_on = better
    return found


def _verdict(curve: Mapping[str, Sequence[Any]], share: float) -> list[Block]:
    found = useful_ranges(curve, share)
    if not found:
        return [Note("At no threshold does acting on the model beat acting on everybody or on nobody.", warning=True)]
    spans = [f"{100 * a:.0f} %" if a == b else f"{100 * a:.0f} % to {100 * b:.0f} %" for a, b in found]
    said = " or ".join([", ".join(spans[:-1]), spans[-1]] if len(spans) > 1 else spans)
    text = f"By the point estimate it beats both for somebody who acts from a probability of about {said}"
    return [Note(f"{text}; the intervals tell how sure that is.")]


def _table(curve: Mapping[str, Sequence[Any]], share: float) -> Table:
    rows = []
    for index, threshold in enumerate(curve["threshold"]):
        if not any(abs(threshold - shown) < 1e-6 for shown in SHOWN):
            continue
        low, high = ((curve.get(key) or [None] * (index + 1))[index] for key in ("low", "high"))
        span = "" if low is None or high is None else f" ({number(low)} to {number(high)})"
        model = number(curve["model"][index]) + span
        rows.append((f"{100 * threshold:.0f} %", model, number(everybody(threshold, share))))
    return Table(("Acts from", "The model", "Everybody"), tuple(rows), "Net benefit per patient; nobody is 0.")
