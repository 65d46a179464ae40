"""How far probabilities lie from frequencies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def brier_error(y_true: NDArray[np.int8], probability: Array, weights: Array) -> Array:
    """Return the mean squared error of the probability, (b,) under weights (b, n) (Brier 1950)."""
    return np.asarray((weights @ (probability - y_true) ** 2) / weights.sum(axis=1))


def equal_mass_bins(probability: Array, bins: int = 10) -> NDArray[np.int64]:
    """Return the bin of each image, (n,): as many images in each as ties allow."""
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, probability, side="right").astype(np.int64)


def ece_error(y_true: NDArray[np.int8], probability: Array, weights: Array, bins: int = 10) -> Array:
    """Return the expected calibration error over equal-mass bins (Nguyen and O'Connor 2015), (b,)."""
    index = equal_mass_bins(probability, bins)
    gap = np.zeros(len(weights))
    for number in np.unique(index):
        inside = (index == number).astype(np.float64)
        gap += np.abs(weights @ (inside * (probability - y_true)))
    return np.asarray(gap / weights.sum(axis=1))
