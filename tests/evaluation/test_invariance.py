"""What must not change a figure does not, for any data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score, roc_auc_score

from colles.core.recipe import EvaluateRecipe
from colles.evaluation.estimates import ranking_estimates
from colles.evaluation.metrics.delong import auroc_variance
from colles.evaluation.metrics.ranking import RANKING_FIGURES, Ranking
from colles.evaluation.point_estimates import point_estimates
from colles.evaluation.scores import Scores

SCORES = st.integers(6, 60).flatmap(
    lambda n: st.tuples(
        hnp.arrays(bool, n), hnp.arrays(np.int64, n, elements=st.integers(0, 12)), st.permutations(range(n))
    )
)


def both_classes(y_true: np.ndarray) -> np.ndarray:
    return np.concatenate([[True, False], y_true[2:]])


def figures(y_true: np.ndarray, y_score: np.ndarray) -> list[float]:
    counts = Ranking.from_scores(y_true, y_score).count_once()
    return [float(figure(counts)[0]) for figure in RANKING_FIGURES.values()]


@settings(deadline=None)
@given(SCORES)
def test_order_of_rows_and_monotone_maps(case):
    y_true, levels, order = both_classes(case[0]), case[1] / 12, list(case[2])
    wanted = figures(y_true, levels)
    assert figures(y_true[order], levels[order]) == pytest.approx(wanted)
    assert figures(y_true, np.exp(3 * levels) / 100) == pytest.approx(wanted)


@settings(deadline=None)
@given(SCORES)
def test_any_data_equals_scikit_learn(case):
    y_true, levels = both_classes(case[0]), case[1] / 12
    found = figures(y_true, levels)
    wanted = roc_auc_score(y_true, levels), average_precision_score(y_true, levels)
    assert found[:2] == pytest.approx(wanted)


@settings(deadline=None)
@given(SCORES)
def test_turning_labels_and_scores_over_keeps_auroc_and_its_variance(case):
    y_true, levels = both_classes(case[0]), case[1] / 12
    one, other = auroc_variance(y_true, levels), auroc_variance(~y_true, 1 - levels)
    assert other == pytest.approx(one, nan_ok=True)


@settings(deadline=None, max_examples=30)
@given(SCORES, st.integers(1, 5))
def test_any_data_gives_estimates_between_their_bounds(case, groups):
    y_true, levels = both_classes(case[0]), case[1] / 12
    codes = None if groups == 1 else np.arange(len(y_true)) // groups
    scores, recipe = Scores(y_true, levels, codes), EvaluateRecipe(replicates=100)
    found = {**ranking_estimates(scores, recipe, both_methods=True), **point_estimates(scores, 0.5, recipe)}
    for name, estimate in found.items():
        if estimate.value is not None and estimate.low is not None:
            highest = np.inf if name.startswith("lr_") else 1.0
            high = np.inf if estimate.high is None else estimate.high
            assert -1.0 <= estimate.low <= estimate.value <= high <= highest
