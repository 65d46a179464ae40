"""Variance and covariance of AUROCs without resampling: DeLong, and Obuchowski where rows cluster.

DeLong ER, DeLong DM, Clarke-Pearson DL, Biometrics 1988; 44: 837–845, by sorting as in Sun X, Xu W, IEEE Signal Process
Lett 2014; 21: 1389–1393. Clustered: Obuchowski NA, Nonparametric analysis of clustered ROC curve data, Biometrics 1997;
53: 567–578.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from colles.evaluation.scores import BoolArray, FloatArray, IntArray


def placements(y_true: BoolArray, y_score: FloatArray) -> FloatArray:
    """Return for every row (N,) the share of the other class that it beats, ties counting half.

    For a positive: negatives that score lower. For a negative: positives that score higher. The mean over either class
    is the AUROC.
    """
    positives, negatives = np.sort(y_score[y_true]), np.sort(y_score[~y_true])
    placed = np.empty(len(y_score))
    placed[y_true] = _share_below(y_score[y_true], negatives)
    placed[~y_true] = 1.0 - _share_below(y_score[~y_true], positives)
    return placed


def _share_below(scores: FloatArray, others: FloatArray) -> FloatArray:
    left, right = np.searchsorted(others, scores, "left"), np.searchsorted(others, scores, "right")
    return (left + right) / (2.0 * len(others))


def auroc_covariance(
    y_true: BoolArray, y_scores: Sequence[FloatArray], *, groups: IntArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return AUROCs (K,) and their covariance (K, K) of K models on the same rows.

    Needs both classes and at least two groups in each, else the covariance is NaN.
    """
    residuals = np.stack([placements(y_true, scores) for scores in y_scores])
    values = residuals[:, y_true].mean(axis=1)
    residuals -= values[:, None]
    n_positive, n_negative = int(y_true.sum()), int((~y_true).sum())
    if min(n_positive, n_negative) < 1:
        return values, np.full((len(values), len(values)), np.nan)
    positive, i10 = _group_sums(residuals / n_positive, groups, y_true)
    negative, i01 = _group_sums(residuals / n_negative, groups, ~y_true)
    if min(i10, i01) < 2:
        return values, np.full((len(values), len(values)), np.nan)
    # Residuals of a class sum to zero, so sums of squares over groups are scatter about the mean.
    within = positive @ positive.T * (i10 / (i10 - 1)) + negative @ negative.T * (i01 / (i01 - 1))
    if groups is None:
        return values, within
    i = len(np.unique(groups))
    cross = positive @ negative.T * (i / (i - 1))
    return values, within + cross + cross.T


def _group_sums(values: FloatArray, groups: IntArray | None, rows: BoolArray) -> tuple[FloatArray, int]:
    """Return sums (K, G) of the marked rows' values (K, N) by group, and the number of groups among those rows."""
    if groups is None:
        return values[:, rows], int(rows.sum())
    count, own = int(groups.max()) + 1, groups[rows]
    sums = np.stack([np.bincount(own, weights=row[rows], minlength=count) for row in values])
    return sums.astype(np.float64), int((np.bincount(own, minlength=count) > 0).sum())


def auroc_variance(y_true: BoolArray, y_score: FloatArray, *, groups: IntArray | None = None) -> tuple[float, float]:
    """Return the AUROC and its variance."""
    values, covariance = auroc_covariance(y_true, [y_score], groups=groups)
    return float(values[0]), float(covariance[0, 0])


def auroc_difference(
    y_true: BoolArray, first: FloatArray, second: FloatArray, *, groups: IntArray | None = None
) -> tuple[float, float]:
    """Return AUROC(first) − AUROC(second) on the same rows, and its variance."""
    values, covariance = auroc_covariance(y_true, [first, second], groups=groups)
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    return float(values[0] - values[1]), max(0.0, variance) if np.isfinite(variance) else variance
