"""Bootstrap over groups, stratified by class, in chunks of replicates (Efron and Tibshirani 1993, chapter 13)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_CELLS = 4_000_000  # weights held at once: 32 MB


def group_weights(y_true: NDArray[np.int8], groups: NDArray[np.int64], replicates: int, seed: int) -> Iterator[Array]:
    """Yield weights (b, n) in chunks: how often each image is drawn.

    Whole groups are drawn with replacement, groups with and without a positive apart, so that every replicate has both.
    """
    _, index = np.unique(groups, return_inverse=True)
    count = int(index.max()) + 1
    has_positive = np.zeros(count, bool)
    np.logical_or.at(has_positive, index, y_true == 1)
    strata = [np.flatnonzero(has_positive), np.flatnonzero(~has_positive)]
    rng = np.random.default_rng(seed)
    chunk = max(1, _CELLS // max(1, len(y_true)))
    for start in range(0, replicates, chunk):
        size = min(chunk, replicates - start)
        drawn = np.zeros((size, count))
        for stratum in strata:
            if len(stratum):
                share = np.full(len(stratum), 1.0 / len(stratum))
                drawn[:, stratum] = rng.multinomial(len(stratum), share, size=size)
        yield drawn[:, index]


def percentile_interval(values: Array, level: float) -> tuple[float, float] | None:
    """Return the percentile interval of the finite replicates, or None where there are too few."""
    finite = values[np.isfinite(values)]
    if len(finite) < max(20, len(values) // 2):
        return None
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(finite, [tail, 1.0 - tail])
    return float(low), float(high)


def bootstrap(statistics: Callable[[Array], dict[str, Array]], weights: Iterator[Array]) -> dict[str, Array]:
    """Collect named statistics of every replicate; `statistics` maps weights (b, n) to values (b,)."""
    parts = [statistics(chunk) for chunk in weights]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
