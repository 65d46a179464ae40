"""DeLong's variance of the AUROC, and of the difference of two (DeLong et al., Biometrics 44:837, 1988).

Placements come from mid-ranks (Sun and Xu, IEEE Signal Processing Letters 21:1389, 2014): O(n log n).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

Array = NDArray[np.float64]


def placements(y_true: NDArray[np.int8], y_score: Array) -> tuple[Array, Array]:
    """Return each positive's share of negatives below it, and each negative's share of positives above it."""
    positive, negative = y_score[y_true == 1], y_score[y_true == 0]
    m, n = len(positive), len(negative)
    joint = rankdata(np.concatenate([positive, negative]))
    of_positive = (joint[:m] - rankdata(positive)) / n
    of_negative = 1.0 - (joint[m:] - rankdata(negative)) / m
    return of_positive, of_negative


def delong_covariance(y_true: NDArray[np.int8], scores: list[Array]) -> tuple[Array, Array]:
    """Return the AUROCs (k,) of k score vectors on the same images and their covariance (k, k).

    Needs two of each class.
    """
    pairs = [placements(y_true, score) for score in scores]
    positive, negative = np.stack([p for p, _ in pairs]), np.stack([n for _, n in pairs])
    covariance = np.cov(positive) / positive.shape[1] + np.cov(negative) / negative.shape[1]
    return positive.mean(axis=1), np.atleast_2d(covariance)


def delong_interval(auroc: float, variance: float, level: float) -> tuple[float, float]:
    """Return the interval on the logit scale, which stays within 0–1 (Pepe 2003, section 5.2)."""
    if variance <= 0.0 or auroc <= 0.0 or auroc >= 1.0:
        return auroc, auroc
    z = float(norm.ppf(0.5 + level / 2.0))
    centre = np.log(auroc / (1.0 - auroc))
    half = z * np.sqrt(variance) / (auroc * (1.0 - auroc))
    low, high = 1.0 / (1.0 + np.exp(-(centre - half))), 1.0 / (1.0 + np.exp(-(centre + half)))
    return float(low), float(high)


def delong_p(aurocs: Array, covariance: Array) -> float:
    """Return the two-sided p of the hypothesis that two AUROCs on the same images are equal."""
    variance = covariance[0, 0] + covariance[1, 1] - 2.0 * covariance[0, 1]
    difference = float(aurocs[0] - aurocs[1])
    if variance <= 0.0:
        return 1.0 if difference == 0.0 else 0.0
    return float(2.0 * norm.sf(abs(difference) / np.sqrt(variance)))
