"""The 2 × 2 table at a threshold, and the figures that are made of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def confusion_counts(
    y_true: NDArray[np.int8], y_score: Array, threshold: float, weights: Array | None = None
) -> dict[str, Array]:
    """Return tp, fp, tn, fn at score ≥ threshold, each (b,) under weights (b, n), or (1,) without."""
    weights = np.ones((1, len(y_true))) if weights is None else weights
    called, fractured = y_score >= threshold, y_true == 1
    masks = {"tp": called & fractured, "fp": called & ~fractured, "tn": ~called & ~fractured, "fn": ~called & fractured}
    return {name: weights @ mask.astype(np.float64) for name, mask in masks.items()}


def confusion_figures(counts: Mapping[str, Array]) -> dict[str, Array]:
    """Return sensitivity, specificity, … from counts; NaN where a denominator is 0 (scikit-learn's definitions)."""
    tp, fp, tn, fn = (np.asarray(counts[name], np.float64) for name in ("tp", "fp", "tn", "fn"))
    with np.errstate(divide="ignore", invalid="ignore"):
        sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
        spread = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
        return {
            "sensitivity": sensitivity,
            "specificity": specificity,
            "accuracy": (tp + tn) / (tp + fp + tn + fn),
            "balanced_accuracy": (sensitivity + specificity) / 2.0,
            "f1": 2.0 * tp / (2.0 * tp + fp + fn),
            "ppv": tp / (tp + fp),
            "npv": tn / (tn + fn),
            "mcc": np.where(spread > 0, (tp * tn - fp * fn) / spread, np.nan),
            "lr_positive": sensitivity / (1.0 - specificity),
            "lr_negative": (1.0 - sensitivity) / specificity,
        }
