"""Intervals in closed form: proportions (Wilson, with a design effect where rows cluster), AUROC, sums of two rates.

All return (low, high), within 0–1 but for ratios and differences.
"""

from __future__ import annotations

from math import exp, log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm, t

from colles.evaluation.scores import BoolArray, FloatArray, IntArray

Interval = tuple[float, float]


def wilson(share: float, n: float, *, level: float = 0.95, quantile: float | None = None) -> Interval:
    """Return Wilson's score interval of a proportion; `n` may be an effective number.

    Wilson EB, J Am Stat Assoc 1927; 22: 209–212.
    """
    z = quantile if quantile is not None else normal_quantile(level)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))


def normal_quantile(level: float) -> float:
    """Return the two-sided normal quantile, 1.96 for 0.95."""
    return float(norm.ppf((1 + level) / 2))


def student_quantile(level: float, freedom: int) -> float:
    """Return Student's two-sided quantile for so many degrees of freedom, 2.23 for 0.95 and 10."""
    return float(t.ppf((1 + level) / 2, freedom))


def wilson_groups(hits: BoolArray, groups: IntArray, *, level: float) -> Interval:
    """Return Wilson's interval of a share of rows that come in groups, with the effective number of rows.

    The design effect is that of a ratio of group totals (Rao JNK, Scott AJ, Biometrics 1992; 48: 577–585), at least 1,
    with Student's quantile on the number of groups (as Korn EL, Graubard BI, Survey Methodology 1998; 24: 193–201). At
    a share of 0 or 1 the data say nothing of the correlation: groups then count as if their rows were copies.
    """
    totals = np.bincount(groups)
    found = np.bincount(groups, weights=hits.astype(np.float64))[totals > 0]
    totals = totals[totals > 0]
    n, count = int(totals.sum()), len(totals)
    if count == 1:
        return wilson(float(hits.mean()), 1.0, level=level)
    share = float(found.sum() / n)
    effect = design_effect(share, found, totals)
    return wilson(share, n / effect, level=level, quantile=student_quantile(level, count - 1))


def mean_interval(values: FloatArray, groups: IntArray | None, *, level: float) -> Interval | None:
    """Return Student's interval of a mean of rows that come in groups; None for fewer than two groups."""
    residuals = values - values.mean()
    sums = residuals if groups is None else np.bincount(groups, weights=residuals)
    if len(sums) < 2:
        return None
    se = float(np.sqrt(np.square(sums).sum() * len(sums) / (len(sums) - 1)) / len(values))
    half = student_quantile(level, len(sums) - 1) * se
    return float(values.mean()) - half, float(values.mean()) + half


def design_effect(share: float, found: NDArray[Any], totals: IntArray) -> float:
    """Return the variance of a share of grouped rows over that of as many lone rows, at least 1.

    `found` (G,) hits and `totals` (G,) rows of each group.
    """
    n, count = totals.sum(), len(totals)
    if share in (0.0, 1.0):
        return float((totals**2).sum() / n)
    variance = count / (count - 1) * np.square(found - share * totals).sum() / n**2
    return max(1.0, float(variance * n / (share * (1 - share))))


def logit_interval(value: float, se: float, *, level: float, units: int | None = None) -> Interval:
    """Return the interval on the logit scale, mapped back; `value` strictly between 0 and 1.

    With `units` (groups of the smaller class) Student's quantile replaces the normal one: at 50 groups a class it
    brings the coverage of an AUROC near 0.95 from about 94 to about 95 % (600 simulated studies).
    """
    quantile = normal_quantile(level) if units is None else student_quantile(level, units - 1)
    centre, half = log(value / (1 - value)), quantile * se / (value * (1 - value))
    # Beyond 700 the exponential overflows; the bound is 0 or 1 long before.
    low, high = max(-700.0, centre - half), min(700.0, centre + half)
    return 1 / (1 + exp(-low)), 1 / (1 + exp(-high))


