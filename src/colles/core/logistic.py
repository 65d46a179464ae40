"""The logistic function and its inverse, without the libraries that would double the time to a first answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

EDGE = 1e-12
"""Shares are kept this far from 0 and 1, where the logit is infinite."""


def to_logit(share: ArrayLike, edge: float = EDGE) -> NDArray[np.float64]:
    """Return log(s / (1 − s)) of shares 0–1, any shape, kept `edge` from 0 and 1: bounded to ±27.6 by default."""
    inside = np.clip(np.asarray(share, np.float64), edge, 1 - edge)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def sigmoid(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(−x)), any shape, without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(values, np.float64))))
