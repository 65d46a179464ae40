"""Turn figures into text: one rule for digits, intervals and counts over the whole report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from colles.core.records import until

UNDEFINED = "undefined"
FIGURE_NAMES = {
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "ece": "Calibration error (ECE)",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "f1": "F1",
    "ppv": "PPV",
    "npv": "NPV",
    "mcc": "MCC",
    "ece_uncalibrated": "Calibration error, uncalibrated",
    "sensitivity_at_specificity_90": "Sensitivity at specificity 0.90",
    "sensitivity_at_specificity_95": "Sensitivity at specificity 0.95",
    "uncertain_share": "Share between rule-out and rule-in",
    "brier_score_uncalibrated": "Brier score, uncalibrated",
    "partial_auroc": "Partial AUROC",
    "specificity_at_sensitivity_90": "Specificity at sensitivity 0.90",
    "specificity_at_sensitivity_95": "Specificity at sensitivity 0.95",
    "prevalence": "Share of fractures",
    "flips": "Decisions changed",
    "lr_positive": "Likelihood ratio, positive",
    "lr_negative": "Likelihood ratio, negative",
    "certain_error": "Error among the others",
    "calibration_slope": "Calibration slope",
    "calibration_intercept": "Calibration intercept",
    "auroc_delong": "AUROC, interval by DeLong",
    "auroc_bootstrap": "AUROC, interval by bootstrap",
    "auroc_unchanged": "AUROC, unchanged",
    "auroc_change": "AUROC, change",
}
POINT_NAMES = {
    "f1": "best F1",
    "youden": "Youden",
    "rule_out": "rule-out",
    "rule_in": "rule-in",
    "cost": "least cost",
    "default": "score 0.5",
}
SUBSET_NAMES = {"train": "training", "val": "validation", "test": "test", "external": "external"}


def figure_name(name: str) -> str:
    """Return a figure's name for a reader."""
    return FIGURE_NAMES.get(name, name.replace("_", " ").capitalize())


def point_name(name: str) -> str:
    """Return an operating point's name for a reader."""
    return POINT_NAMES.get(name, name.replace("_", " "))


def subset_name(name: str) -> str:
    """Return a subset's name for a reader."""
    return SUBSET_NAMES.get(name, name)


def capital(text: str) -> str:
    """Make the first letter a capital and leave the rest alone (`str.capitalize` makes F1 f1)."""
    return text[:1].upper() + text[1:]


def count(value: float | None) -> str:
    """Format a whole number with thin groups of three."""
    return "–" if value is None else f"{round(value):,}"


def number(value: float | None, digits: int = 3) -> str:
    """Format a figure, or a dash where there is none."""
    return "–" if value is None else f"{value:z.{digits}f}".replace("-", "−")


def threshold(value: float | None, digits: int = 3) -> str:
    """Format a threshold, with more digits where these would say 0 or 1 of one that lies between."""
    if value is None or not 0 < value < 1:
        return number(value, digits)
    if value < 0.5 * 10**-digits:
        return f"{value:.{digits}g}"
    return next(text for places in range(digits, 20) if float(text := f"{value:.{places}f}") < 1)


def share(part: float, whole: float) -> str:
    """Format a share as a percentage."""
    return "–" if not whole else f"{100 * part / whole:.1f} %"


def estimate(figure: Mapping[str, Any] | None, digits: int = 3) -> str:
    """Format an Estimate as `0.930 (0.901–0.955)`."""
    if figure is None:
        return "–"
    value, low, high = figure.get("value"), figure.get("low"), figure.get("high")
    if value is None:
        # a likelihood ratio without a false alarm has no value but a lower bound
        return UNDEFINED if low is None else f"at least {number(low, digits)}"
    if low is None or high is None:
        return number(value, digits)
    return f"{number(value, digits)} ({number(low, digits)}{until(low)}{number(high, digits)})"


def per_hundred(figure: Mapping[str, Any] | None, *, complement: bool = False) -> str | None:
    """Format a proportion as `88 (82–93)` of 100, or return None where it is undefined.

    `complement` gives 1 − figure.
    """
    if figure is None or figure.get("value") is None:
        return None
    value, low, high = (figure.get(key) for key in ("value", "low", "high"))
    if complement:
        value, low, high = (None if x is None else 1 - x for x in (value, high, low))
    if low is None or high is None:
        return hundredths(value)
    return f"{hundredths(value)} ({hundredths(low)}–{hundredths(high)})"


def hundredths(value: float | None) -> str:
    """Format a share as a number of 100, with decimals only where rounding would claim 0 or 100."""
    percent = 100 * (value or 0.0)
    texts = (f"{percent:.{digits}f}" for digits in range(3))
    return next((text for text in texts if 0 < float(text) < 100), f"{percent:.0f}")


def plural(n: int, noun: str, plural_noun: str | None = None) -> str:
    """Format a count with its noun."""
    return f"{count(n)} {noun if n == 1 else plural_noun or noun + 's'}"


def percent_level(figure: Mapping[str, Any] | None) -> str:
    """Return the level of an Estimate's interval as text, `95 %`."""
    return f"{100 * float((figure or {}).get('level') or 0.95):g} %"
