"""How far probabilities are from what happens: Brier score, expected calibration error, slope and intercept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logit
from scipy.stats import t

from colles.evaluation.metrics.intervals import Interval, wilson, wilson_groups
from colles.evaluation.metrics.logistic import LogisticFit, fit_logistic
from colles.evaluation.scores import BoolArray, FloatArray, IntArray, Scores

BINS = 10
MIN_PER_BIN = 5
"""Fewer rows get fewer bins."""
_DRAWS = 4000
_EPSILON = 1e-12


def brier_score(y_true: BoolArray, y_prob: FloatArray) -> float:
    """Return the mean squared difference between probability and outcome."""
    return float(np.mean(np.square(y_prob - y_true)))


def mean_interval(values: FloatArray, groups: IntArray | None, *, level: float = 0.95) -> Interval | None:
    """Return Student's interval of a mean of rows that come in groups; None for fewer than two groups."""
    residuals = values - values.mean()
    sums = residuals if groups is None else np.bincount(groups, weights=residuals)
    if len(sums) < 2:
        return None
    se = float(np.sqrt(np.square(sums).sum() * len(sums) / (len(sums) - 1)) / len(values))
    half = float(t.ppf((1 + level) / 2, len(sums) - 1)) * se
    return float(values.mean()) - half, float(values.mean()) + half


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Rows in bins of equal mass by ascending probability; equal probabilities are never parted."""

    of_row: IntArray
    """(N,) bin of each row."""
    n: IntArray
    """(K,) rows."""
    predicted: FloatArray
    """(K,) mean probability."""
    observed: FloatArray
    """(K,) share of fractures."""


def equal_mass_bins(y_true: BoolArray, y_prob: FloatArray, *, bins: int = BINS) -> Bins:
    """Cut the rows into at most `bins` bins of nearly as many rows each."""
    count = max(1, min(bins, len(y_prob) // MIN_PER_BIN))
    edges = np.quantile(y_prob, np.arange(1, count) / count, method="inverted_cdf")
    _, of_row = np.unique(np.searchsorted(edges, y_prob, side="left"), return_inverse=True)
    n = np.bincount(of_row)
    predicted, observed = (np.bincount(of_row, weights=w) / n for w in (y_prob, y_true.astype(float)))
    return Bins(of_row.astype(np.int64), n, predicted, observed)


def expected_calibration_error(y_true: BoolArray, y_prob: FloatArray, *, bins: int = BINS) -> float:
    """Return Σ nₖ/N |observedₖ − predictedₖ| over bins of equal mass."""
    cut = equal_mass_bins(y_true, y_prob, bins=bins)
    return float((cut.n * np.abs(cut.observed - cut.predicted)).sum() / cut.n.sum())


def ece_interval(
    y_true: BoolArray, y_prob: FloatArray, groups: IntArray | None, *, level: float = 0.95, seed: int = 0
) -> Interval | None:
    """Return an interval of the ECE from the normal distribution of the bins' gaps, groups as units.

    The ECE of noisy gaps is larger than that of the gaps themselves, so the draws are shifted to have the estimate as
    their mean before their percentiles are taken; the estimate always lies inside. None for fewer than two groups.
    """
    cut = equal_mass_bins(y_true, y_prob)
    gaps = cut.n * (cut.observed - cut.predicted) / len(y_prob)
    residuals = (y_true - y_prob - (cut.observed - cut.predicted)[cut.of_row]) / len(y_prob)
    count, own = len(cut.n), np.arange(len(y_prob)) if groups is None else groups
    n_groups = int(own.max()) + 1
    if n_groups < 2:
        return None
    covariance = _bin_covariance(residuals, cut.of_row, own, count) * n_groups / (n_groups - 1)
    rng = np.random.default_rng(seed)
    draws = np.abs(rng.multivariate_normal(gaps, covariance, size=_DRAWS, method="eigh")).sum(axis=1)
    value = float(np.abs(gaps).sum())
    low, high = np.quantile(draws - draws.mean() + value, [(1 - level) / 2, (1 + level) / 2])
    return max(0.0, min(float(low), value)), max(float(high), value)


def _bin_covariance(residuals: FloatArray, of_row: IntArray, groups: IntArray, count: int) -> FloatArray:
    if len(groups) == int(groups.max()) + 1:
        return np.diag(np.bincount(of_row, weights=residuals**2, minlength=count))
    sums = np.bincount(groups * count + of_row, weights=residuals, minlength=(int(groups.max()) + 1) * count)
    table = sums.reshape(-1, count)
    return np.asarray(table.T @ table)


def reliability(scores: Scores, y_prob: FloatArray, *, level: float = 0.95) -> dict[str, list[float]]:
    """Return the reliability curve: predicted, observed, low, high and n of every bin."""
    cut = equal_mass_bins(scores.y_true, y_prob)
    intervals = [_bin_interval(scores, cut.of_row == k, level) for k in range(len(cut.n))]
    return {
        "predicted": cut.predicted.tolist(),
        "observed": cut.observed.tolist(),
        "low": [low for low, _ in intervals],
        "high": [high for _, high in intervals],
        "n": cut.n.tolist(),
    }


def _bin_interval(scores: Scores, rows: BoolArray, level: float) -> Interval:
    part = scores.where(rows)
    if part.groups is None:
        return wilson(float(part.y_true.mean()), part.n, level=level)
    return wilson_groups(part.y_true, part.groups, level=level)


def calibration_slope(scores: Scores, y_prob: FloatArray) -> LogisticFit | None:
    """Fit the label on the logit of the probability: coefficient 0 is the slope, 1 if perfect; below 1: too extreme."""
    x = _logit(y_prob)
    return fit_logistic(np.stack([x, np.ones_like(x)], axis=1), scores.y_true.astype(float), groups=scores.groups)


def calibration_intercept(scores: Scores, y_prob: FloatArray) -> LogisticFit | None:
    """Fit the intercept with the slope held at 1 (calibration in the large), 0 if perfect; below 0: too high."""
    ones = np.ones((scores.n, 1))
    return fit_logistic(ones, scores.y_true.astype(float), offset=_logit(y_prob), groups=scores.groups)


def _logit(y_prob: FloatArray) -> FloatArray:
    return np.asarray(logit(np.clip(y_prob, _EPSILON, 1 - _EPSILON)))
