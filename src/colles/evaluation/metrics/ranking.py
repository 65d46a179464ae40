"""Figures of the order of the scores: AUROC, average precision, partial AUROC, one rate at a given other.

The scores are sorted once; a bootstrap replicate only changes the weights of the rows. Every figure is a function of
the weighted counts at the distinct scores of the positives, for many replicates at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colles.evaluation.scores import BoolArray, FloatArray, IntArray

Weights = NDArray[Any]
PARTIAL_FPR = 0.1
"""Range of the partial AUROC: specificity 0.9 and above."""


@dataclass(frozen=True, slots=True, eq=False)
class RankCounts:
    """Weighted counts of B replicates at the D distinct scores of the positives, ascending."""

    hits: FloatArray
    """(B, D) positives with exactly this score."""
    tp: FloatArray
    """(B, D) positives with this score or more."""
    fp: FloatArray
    """(B, D) negatives with this score or more."""
    fp_over: FloatArray
    """(B, D) negatives with more than this score."""
    positives: FloatArray
    """(B, 1)."""
    negatives: FloatArray
    """(B, 1)."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The order of the rows, kept apart by class."""

    positives: IntArray
    """(P,) rows of the positives by ascending score."""
    negatives: IntArray
    """(N,) rows of the negatives by ascending score."""
    starts: IntArray | None
    """(D,) first positive of every distinct score; None where no two positives share one."""
    below: IntArray
    """(D,) negatives with a lower score."""
    upto: IntArray | None
    """(D,) negatives with this score or lower; None where no negative has a positive's score."""

    @classmethod
    def from_scores(cls, y_true: BoolArray, y_score: FloatArray) -> Ranking:
        """Sort once."""
        rows = np.argsort(y_score, kind="stable")
        positives, negatives = rows[y_true[rows]], rows[~y_true[rows]]
        distinct, starts = np.unique(y_score[positives], return_index=True)
        below = np.searchsorted(y_score[negatives], distinct, side="left")
        upto = np.searchsorted(y_score[negatives], distinct, side="right")
        return cls(
            positives,
            negatives,
            None if len(distinct) == len(positives) else starts.astype(np.int64),
            below.astype(np.int64),
            None if np.array_equal(below, upto) else upto.astype(np.int64),
        )

    def count(self, positive_weights: Weights, negative_weights: Weights) -> RankCounts:
        """Count with weights (B, P) and (B, N), given in the order of `positives` and `negatives`."""
        hits = np.asarray(positive_weights, dtype=np.float64)
        if self.starts is not None:
            hits = np.add.reduceat(hits, self.starts, axis=1)
        tp = np.cumsum(hits[:, ::-1], axis=1)[:, ::-1]
        lower = np.zeros((negative_weights.shape[0], negative_weights.shape[1] + 1))
        np.cumsum(negative_weights, axis=1, out=lower[:, 1:])
        negatives = lower[:, -1:]
        fp = negatives - lower.take(self.below, axis=1)
        fp_over = fp if self.upto is None else negatives - lower.take(self.upto, axis=1)
        return RankCounts(hits, tp, fp, fp_over, tp[:, :1], negatives)

    def count_once(self) -> RankCounts:
        """Count every row once: the figures of the data itself (B = 1)."""
        return self.count(np.ones((1, len(self.positives))), np.ones((1, len(self.negatives))))


Statistic = Callable[[RankCounts], FloatArray]


def auroc(counts: RankCounts) -> FloatArray:
    """Return the AUROC (B,): the chance that a positive scores above a negative, ties counting half."""
    mean_fp = counts.fp if counts.fp_over is counts.fp else (counts.fp + counts.fp_over) / 2
    lost = np.einsum("bd,bd->b", counts.hits, mean_fp)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1.0 - lost / (counts.positives * counts.negatives)[:, 0])


def average_precision(counts: RankCounts) -> FloatArray:
    """Return Σ (Rᵢ − Rᵢ₋₁) Pᵢ over the distinct scores (B,), as scikit-learn defines it."""
    precision = counts.tp / np.maximum(counts.tp + counts.fp, 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.einsum("bd,bd->b", counts.hits, precision) / counts.positives[:, 0])


def partial_auroc(counts: RankCounts, max_fpr: float = PARTIAL_FPR) -> FloatArray:
    """Return the area under the ROC curve up to `max_fpr`, standardised to 0.5–1 (B,).

    McClish DK, Analyzing a portion of the ROC curve, Med Decis Making 1989; 9: 190–195.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        start, end = counts.fp_over / counts.negatives, counts.fp / counts.negatives
        # A positive adds its height from the FPR at which it is called; within a tie the curve rises in a line.
        rising = np.square(np.clip(max_fpr - start, 0, None)) / (2 * np.maximum(end - start, 1e-300))
        area = np.where(end <= max_fpr, max_fpr - (start + end) / 2, rising)
        area = np.where(start >= max_fpr, 0.0, area)
        found = np.einsum("bd,bd->b", counts.hits, area) / counts.positives[:, 0]
    least = max_fpr**2 / 2
    return np.asarray(0.5 * (1.0 + (found - least) / (max_fpr - least)))


def sensitivity_at_specificity(counts: RankCounts, specificity: float) -> FloatArray:
    """Return the highest sensitivity (B,) of a threshold whose specificity is at least the given one."""
    allowed = (1.0 - specificity) * counts.negatives
    first = (counts.fp > allowed + 1e-9).sum(axis=1)
    tp = np.concatenate([counts.tp, np.zeros_like(counts.positives)], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(tp[np.arange(len(tp)), first] / counts.positives[:, 0])


def specificity_at_sensitivity(counts: RankCounts, sensitivity: float) -> FloatArray:
    """Return the highest specificity (B,) of a threshold whose sensitivity is at least the given one."""
    needed = sensitivity * counts.positives
    last = (counts.tp >= needed - 1e-9).sum(axis=1) - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1.0 - counts.fp[np.arange(len(last)), last] / counts.negatives[:, 0])


RANKING_FIGURES: dict[str, Statistic] = {
    "auroc": auroc,
    "average_precision": average_precision,
    "partial_auroc": partial_auroc,
    "sensitivity_at_specificity_90": partial(sensitivity_at_specificity, specificity=0.90),
    "sensitivity_at_specificity_95": partial(sensitivity_at_specificity, specificity=0.95),
    "specificity_at_sensitivity_90": partial(specificity_at_sensitivity, sensitivity=0.90),
    "specificity_at_sensitivity_95": partial(specificity_at_sensitivity, sensitivity=0.95),
}
