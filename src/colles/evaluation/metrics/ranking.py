"""Figures of ranking under weights: many bootstrap replicates of one sorted table at once.

Weights are (b, n): one row a replicate, one column an image, in the order of `y_true`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ranking:
    """Labels sorted by falling score, ties together; sorted once, used by every replicate."""

    order: NDArray[np.int64]
    positive: NDArray[np.bool_]
    """In sorted order."""
    starts: NDArray[np.int64]
    """Where each run of equal scores begins."""
    thresholds: Array
    """The score of each run, falling."""

    @classmethod
    def from_scores(cls, y_true: NDArray[np.int8], y_score: Array) -> Ranking:
        """Sort (n,) labels and scores."""
        order = np.argsort(-y_score, kind="stable")
        scores = y_score[order]
        starts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]]) if len(scores) else np.empty(0, np.int64)
        return cls(order, y_true[order] == 1, starts, scores[starts])

    def counts(self, weights: Array) -> tuple[Array, Array]:
        """Return cumulative true and false positives at each threshold, (b, runs)."""
        sorted_weights = weights[:, self.order]
        positive = np.add.reduceat(np.where(self.positive, sorted_weights, 0.0), self.starts, axis=1)
        everything = np.add.reduceat(sorted_weights, self.starts, axis=1)
        return np.cumsum(positive, axis=1), np.cumsum(everything - positive, axis=1)


def auroc_score(tp: Array, fp: Array) -> Array:
    """Area under the ROC curve by trapezoids from counts (b, runs); NaN where a class is absent."""
    total_p, total_n = tp[:, -1], fp[:, -1]
    before_tp = np.concatenate([np.zeros((len(tp), 1)), tp[:, :-1]], axis=1)
    before_fp = np.concatenate([np.zeros((len(fp), 1)), fp[:, :-1]], axis=1)
    area = ((fp - before_fp) * (tp + before_tp) / 2.0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(area / (total_p * total_n))


def average_precision_score(tp: Array, fp: Array) -> Array:
    """Average precision: the sum of precision times the step in recall; NaN without positives."""
    step = np.diff(tp, axis=1, prepend=0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(tp + fp > 0, tp / (tp + fp), 0.0)
        return np.asarray((step * precision).sum(axis=1) / tp[:, -1])


def sensitivity_at_specificity_score(tp: Array, fp: Array, specificity: float) -> Array:
    """Highest sensitivity among thresholds whose specificity is at least `specificity`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sensitivity = tp / tp[:, -1:]
        allowed = 1.0 - fp / fp[:, -1:] >= specificity - 1e-12
    return np.asarray(np.where(allowed, sensitivity, 0.0).max(axis=1))
