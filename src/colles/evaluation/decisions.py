"""Two models' decisions on the same images: McNemar's test, its form for groups, and Holm's correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest, t

from colles.core.recipe import EvaluateRecipe
from colles.core.records import Estimate
from colles.evaluation.metrics.intervals import Interval, score_paired, tango_paired
from colles.evaluation.operating import choose_operating_points
from colles.evaluation.predictions import Predictions, to_scores
from colles.evaluation.robustness import clean_rows
from colles.evaluation.scores import BoolArray, FloatArray, IntArray, Scores, dense

Decisions = dict[str, dict[str, dict[str, Any]]]


def own_points(table: Predictions, recipe: EvaluateRecipe) -> dict[str, float]:
    """Return the thresholds that a table's own val chooses, by name; none where it has no val of both classes."""
    if "val" not in table.subsets:
        return {}
    scores = to_scores(clean_rows(table.subset("val").frame))
    if not scores.has_both_classes:
        return {}
    points = choose_operating_points(scores, chosen_on="val", recipe=recipe)
    return {name: point.threshold for name, point in points.items()}


def compare_decisions(
    scores: tuple[Scores, Scores], points: tuple[Mapping[str, float], Mapping[str, float]], level: float
) -> Decisions:
    """Compare sensitivity and specificity at every operating point that both models have."""
    truth, found = scores[0].y_true, {}
    for name in sorted(points[0].keys() & points[1].keys()):
        first, second = ((s.y_score >= own[name]) == truth for s, own in zip(scores, points, strict=True))
        found[name] = {
            figure: _paired(first, second, rows, scores[0].groups, level)
            for figure, rows in (("sensitivity", truth), ("specificity", ~truth))
        }
    return found


def _paired(
    first: BoolArray, second: BoolArray, rows: BoolArray, groups: IntArray | None, level: float
) -> dict[str, Any]:
    own = None if groups is None else dense(groups[rows])
    gains = first[rows].astype(float) - second[rows].astype(float)
    (low, high), method = difference_interval(gains, own, level)
    n, n_groups = len(gains), len(gains) if own is None else int(own.max()) + 1
    difference = Estimate(
        value=float(gains.mean()), low=low, high=high, level=level, method=method, n=n, n_groups=n_groups
    )
    tested = mcnemar(first[rows], second[rows])
    return {**tested, "difference": difference.model_dump(), "p_groups": None if own is None else groups_p(gains, own)}


def difference_interval(gains: FloatArray, groups: IntArray | None, level: float) -> tuple[Interval, str]:
    """Return the interval of a mean gain (N,) of −1, 0 and 1, and its method."""
    if groups is not None:
        sums, sizes = np.bincount(groups, weights=gains).astype(np.float64), np.bincount(groups)
        low, high = score_paired(sums, sizes, level=level)
        alike = np.ptp(sums / sizes) == 0
        if not alike or (sums.any() and (low, high) == (-1.0, 1.0)):
            return (low, high), "score_groups"
    # Groups that all gain alike, or nothing, are too little data, not certainty: their rows then count as copies.
    n = len(gains) if groups is None else int(groups.max()) + 1
    interval = tango_paired(n * float(np.mean(gains > 0)), n * float(np.mean(gains < 0)), n, level=level)
    return interval, "tango" if groups is None else "tango_groups"


def mcnemar(first_right: BoolArray, second_right: BoolArray) -> dict[str, Any]:
    """Test whether two models are right equally often (exact binomial; McNemar Q, Psychometrika 1947; 12: 153–157).

    Return `{"only_first", "only_second", "p"}`; images count as independent.
    """
    only_first = int((first_right & ~second_right).sum())
    only_second = int((~first_right & second_right).sum())
    total = only_first + only_second
    p = float(binomtest(only_first, total, 0.5).pvalue) if total else 1.0
    return {"only_first": only_first, "only_second": only_second, "p": p}


def groups_p(gains: FloatArray, groups: IntArray) -> float:
    """Return the p of a mean gain (N,) of 0 where rows come in groups: McNemar's question with groups as units.

    As McNemar's statistic, it takes the spread under the null hypothesis: (Σ g)² / Σ g² of the groups' sums
    (Obuchowski NA, Stat Med 1998; 17: 1495–1507), against Student's t.
    """
    sums = np.bincount(groups, weights=gains)
    spread = float(np.sqrt(np.square(sums).sum()))
    if spread == 0 or len(sums) < 2:
        return 1.0
    return float(2 * t.sf(abs(float(sums.sum())) / spread, len(sums) - 1))


def correct_decisions(pairs: Sequence[Decisions]) -> None:
    """Add `p_holm` to every test, corrected over the pairs of models within one operating point and class.

    The p of groups is taken where there is one.
    """
    tests: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for pair in pairs:
        for point, figures in pair.items():
            for figure, test in figures.items():
                tests.setdefault((point, figure), []).append(test)
    for family in tests.values():
        raw = [test["p"] if test["p_groups"] is None else test["p_groups"] for test in family]
        for test, corrected in zip(family, holm(raw), strict=True):
            test["p_holm"] = corrected


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct p-values for their number (Holm S, Scand J Stat 1979; 6: 65–70), in the given order.

    An undefined one (None) stays so, and counts.
    """
    defined = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(defined):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p))
        corrected[index] = largest
    return corrected
