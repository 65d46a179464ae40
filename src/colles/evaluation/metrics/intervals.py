"""Intervals of proportions, with and without clustering."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm


def wilson_interval(successes: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion (Wilson, JASA 22:209, 1927); `n` may be an effective number."""
    if n <= 0:
        return 0.0, 1.0
    z = float(norm.ppf(0.5 + level / 2.0))
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def design_effect(hits: NDArray[np.bool_], groups: NDArray[np.int64]) -> float:
    """Return by how much clustering inflates the variance of a proportion, at least 1.

    The ratio estimator's variance over the binomial one (Rao and Scott, Biometrics 48:577, 1992); where all images
    agree it is the mean group size as an image meets it, the largest that clustering can do.
    """
    _, index = np.unique(groups, return_inverse=True)
    sizes = np.bincount(index).astype(np.float64)
    n, count = sizes.sum(), len(sizes)
    if count == n:
        return 1.0
    kish = float((sizes**2).sum() / n)
    p = float(hits.mean())
    if p in (0.0, 1.0) or count < 2:
        return kish
    residual = np.bincount(index, weights=hits.astype(np.float64)) - p * sizes
    variance = count / (count - 1.0) * float((residual**2).sum()) / n**2
    return float(max(1.0, variance / (p * (1.0 - p) / n)))


def proportion_interval(
    hits: NDArray[np.bool_], groups: NDArray[np.int64], level: float = 0.95
) -> tuple[float, float, str]:
    """Return Wilson's interval on the effective number of images, and the name of the method."""
    effect = design_effect(hits, groups)
    effective = len(hits) / effect
    low, high = wilson_interval(float(hits.mean()) * effective, effective, level)
    return low, high, "wilson" if effect == 1.0 else "wilson_clustered"
