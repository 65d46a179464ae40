"""How much each parameter decides the score: permutation importance of a random forest over the finished trials.

Breiman L, Random forests, Machine Learning 2001; 45: 5–32. Needs scikit-learn alone, and reads older logs too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MIN_TRIALS = 8
"""Fewer trials than this say nothing about single parameters."""
_TREES, _REPEATS = 100, 10
_LARGEST = 3.0e38  # scikit-learn's trees compute in 32 bits


@dataclass(frozen=True)
class Importance:
    """Shares of the parameters, or why there are none."""

    shares: Mapping[str, float]
    """Parameter → share of the explained change of the score, largest first; they sum to 1 (or are all 0)."""
    trials: int
    explained: float | None
    """R² of the forest on trials that a tree has not seen; near or below 0 the shares are noise."""
    remark: str
    """Why there are no shares, or how far to believe them."""

    def values(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "shares": dict(self.shares),
            "trials": self.trials,
            "explained": self.explained,
            "remark": self.remark,
            "method": "permutation importance of a random forest",
        }


def measure_importance(points: Sequence[Mapping[str, Any]], scores: Sequence[float]) -> Importance:
    """Return the importance of what varies between `points`, judged by `scores`; the same each time."""
    rows = [(point, score) for point, score in zip(points, scores, strict=True) if point and math.isfinite(score)]
    names = sorted({name for point, _ in rows for name in point})
    columns = {name: _column([point.get(name) for point, _ in rows]) for name in names}
    columns = {name: column for name, column in columns.items() if len(set(column)) > 1}
    if len(rows) < MIN_TRIALS or not columns:
        return Importance({}, len(rows), None, _why_not(len(rows), len(points), bool(columns)))
    return _forest(columns, [score for _, score in rows])


def _forest(columns: Mapping[str, Sequence[float]], scores: Sequence[float]) -> Importance:
    import numpy as np
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    x, y = np.column_stack(list(columns.values())), np.asarray(scores)
    forest = RandomForestRegressor(_TREES, oob_score=True, random_state=0).fit(x, y)
    found = permutation_importance(forest, x, y, n_repeats=_REPEATS, random_state=0).importances_mean.clip(min=0.0)
    total = float(found.sum()) or 1.0
    shares = {name: float(value) / total for name, value in zip(columns, found, strict=True)}
    explained = round(float(forest.oob_score_), 3) if np.ptp(y) > 0 else 0.0
    believable = "a trend, not a proof" if explained > 0.1 else "the trials do not tell the parameters apart"
    return Importance(
        dict(sorted(shares.items(), key=lambda item: (-item[1], item[0]))),
        len(y),
        explained,
        f"the forest explains {max(0.0, explained):.0%} of the score's variance on unseen trials: {believable}",
    )


def _why_not(usable: int, complete: int, varied: bool) -> str:
    if complete and not usable:
        return "the files do not say their parameters"
    if usable < MIN_TRIALS:
        return f"{usable} complete trials with parameters are too few (at least {MIN_TRIALS})"
    return "" if varied else "no parameter varies"


def is_plain(value: Any) -> bool:
    """Tell whether a value is a number that forests and pictures can place: finite, and not too large for 32 bits."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _column(values: Sequence[Any]) -> list[float]:
    if all(is_plain(value) for value in values):
        return [float(value) for value in values]
    order = {name: number for number, name in enumerate(sorted({json.dumps(v, sort_keys=True) for v in values}))}
    return [float(order[json.dumps(value, sort_keys=True)]) for value in values]
