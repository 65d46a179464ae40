"""ROC, precision–recall, reliability and decision curves, thinned to what an eye can tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from colles.evaluation.metrics.calibration_error import reliability
from colles.evaluation.metrics.confusion import sweep_thresholds
from colles.evaluation.scores import FloatArray, IntArray, Scores
from colles.evaluation.worth import net_benefit

MAX_POINTS = 400
Curve = dict[str, list[Any]]


def roc_curve(scores: Scores, *, max_points: int = MAX_POINTS) -> Curve:
    """Return fpr, tpr and thresholds, from (0, 0) to (1, 1); the first point has no threshold (null).

    Empty where a class is absent.
    """
    if not scores.has_both_classes:
        return {"fpr": [], "tpr": [], "thresholds": []}
    sweep = sweep_thresholds(scores.y_true, scores.y_score)
    fpr = np.append(0.0, sweep.fp / sweep.n_negative)
    tpr = np.append(0.0, sweep.tp / sweep.n_positive)
    kept = thin(fpr, tpr, max_points)
    thresholds = [None, *sweep.thresholds.tolist()]
    return {"fpr": fpr[kept].tolist(), "tpr": tpr[kept].tolist(), "thresholds": [thresholds[i] for i in kept]}


def precision_recall_curve(scores: Scores, *, max_points: int = MAX_POINTS) -> Curve:
    """Return recall (descending, as in scikit-learn), precision and thresholds; the last point has no threshold.

    Empty where there is no fracture.
    """
    if not scores.n_positive:
        return {"recall": [], "precision": [], "thresholds": []}
    sweep = sweep_thresholds(scores.y_true, scores.y_score)
    recall = np.append(0.0, sweep.tp / sweep.n_positive)[::-1]
    precision = np.append(1.0, sweep.tp / (sweep.tp + sweep.fp))[::-1]
    kept = thin(recall, precision, max_points)
    thresholds = [*sweep.thresholds[::-1].tolist(), None]
    return {
        "recall": recall[kept].tolist(),
        "precision": precision[kept].tolist(),
        "thresholds": [thresholds[i] for i in kept],
    }


def thin(x: FloatArray, y: FloatArray, max_points: int = MAX_POINTS) -> IntArray:
    """Return the indices of at most `max_points` points that keep the shape of a curve in the unit square.

    Points in the middle of a straight horizontal or vertical piece go first; then points are taken at even steps along
    the curve, so no kept neighbours are further apart than one step and one jump.
    """
    steps = np.abs(np.diff(np.stack([x, y])))
    flat = (steps[0][:-1] == 0) & (steps[0][1:] == 0) | (steps[1][:-1] == 0) & (steps[1][1:] == 0)
    corners = np.flatnonzero(np.concatenate([[True], ~flat, [True]])) if len(x) > 1 else np.arange(len(x))
    if len(corners) <= max_points:
        return corners
    along = np.append(0.0, np.cumsum(np.abs(np.diff(x[corners])) + np.abs(np.diff(y[corners]))))
    wanted = np.linspace(0.0, along[-1], max_points)
    chosen = np.searchsorted(along, wanted, side="left").clip(0, len(corners) - 1)
    chosen[0], chosen[-1] = 0, len(corners) - 1
    return np.asarray(corners[np.unique(chosen)])


def curves(scores: Scores, y_prob: FloatArray, *, level: float) -> dict[str, Curve]:
    """Return all four; reliability and net benefit are those of `y_prob` (N,), the others those of the scores."""
    return {
        "roc": roc_curve(scores),
        "pr": precision_recall_curve(scores),
        "reliability": reliability(scores, y_prob, level=level),
        "net_benefit": net_benefit(scores, y_prob, level=level),
    }
