"""What a call is worth: likelihood ratios, PPV and NPV at other prevalences, optimism, net benefit."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import numpy as np

from colles.core.records import Estimate
from colles.evaluation.metrics.intervals import (
    Interval,
    mean_interval,
    mover_difference,
    mover_ratio,
    student_quantile,
    wilson,
)
from colles.evaluation.results import AtPrevalence
from colles.evaluation.scores import BoolArray, FloatArray, Scores

PREVALENCES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
"""From screening to an emergency department that images only what looks broken."""
DECISION_THRESHOLDS = np.arange(1, 61) / 100
"""Probabilities at which somebody might act: above 0.6 hardly anyone waits for more."""


def likelihood_ratios(sensitivity: Estimate, specificity: Estimate) -> dict[str, Estimate]:
    """Return how much more often a fracture than another image is called (positive), or not called (negative).

    LR+ = sensitivity / (1 − specificity), LR− = (1 − sensitivity) / specificity. Without a false alarm LR+ has no
    value but a lower bound.
    """
    missed, alarms = complement(sensitivity), complement(specificity)
    return {"lr_positive": _ratio(sensitivity, alarms), "lr_negative": _ratio(missed, specificity)}


def complement(share: Estimate) -> Estimate:
    """Return one minus a share."""
    value, low, high = (None if x is None else 1 - x for x in (share.value, share.high, share.low))
    return share.model_copy(update={"value": value, "low": low, "high": high})


def _ratio(part: Estimate, whole: Estimate) -> Estimate:
    n, groups = part.n + whole.n, _sum(part.n_groups, whole.n_groups)
    known = Estimate(value=None, low=None, high=None, level=part.level, method="undefined", n=n, n_groups=groups)
    if part.value is None or whole.value is None or part.value == whole.value == 0:
        return known
    low, high = mover_ratio(part.value, whole.value, bounds(part), bounds(whole))
    value = part.value / whole.value if whole.value > 0 else None
    return known.model_copy(update={"value": value, "low": low, "high": high, "method": f"mover_ratio_{part.method}"})


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second


def bounds(estimate: Estimate) -> Interval:
    """Return both ends of the interval of a figure that is defined and bounded."""
    assert estimate.low is not None and estimate.high is not None
    return estimate.low, estimate.high


def at_prevalences(ratios: Mapping[str, Estimate]) -> tuple[AtPrevalence, ...]:
    """Return PPV and NPV at every prevalence of `PREVALENCES` from the likelihood ratios, by Bayes' rule.

    As functions of one ratio they have its interval.
    """
    rows = []
    for share in PREVALENCES:
        odds = share / (1 - share)
        ppv = _predictive(ratios["lr_positive"], odds)
        rows.append(AtPrevalence(prevalence=share, ppv=ppv, npv=complement(_predictive(ratios["lr_negative"], odds))))
    return tuple(rows)


def _predictive(ratio: Estimate, odds: float) -> Estimate:
    if ratio.method == "undefined":
        return ratio

    def chance(value: float | None) -> float:
        return 1.0 if value is None else value * odds / (1 + value * odds)

    update = {"value": chance(ratio.value), "low": chance(ratio.low), "high": chance(ratio.high)}
    return ratio.model_copy(update={**update, "method": f"bayes_{ratio.method}"})


def difference(first: Estimate, second: Estimate) -> Estimate | None:
    """Estimate first − second of independent data; None where either is undefined or unbounded."""
    if None in (first.value, first.low, first.high, second.value, second.low, second.high):
        return None
    assert first.value is not None and second.value is not None
    low, high = mover_difference(first.value, second.value, bounds(first), bounds(second))
    return Estimate(
        value=first.value - second.value, low=low, high=high, level=first.level, method="mover_difference",
        n=first.n + second.n, n_groups=_sum(first.n_groups, second.n_groups),
    )  # fmt: skip


def net_benefit(scores: Scores, y_prob: FloatArray, *, level: float) -> dict[str, list[float | None]]:
    """Return the decision curve: threshold, model, low, high, all (everybody called); nobody called is 0.

    Net benefit at probability t = TP/n − FP/n · t/(1 − t) (Vickers AJ, Elkin EB, Med Decis Making 2006; 26: 565–574).
    It is a mean over rows, so its interval is that of a mean over groups. Empty without rows of both classes.
    """
    names = ("threshold", "model", "low", "high", "all")
    if not scores.has_both_classes:
        return {name: [] for name in names}
    share = float(scores.y_true.mean())
    rows = []
    for threshold in DECISION_THRESHOLDS:
        weight = threshold / (1 - threshold)
        mean, low, high = _mean_gain(scores, y_prob >= threshold, weight, level)
        rows.append((threshold, mean, low, high, share - (1 - share) * weight))
    columns = np.array(rows).T
    return {name: [_plain(x) for x in column] for name, column in zip(names, columns, strict=True)}


def _mean_gain(scores: Scores, called: BoolArray, weight: float, level: float) -> tuple[float, float, float]:
    """Return mean, low and high of what a call gains: 1 for a fracture, −weight for another image."""
    if not called.any():  # of these rows; of all patients there may be as many as Wilson's limit of none allows
        most = wilson(0.0, scores.n_groups(), level=level)[1]
        return 0.0, -weight * most, most
    if scores.groups is not None:
        gains = np.where(called, np.where(scores.y_true, 1.0, -weight), 0.0)
        return float(gains.mean()), *(mean_interval(gains, scores.groups, level=level) or (np.nan, np.nan))
    # Lone rows have three values only, so counts are enough.
    tp = int(np.count_nonzero(called & scores.y_true))
    fp, n = int(np.count_nonzero(called)) - tp, scores.n
    mean = (tp - weight * fp) / n
    variance = ((tp + weight**2 * fp) / n - mean**2) / (n - 1)
    half = student_quantile(level, n - 1) * sqrt(max(0.0, variance))
    return mean, mean - half, mean + half


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
