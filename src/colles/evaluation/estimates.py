"""Figures with their intervals: the one place that decides which method each figure gets.

Every row its own group: DeLong for the AUROC, Wilson for proportions, the stratified bootstrap for the rest. Rows in
groups: the bootstrap over groups, Wilson with a design effect for proportions. Too few of a class for either: methods
that hold for a handful and show how little is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, sqrt
from typing import Any

import numpy as np
from scipy.stats import norm, rankdata, t

from colles.core.recipe import EvaluateRecipe
from colles.core.records import Estimate
from colles.evaluation.metrics.bootstrap import (
    affordable_replicates,
    bootstrap_ranking,
    logit_bootstrap_interval,
    percentile_interval,
)
from colles.evaluation.metrics.calibration_error import (
    brier_score,
    calibration_intercept,
    calibration_slope,
    ece_interval,
    expected_calibration_error,
)
from colles.evaluation.metrics.delong import auroc_difference, auroc_variance
from colles.evaluation.metrics.intervals import (
    Interval,
    logit_interval,
    mean_interval,
    newcombe_auroc,
    wilson,
    wilson_groups,
)
from colles.evaluation.metrics.logistic import LogisticFit
from colles.evaluation.metrics.ranking import RANKING_FIGURES, Ranking, Statistic
from colles.evaluation.scores import BoolArray, FloatArray, Scores

FEW = 10
"""Groups of a class below which resampling and large-sample formulas are not trusted."""

SPREAD = 1e-12
"""An interval narrower than this came from data without any spread."""
AREAS = ("auroc", "average_precision", "partial_auroc")
"""Areas under a curve; the other figures of the order are rates at a threshold that is drawn anew."""


def undefined(scores: Scores, level: float) -> Estimate:
    """Return the estimate of a figure that the data do not define."""
    return Estimate(
        value=None, low=None, high=None, level=level, method="undefined", n=scores.n, n_groups=scores.n_groups()
    )


def proportion(hits: BoolArray, scores: Scores, rows: BoolArray, *, level: float) -> Estimate:
    """Estimate the share of `hits` (N,) among the marked rows (N,)."""
    n = int(rows.sum())
    if not n:
        return undefined(scores.where(rows), level)
    share, count = float(hits[rows].mean()), scores.n_groups(rows)
    if scores.groups is None or count == n:
        (low, high), method = wilson(share, n, level=level), "wilson"
    else:
        (low, high), method = wilson_groups(hits[rows], scores.groups[rows], level=level), "wilson_groups"
    return Estimate(value=share, low=low, high=high, level=level, method=method, n=n, n_groups=count)


def ranking_estimates(
    scores: Scores,
    recipe: EvaluateRecipe,
    figures: Mapping[str, Statistic] = RANKING_FIGURES,
    *,
    both_methods: bool = False,
) -> dict[str, Estimate]:
    """Estimate the figures of the scores' order; undefined where a class is absent.

    `both_methods` adds `auroc_delong` and `auroc_bootstrap`, which hold the AUROC by either method.
    """
    if not scores.has_both_classes:
        return {name: undefined(scores, recipe.level) for name in figures}
    ranking = Ranking.from_scores(scores.y_true, scores.y_score)
    once = ranking.count_once()
    values = {name: float(figure(once)[0]) for name, figure in figures.items()}
    few = smaller_class(scores) < FEW
    by_delong = scores.groups is None and not both_methods
    resampled = {name: figure for name, figure in figures.items() if name != "auroc" or not by_delong}
    drawn: dict[str, FloatArray] = {}
    if resampled and not few:
        replicates = affordable_replicates(scores.n, recipe.replicates)
        drawn = bootstrap_ranking(scores, resampled, replicates=replicates, seed=recipe.seed)
    intervals = {name: _resampled(name, values[name], found, scores, recipe.level) for name, found in drawn.items()}
    found = {name: _ranked(name, value, intervals.get(name), scores, recipe.level) for name, value in values.items()}
    if both_methods and not few:
        found |= _auroc_by_method(found["auroc"], intervals.get("auroc"), scores, recipe.level)
    return found


def _auroc_by_method(auroc: Estimate, bootstrap: Interval | None, scores: Scores, level: float) -> dict[str, Estimate]:
    suffix = "" if scores.groups is None else "_groups"
    delong = _delong(scores, level)
    intervals = {"delong": (delong, "delong_logit"), "bootstrap": (bootstrap, "bootstrap")}
    return {
        f"auroc_{name}": auroc.model_copy(update={"low": interval[0], "high": interval[1], "method": method + suffix})
        for name, (interval, method) in intervals.items()
        if interval is not None and interval[1] - interval[0] >= SPREAD
    }


def auroc_estimate(scores: Scores, recipe: EvaluateRecipe) -> Estimate:
    """Estimate the AUROC alone; undefined where a class is absent."""
    return ranking_estimates(scores, recipe, {"auroc": RANKING_FIGURES["auroc"]})["auroc"]


def smaller_class(scores: Scores) -> int:
    """Return the number of groups of the class that has fewer."""
    return min(scores.n_groups(scores.y_true), scores.n_groups(~scores.y_true))


def _resampled(name: str, value: float, drawn: FloatArray, scores: Scores, level: float) -> Interval | None:
    if name in AREAS:
        return logit_bootstrap_interval(value, drawn, smaller_class(scores), level=level)
    return percentile_interval(drawn, smaller_class(scores), level=level)


def _ranked(name: str, value: float, interval: Interval | None, scores: Scores, level: float) -> Estimate:
    method = "bootstrap" if scores.groups is None else "bootstrap_groups"
    if name == "auroc" and scores.groups is None and smaller_class(scores) >= FEW:
        interval, method = _delong(scores, level), "delong_logit"
    # No spread at all (classes apart without overlap) is too little data, not certainty.
    if interval is None or interval[1] - interval[0] < SPREAD:
        interval, method = _cautious(name, value, scores, level)
    low, high = min(interval[0], value), max(interval[1], value)
    return Estimate(value=value, low=low, high=high, level=level, method=method, n=scores.n, n_groups=scores.n_groups())


def _delong(scores: Scores, level: float) -> Interval | None:
    value, variance = auroc_variance(scores.y_true, scores.y_score, groups=scores.groups)
    if not 0 < value < 1 or not isfinite(variance) or variance <= 0:
        return None
    return logit_interval(value, sqrt(variance), level=level, units=smaller_class(scores))


def paired_difference(scores: Scores, other: FloatArray, *, level: float) -> Estimate:
    """Estimate AUROC(scores) − AUROC(other) of two scores (N,) of the same rows, by DeLong; by groups where known."""
    units = smaller_class(scores)
    if units < 2:
        return undefined(scores, level)
    value, variance = auroc_difference(scores.y_true, scores.y_score, other, groups=scores.groups)
    unknown = says_nothing(variance, scores.y_score, other)
    low, high = (None, None) if unknown else paired_interval(value, variance, units, level=level)
    return Estimate(
        value=value, low=low, high=high, level=level, n=scores.n, n_groups=scores.n_groups(),
        method="paired_delong" + ("" if scores.groups is None else "_groups"),
    )  # fmt: skip


def paired_law(units: int) -> Any:
    """Return what a paired difference over its error follows: the normal, Student's for few groups of a class."""
    return norm if units >= FEW else t(units - 1)


