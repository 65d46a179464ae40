"""The 2×2 table at a threshold and its correlation; all thresholds at once for choosing one."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from colles.core.records import Record
from colles.evaluation.scores import BoolArray, FloatArray, IntArray


class Confusion(Record):
    """Counts of images: called positive (score ≥ threshold) or not, against the label."""

    tp: int
    fp: int
    tn: int
    fn: int


def confusion_at(y_true: BoolArray, y_score: FloatArray, threshold: float) -> Confusion:
    """Count the four cells; score ≥ threshold is positive."""
    called = y_score >= threshold
    tp = int((called & y_true).sum())
    fp, positives = int(called.sum()) - tp, int(y_true.sum())
    return Confusion(tp=tp, fp=fp, fn=positives - tp, tn=len(y_true) - positives - fp)


def mcc(c: Confusion) -> float | None:
    """Return Matthews' correlation; None where a row or a column of the table is empty."""
    margins = (c.tp + c.fp) * (c.tp + c.fn) * (c.tn + c.fp) * (c.tn + c.fn)
    return (c.tp * c.tn - c.fp * c.fn) / sqrt(margins) if margins else None


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """Counts at every distinct score taken as threshold, from the highest down."""

    thresholds: FloatArray
    tp: IntArray
    fp: IntArray
    n_positive: int
    n_negative: int


def sweep_thresholds(y_true: BoolArray, y_score: FloatArray) -> Sweep:
    """Count true and false positives at every distinct score (D,), descending; the last row calls everything."""
    order = np.argsort(-y_score, kind="stable")
    scores, labels = y_score[order], y_true[order]
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    tp = np.cumsum(labels, dtype=np.int64)[last]
    positives = int(y_true.sum())
    return Sweep(scores[last], tp, last + 1 - tp, positives, len(y_true) - positives)
