"""Whether a probability means what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Figures, Missing, Text
from colles.reporting.figures.reliability import reliability_diagram
from colles.reporting.formats import capital, estimate, number, subset_name
from colles.reporting.sections.base import Section


class Calibration(Section):
    """Reliability diagram and errors."""

    name = "calibration"
    title = "Calibration"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        if run.evaluation is None:
            return [Missing("No evaluation.", "colles evaluate PREDICTIONS --out DIR")]
        fitted = run.evaluation.get("calibration")
        axis = "Predicted probability" if fitted else "Score"
        drawing = reliability_diagram({name: run.subsets[name] for name in run.shown}, axis)
        if drawing is None:
            return [Text(_method(run)), Missing("No reliability curve.", "colles evaluate PREDICTIONS --out DIR")]
        caption = (
            "On the diagonal, of images given 30 % three in ten are fractured. Bars are the intervals of each bin."
        )
        return [Text(_method(run)), Figures(((drawing, caption),))]


def _method(run: Artefacts) -> str:
    fitted = (run.evaluation or {}).get("calibration")
    on = " ".join(_errors(run, name) for name in (run.reported, *run.others) if name)
    if not fitted:
        return f"Scores are judged as they come from the network, without calibration. {on}"
    where = subset_name(str(fitted.get("fitted_on") or "val"))
    return f"Probabilities come from the score by {_fit(fitted)}, fitted on the {where} set.{_shift(fitted)} {on}"


def _errors(run: Artefacts, subset: str) -> str:
    figures = run.subsets[subset].get("figures") or {}
    errors = f"Brier score {estimate(figures.get('brier'))}, calibration error {estimate(figures.get('ece'))}"
    return f"On the {subset_name(subset)} set: {errors}."


def _fit(fitted: Mapping[str, Any]) -> str:
    method = str(fitted.get("method"))
    if method == "none":
        return "no calibration: the probability is the score"
    if method == "isotonic":
        return f"isotonic regression ({len(fitted.get('x') or ())} steps)"
    settings = f"slope {number(fitted.get('slope'))}, intercept {number(fitted.get('intercept'))}"
    return f"{capital(method)} scaling ({settings})"


def _shift(fitted: Mapping[str, Any]) -> str:
    share = fitted.get("prevalence")
    if share is None:
        return ""
    was = fitted.get("fitted_prevalence")
    before = "" if was is None else f" instead of {100 * was:.1f}"
    return (
        f" In the bundle they are shifted to patients of whom {100 * share:.1f} of 100 have a fracture{before}; the "
        "figures here judge them before that shift."
    )