def paired_interval(value: float, variance: float, units: int, *, level: float) -> Interval:
    """Return the interval of a difference of AUROCs; `units` are the groups of the smaller class, two or more."""
    half = float(paired_law(units).ppf((1 + level) / 2)) * sqrt(variance)
    return max(-1.0, value - half), min(1.0, value + half)


def says_nothing(variance: float, first: FloatArray, second: FloatArray) -> bool:
    """Tell whether a difference of AUROCs has no spread though the scores (N,) order the rows differently.

    Two faultless models may part on the next image; only where both orders are one is the difference certain.
    """
    return variance <= SPREAD**2 and not np.array_equal(rankdata(first), rankdata(second))


def _cautious(name: str, value: float, scores: Scores, level: float) -> tuple[Interval, str]:
    if name == "auroc":
        positives, negatives = scores.n_groups(scores.y_true), scores.n_groups(~scores.y_true)
        return newcombe_auroc(value, positives, negatives, level=level), "newcombe"
    return wilson(min(max(value, 0.0), 1.0), smaller_class(scores), level=level), "wilson_smaller_class"


def calibration_estimates(scores: Scores, y_prob: FloatArray, recipe: EvaluateRecipe) -> dict[str, Estimate]:
    """Estimate Brier score, expected calibration error, slope and intercept of probabilities (N,)."""
    level, groups = recipe.level, scores.groups
    brier = mean_interval(np.square(y_prob - scores.y_true), groups, level=level)
    ece = ece_interval(scores.y_true, y_prob, groups, level=level, seed=recipe.seed)
    suffix = "" if groups is None else "_groups"
    values = brier_score(scores.y_true, y_prob), expected_calibration_error(scores.y_true, y_prob)
    if ece is not None and scores.n_groups() < FEW:
        # A handful of groups shows too little of how much larger the error may be (upper limit too low in 20 %).
        ece = ece[0], max(ece[1], wilson(min(values[1], 1.0), scores.n_groups(), level=level)[1])
    return {
        "brier": _bounded(values[0], brier, scores, level, "student" + suffix),
        "ece": _bounded(values[1], ece, scores, level, "normal_bins" + suffix),
        "calibration_slope": _coefficient(calibration_slope(scores, y_prob), scores, level),
        "calibration_intercept": _coefficient(calibration_intercept(scores, y_prob), scores, level),
    }


def _bounded(value: float, interval: Interval | None, scores: Scores, level: float, method: str) -> Estimate:
    if interval is not None and interval[1] - interval[0] < sqrt(SPREAD):
        # Errors without any spread (every answer right, with equal probabilities) are too little data, not certainty.
        # Rounding leaves a covariance of 1e-19 where there is none.
        interval = wilson(min(max(value, 0.0), 1.0), scores.n_groups(), level=level)
        method = "wilson" + ("" if scores.groups is None else "_groups")
    low, high = (None, None) if interval is None else (max(0.0, interval[0]), min(1.0, interval[1]))
    return Estimate(value=value, low=low, high=high, level=level, method=method, n=scores.n, n_groups=scores.n_groups())


def _coefficient(fitted: LogisticFit | None, scores: Scores, level: float) -> Estimate:
    if fitted is None or not scores.has_both_classes or scores.n_groups() < 2:
        return undefined(scores, level)
    low, high = fitted.interval(0, level=level)
    method = "wald_sandwich" if scores.groups is None else "wald_sandwich_groups"
    value = float(fitted.coefficients[0])
    return Estimate(value=value, low=low, high=high, level=level, method=method, n=scores.n, n_groups=scores.n_groups())