def newcombe_auroc(value: float, n_positive: int, n_negative: int, *, level: float) -> Interval:
    """Return the score-like interval of an AUROC that holds for few images and for 0 and 1.

    Method 5 of Newcombe RG, Confidence intervals for an effect size measure based on the Mann–Whitney statistic,
    Part 2, Stat Med 2006; 25: 559–573: Hanley and McNeil's variance at the bound itself, with equalised class sizes.
    """
    z, size = normal_quantile(level), (n_positive + n_negative) / 2 - 1

    def excess(theta: float) -> float:
        spread = 1 + size * (1 - theta) / (2 - theta) + size * theta / (1 + theta)
        variance = theta * (1 - theta) * spread / (n_positive * n_negative)
        return (theta - value) ** 2 - z * z * variance

    low = float(brentq(excess, 0.0, value)) if value > 0 and excess(0.0) > 0 else 0.0
    high = float(brentq(excess, value, 1.0)) if value < 1 and excess(1.0) > 0 else 1.0
    if value == 1.0:
        low = float(brentq(excess, 1e-12, 1 - 1e-12))
    if value == 0.0:
        high = float(brentq(excess, 1e-12, 1 - 1e-12))
    return low, high


def mover_mean(first: float, second: float, one: Interval, other: Interval) -> Interval:
    """Return the interval of the mean of two independent rates from theirs.

    Method of variance estimates recovery: Zou GY, Donner A, Stat Med 2008; 27: 1693–1702.
    """
    mean = (first + second) / 2
    down = sqrt((first - one[0]) ** 2 + (second - other[0]) ** 2) / 2
    up = sqrt((one[1] - first) ** 2 + (other[1] - second) ** 2) / 2
    return max(0.0, mean - down), min(1.0, mean + up)


def mover_difference(first: float, second: float, one: Interval, other: Interval) -> Interval:
    """Return the interval of first − second of two independent figures from theirs.

    Method 10 of Newcombe RG, Stat Med 1998; 17: 873–890.
    """
    difference = first - second
    down = sqrt((first - one[0]) ** 2 + (other[1] - second) ** 2)
    up = sqrt((one[1] - first) ** 2 + (second - other[0]) ** 2)
    return difference - down, difference + up


def tango_paired(only_first: float, only_second: float, n: float, *, level: float) -> Interval:
    """Return the score interval of the difference of two shares of the same `n` rows, from those that tell them apart.

    It leaves out 0 where McNemar's statistic is significant. Tango T, Stat Med 1998; 17: 891–908.
    """
    z, first, second = normal_quantile(level), only_first / n, only_second / n
    difference = first - second

    def excess(delta: float) -> float:
        linear = (2 - difference) * delta - first - second
        root = linear**2 + 8 * second * delta * (1 - delta)
        likely = (sqrt(max(0.0, root)) - linear) / 4  # share of only_second where the difference is delta
        return n * (difference - delta) ** 2 - z * z * (2 * likely + delta * (1 - delta))

    low = float(brentq(excess, -1.0, difference - 1e-12)) if difference > -1 else -1.0
    high = float(brentq(excess, difference + 1e-12, 1.0)) if difference < 1 else 1.0
    return low, high


def score_paired(sums: FloatArray, sizes: IntArray, *, level: float) -> Interval:
    """Return the interval of the mean gain of rows in groups from each group's sum and size (G,): what a test allows.

    As Tango's, it takes the spread about the difference in question, so it leaves out 0 only where `groups_p` is
    significant. Student's did so beside a p above 0.05, and held the true gain of 20 unequal groups in 91 of 100
    simulated studies. Few groups tell nothing: −1 to 1.
    """
    factor = student_quantile(level, len(sums) - 1) ** 2 if len(sums) > 1 else np.inf
    # (Σg − δΣn)² ≤ t² Σ(g − δn)², a quadratic in δ.
    square = float(sizes.sum() ** 2 - factor * np.square(sizes).sum())
    if square <= 0:
        return -1.0, 1.0
    linear = float(sums.sum() * sizes.sum() - factor * (sums @ sizes))
    constant = float(sums.sum() ** 2 - factor * np.square(sums).sum())
    half = sqrt(max(0.0, linear**2 - square * constant))
    return max(-1.0, (linear - half) / square), min(1.0, (linear + half) / square)


def mover_ratio(first: float, second: float, one: Interval, other: Interval) -> tuple[float, float | None]:
    """Return the interval of first / second of two independent rates from theirs; no upper bound: None.

    MOVER-R, Newcombe RG, Stat Methods Med Res 2016; 25: 1774–1778, written so that nothing is divided by 0.
    """
    product = first * second
    least, most = one[0] * (2 * first - one[0]), one[1] * (2 * first - one[1])
    over, under = other[1] * (2 * second - other[1]), other[0] * (2 * second - other[0])
    divisor = product + sqrt(max(0.0, product**2 - least * over))
    low = least / divisor if divisor > 0 else 0.0
    high = (product + sqrt(max(0.0, product**2 - most * under))) / under if under > 0 else None
    return low, high
