"""Bootstrap over groups, stratified: groups with a fracture and groups without one are drawn apart.

The rows are never copied: a replicate is a multiplicity for every group, and `Ranking` counts with those as weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from colles.core.machine import usable_cpus
from colles.evaluation.metrics.intervals import Interval, logit_interval
from colles.evaluation.metrics.ranking import Ranking, Statistic
from colles.evaluation.scores import FloatArray, IntArray, Scores

Multiplicities = NDArray[np.int64]
MAX_DRAWS = 2_000_000_000
"""Rows times replicates: a minute or two on two cores; more than a million rows get fewer replicates."""
_BLOCK_ROWS = 1 << 17
_MAX_THREADS = 4
_MIN_REPLICATES = 200


@dataclass(frozen=True, slots=True, eq=False)
class Strata:
    """Groups in the order in which multiplicities are drawn: first those with a positive, then the others."""

    with_positive: int
    without: int
    of_positive: IntArray | None
    """(P,) place of each positive's group, in `Ranking.positives`' order; None where place i is positive i."""
    of_negative: IntArray | None

    @classmethod
    def from_ranking(cls, ranking: Ranking, groups: IntArray | None) -> Strata:
        """Number the groups; rows without groups are numbered by their scores, so the input's order is immaterial."""
        if groups is None:
            return cls(len(ranking.positives), len(ranking.negatives), None, None)
        count = int(groups.max()) + 1
        has_positive = np.zeros(count, dtype=bool)
        has_positive[groups[ranking.positives]] = True
        first = int(has_positive.sum())
        place = np.empty(count, dtype=np.int64)
        place[has_positive], place[~has_positive] = np.arange(first), np.arange(first, count)
        return cls(first, count - first, place[groups[ranking.positives]], place[groups[ranking.negatives]])

    @property
    def smallest(self) -> int:
        """Number of groups in the smaller stratum that has any."""
        return min(n for n in (self.with_positive, self.without) if n) if self.with_positive + self.without else 0

    def draw(self, rng: np.random.Generator, replicates: int) -> Multiplicities:
        """Draw how often each group occurs (replicates, groups), every stratum keeping its number of groups."""
        parts = [_multiplicities(rng, replicates, size) for size in (self.with_positive, self.without)]
        return parts[0] if not self.without else np.concatenate(parts, axis=1)


def _multiplicities(rng: np.random.Generator, replicates: int, size: int) -> Multiplicities:
    drawn = rng.integers(0, size, size=(replicates, size), dtype=np.int32) if size else np.zeros((replicates, 0), int)
    if replicates > 1:
        drawn = drawn + np.arange(replicates)[:, None] * size
    return np.bincount(drawn.ravel(), minlength=replicates * size).reshape(replicates, size)


def bootstrap_ranking(
    scores: Scores, statistics: Mapping[str, Statistic], *, replicates: int, seed: int
) -> dict[str, FloatArray]:
    """Return the replicates (R,) of every statistic; NaN where a replicate holds one class only.

    The result depends on the data and the seed, not on the rows' order or the number of cores.
    """
    ranking = Ranking.from_scores(scores.y_true, scores.y_score)
    strata = Strata.from_ranking(ranking, scores.groups)
    block = max(1, min(256, _BLOCK_ROWS // max(1, scores.n)))
    starts = range(0, replicates, block)

    def run(start: int) -> list[FloatArray]:
        rng = np.random.default_rng([seed, start])
        weights = strata.draw(rng, min(block, replicates - start))
        positive, negative = _row_weights(weights, strata)
        counts = ranking.count(positive, negative)
        return [statistic(counts) for statistic in statistics.values()]

    with ThreadPoolExecutor(min(_MAX_THREADS, usable_cpus())) as pool:
        blocks = list(pool.map(run, starts))
    return {name: np.concatenate([found[i] for found in blocks]) for i, name in enumerate(statistics)}


def _row_weights(weights: Multiplicities, strata: Strata) -> tuple[Multiplicities, Multiplicities]:
    if strata.of_positive is None or strata.of_negative is None:
        return weights[:, : strata.with_positive], weights[:, strata.with_positive :]
    return weights.take(strata.of_positive, axis=1), weights.take(strata.of_negative, axis=1)


def affordable_replicates(n: int, replicates: int) -> int:
    """Return the number of replicates that `n` rows allow, 200 at least."""
    return min(replicates, max(_MIN_REPLICATES, MAX_DRAWS // max(1, n)))


def logit_bootstrap_interval(value: float, drawn: FloatArray, groups: int, *, level: float) -> Interval | None:
    """Return the interval of an area under a curve from its distance to its replicates, on the logit scale.

    Percentiles of areas near 1 lie too high, since a replicate repeats images and so ranks more easily: at 50 groups a
    class and an average precision of 0.96 they cover 90 %, this interval 94 %. `groups` of the smaller class. None
    where most replicates are undefined or the value is 0 or 1.
    """
    defined = _defined(drawn, groups)
    if defined is None or not 0 < value < 1:
        return None
    # About the value, not about their own mean: what replicates are off by is an error as well.
    se = float(np.sqrt(np.mean(np.square(defined - value)) * groups / (groups - 1)))
    return logit_interval(value, se, level=level, units=groups)


def percentile_interval(values: FloatArray, groups: int, *, level: float) -> Interval | None:
    """Return the expanded percentile interval of replicates; None where most of them are undefined.

    `groups` in the smallest stratum: the bootstrap is too narrow by √((n−1)/n) and by the normal for Student's
    quantile, which the expansion mends (Hesterberg TC, Am Stat 2015; 69: 371–386, section 5.4).
    """
    defined = _defined(values, groups)
    if defined is None:
        return None
    tail = norm.cdf(np.sqrt(groups / (groups - 1)) * t.ppf((1 - level) / 2, groups - 1))
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def bootstrap_p(differences: FloatArray, groups: int) -> float | None:
    """Return the p at which the percentile interval of replicates (R,), expanded for few groups, just reaches 0.

    Unexpanded it is twice the smaller share on one side of 0, never below 2 / (R + 1) (Davison AC, Hinkley DV,
    Bootstrap Methods and their Application, 1997, section 4.2). `groups` in the smallest stratum; None as the interval.
    """
    defined = _defined(differences, groups)
    if defined is None:
        return None
    if not defined.any():
        return 1.0
    beyond = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    share = min(0.5, (beyond + 1) / (len(defined) + 1))
    return float(2 * t.cdf(norm.ppf(share) / np.sqrt(groups / (groups - 1)), groups - 1))


def _defined(drawn: FloatArray, groups: int) -> FloatArray | None:
    """Return the replicates that are numbers; None where most are not, or one group was all there was to draw."""
    defined = drawn[np.isfinite(drawn)]
    return None if len(defined) < len(drawn) / 2 or groups < 2 else defined
