"""Intervals hold the truth about as often as they say, in simulated studies of lone images and of patients.

COLLES_COVERAGE_STUDIES=1000 repeats the full simulation (under a minute); fewer studies get wider bounds.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binom, norm
from sklearn.metrics import average_precision_score

from colles.core.recipe import EvaluateRecipe
from colles.evaluation.estimates import ranking_estimates
from colles.evaluation.metrics.ranking import RANKING_FIGURES
from colles.evaluation.point_estimates import share_estimates
from colles.evaluation.scores import Scores

STUDIES = int(os.environ.get("COLLES_COVERAGE_STUDIES", "200"))
FIGURES = {name: RANKING_FIGURES[name] for name in ("auroc", "average_precision")}
THRESHOLD = 0.7


def study(rng: np.random.Generator, positive: int, negative: int, delta: float, clustered: bool) -> Scores:
    """Draw binormal scores of `positive` and `negative` groups; clustered: one to five images with shared noise."""
    sizes = rng.integers(1, 6, positive + negative) if clustered else np.ones(positive + negative, dtype=int)
    groups = np.repeat(np.arange(positive + negative), sizes)
    y_true = groups < positive
    noise = np.sqrt(0.5) * (rng.normal(size=positive + negative)[groups] + rng.normal(size=len(groups)))
    return Scores(y_true, expit(delta * y_true + noise), groups if clustered else None)


def bounds(studies: int) -> tuple[float, float]:
    """Return the bounds that a true coverage of 93–97 % keeps in 99.8 % of tries."""
    return binom.ppf(0.001, studies, 0.93) / studies, binom.ppf(0.999, studies, 0.97) / studies


@pytest.mark.slow
@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize(("positive", "negative", "delta"), [(50, 50, 2.5), (60, 200, 1.5)])
def test_coverage(positive, negative, delta, clustered):
    rng = np.random.default_rng(1)
    large = study(rng, positive * 2000, negative * 2000, delta, clustered)
    truth = {
        "auroc": norm.cdf(delta / np.sqrt(2)),
        "average_precision": average_precision_score(large.y_true, large.y_score),
        "sensitivity": norm.sf(np.log(THRESHOLD / (1 - THRESHOLD)) - delta),
        "specificity": norm.cdf(np.log(THRESHOLD / (1 - THRESHOLD))),
    }
    held = dict.fromkeys(truth, 0)
    for seed in range(STUDIES):
        scores, recipe = study(rng, positive, negative, delta, clustered), EvaluateRecipe(replicates=400, seed=seed)
        found = ranking_estimates(scores, recipe, FIGURES) | share_estimates(scores, THRESHOLD, recipe)
        for name, value in truth.items():
            held[name] += found[name].low <= value <= found[name].high
    low, high = bounds(STUDIES)
    for name, count in held.items():
        assert low <= count / STUDIES <= high, f"{name}: {count / STUDIES:.3f}"
