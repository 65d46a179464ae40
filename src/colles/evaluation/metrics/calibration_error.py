"""How far probabilities are from what happens: Brier score, expected calibration error, slope and intercept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from colles.core.logistic import to_logit
from colles.evaluation.metrics.intervals import Interval, normal_quantile, student_quantile, wilson, wilson_groups
from colles.evaluation.metrics.logistic import LogisticFit, fit_logistic
from colles.evaluation.scores import BoolArray, FloatArray, IntArray, Scores

BINS = 10
MIN_PER_BIN = 5
"""Fewer rows get fewer bins."""
_DRAWS = 4000


def brier_score(y_true: BoolArray, y_prob: FloatArray) -> float:
    """Return the mean squared difference between probability and outcome."""
    return float(np.mean(np.square(y_prob - y_true)))


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
    y_true: BoolArray, y_prob: FloatArray, groups: IntArray | None, *, level: float, seed: int
) -> Interval | None:
    """Return an interval of the ECE by inverting a test on the normal distribution of the bins' gaps, groups as units.

    The ECE of noisy gaps is larger than that of the gaps themselves, above all where probabilities are right, so the
    gaps are scaled until the estimate would be a rare one: too high for the lower limit, too low for the upper. The
    estimate always lies inside; 0 does where nothing speaks against it, and so does what right probabilities would
    show: an estimate near the least that they can would else be its own upper limit. None for fewer than two groups.
    """
    cut = equal_mass_bins(y_true, y_prob)
    gaps = cut.n * (cut.observed - cut.predicted) / len(y_prob)
    own = np.arange(len(y_prob)) if groups is None else groups
    n_groups = int(own.max()) + 1
    if n_groups < 2:
        return None
    covariance = _gap_covariance(y_true - y_prob, cut, gaps, own) * n_groups / (n_groups - 1)
    noise = np.random.default_rng(seed).multivariate_normal(np.zeros(len(gaps)), covariance, size=_DRAWS, method="eigh")
    noise *= student_quantile(level, n_groups - 1) / normal_quantile(level)  # few groups show their spread badly
    value, tail = float(np.abs(gaps).sum()), (1 - level) / 2
    low, high = (_scale(gaps, noise, value, quantile) * value for quantile in (1 - tail, tail))
    right = float(np.quantile(np.abs(noise).sum(axis=1), level))
    return min(low, value), max(min(max(high, right), 1.0), value)


def _scale(gaps: FloatArray, noise: FloatArray, value: float, quantile: float) -> float:
    """Return the factor of the gaps, at least 0, at which `value` is that quantile of the noisy ECE."""

    def beyond(factor: float) -> float:
        return float(np.quantile(np.abs(factor * gaps + noise).sum(axis=1), quantile)) - value

    if value == 0 or beyond(0.0) >= 0:
        return 0.0
    # Here no noise can hold the ECE below its value any more.
    largest = 1.0 + float(np.abs(noise).sum(axis=1).max()) / value
    return float(brentq(beyond, 0.0, largest, xtol=1e-4))


def _gap_covariance(residuals: FloatArray, cut: Bins, gaps: FloatArray, groups: IntArray) -> FloatArray:
    """Return the (K, K) covariance of the gaps from the influence of each group, moving bin edges included.

    A row moves the gap of its own bin by its residual, and every bin's by the edges that it shifts: an edge is a
    quantile (influence −(1[x ≤ q] − F)/f), and the residual there is taken from the two bins that it parts. With edges
    held still, the spread of the probabilities themselves would be missed.
    """
    count, total = len(cut.n), len(residuals)
    shift = _edge_influence(cut, gaps)
    if total == int(groups.max()) + 1:
        sums, squares = (np.bincount(cut.of_row, weights=w, minlength=count) for w in (residuals, residuals**2))
        cross = sums[:, None] * shift.T
        return np.asarray(np.diag(squares) + cross + cross.T + (shift * cut.n) @ shift.T) / total**2
    cells, size = groups * count + cut.of_row, (int(groups.max()) + 1) * count
    sums, rows = np.bincount(cells, weights=residuals, minlength=size), np.bincount(cells, minlength=size)
    table = sums.reshape(-1, count) + rows.reshape(-1, count) @ shift.T
    return np.asarray(table.T @ table) / total**2


def _edge_influence(cut: Bins, gaps: FloatArray) -> FloatArray:
    """Return (K, K): what a row of bin j (column) adds to the gap of bin k (row) beside its own residual."""
    share, mean = np.cumsum(cut.n)[:-1] / cut.n.sum(), cut.observed - cut.predicted
    at_edge = (mean[:-1] + mean[1:]) / 2
    below = np.arange(len(cut.n)) <= np.arange(len(cut.n) - 1)[:, None]
    moved = at_edge[:, None] * (below - share[:, None])
    padded = np.vstack([np.zeros(len(cut.n)), moved, np.zeros(len(cut.n))])
    return np.asarray(padded[:-1] - padded[1:] - gaps[:, None])


def reliability(scores: Scores, y_prob: FloatArray, *, level: float) -> dict[str, list[float]]:
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
    x = to_logit(y_prob)
    return fit_logistic(np.stack([x, np.ones_like(x)], axis=1), scores.y_true.astype(float), groups=scores.groups)


def calibration_intercept(scores: Scores, y_prob: FloatArray) -> LogisticFit | None:
    """Fit the intercept with the slope held at 1 (calibration in the large), 0 if perfect; below 0: too high."""
    ones = np.ones((scores.n, 1))
    return fit_logistic(ones, scores.y_true.astype(float), offset=to_logit(y_prob), groups=scores.groups)
