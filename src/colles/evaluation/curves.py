"""Curves for drawing, thinned so that a report stays small."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from colles.evaluation.metrics.calibration_error import equal_mass_bins
from colles.evaluation.metrics.intervals import wilson_interval
from colles.evaluation.metrics.ranking import Ranking

Array = NDArray[np.float64]
Curve = dict[str, list[float]]
MOST_POINTS = 400


def make_curves(y_true: NDArray[np.int8], y_score: Array, probability: Array) -> dict[str, Curve]:
    """Return `roc`, `pr` and `reliability`; the first two are left out where a class is absent."""
    curves = {"reliability": reliability_curve(y_true, probability)}
    if (y_true == 1).any() and (y_true == 0).any():
        ranking = Ranking.from_scores(y_true, y_score)
        tp, fp = (counts[0] for counts in ranking.counts(np.ones((1, len(y_true)))))
        keep = _thin(tp, fp)
        curves["roc"] = {
            "fpr": [0.0, *(fp[keep] / fp[-1]).tolist()],
            "tpr": [0.0, *(tp[keep] / tp[-1]).tolist()],
            "thresholds": [1.0, *ranking.thresholds[keep].tolist()],
        }
        curves["pr"] = {
            "recall": (tp[keep] / tp[-1]).tolist(),
            "precision": (tp[keep] / (tp[keep] + fp[keep])).tolist(),
            "thresholds": ranking.thresholds[keep].tolist(),
        }
    return curves


def _thin(tp: Array, fp: Array) -> NDArray[np.int64]:
    corner = np.ones(len(tp), bool)
    # a point on a straight step between its neighbours adds nothing to the picture
    corner[1:-1] = ~(((tp[2:] == tp[1:-1]) & (tp[1:-1] == tp[:-2])) | ((fp[2:] == fp[1:-1]) & (fp[1:-1] == fp[:-2])))
    keep = np.flatnonzero(corner)
    if len(keep) > MOST_POINTS:
        keep = keep[np.unique(np.linspace(0, len(keep) - 1, MOST_POINTS).round().astype(int))]
    return keep


def reliability_curve(y_true: NDArray[np.int8], probability: Array) -> Curve:
    """Return mean probability, observed frequency with Wilson's interval and count of each equal-mass bin."""
    index = equal_mass_bins(probability)
    curve: Curve = {name: [] for name in ("probability", "frequency", "low", "high", "n")}
    for number in np.unique(index):
        inside = index == number
        hits, n = float(y_true[inside].sum()), int(inside.sum())
        low, high = wilson_interval(hits, n)
        row = (float(probability[inside].mean()), hits / n, low, high, float(n))
        for name, value in zip(curve, row, strict=True):
            curve[name].append(value)
    return curve
