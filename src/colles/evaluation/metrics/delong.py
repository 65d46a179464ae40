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
    own = np.arange(len(y_true)) if groups is None else groups
    n_positive, n_negative = int(y_true.sum()), int((~y_true).sum())
    positive = _group_sums(residuals, own, y_true) / n_positive
    negative = _group_sums(residuals, own, ~y_true) / n_negative
    # Residuals of a class sum to zero, so sums of squares over groups are scatter about the mean.
    i10, i01 = len(np.unique(own[y_true])), len(np.unique(own[~y_true]))
    i = len(np.unique(own))
    if min(i10, i01) < 2:
        return values, np.full((len(values), len(values)), np.nan)
    cross = positive @ negative.T * (i / (i - 1))
    within = positive @ positive.T * (i10 / (i10 - 1)) + negative @ negative.T * (i01 / (i01 - 1))
    return values, within + cross + cross.T


def _group_sums(values: FloatArray, groups: IntArray, rows: BoolArray) -> FloatArray:
    count = int(groups.max()) + 1
    return np.stack([np.bincount(groups[rows], weights=row[rows], minlength=count) for row in values])


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
