"""Compare models on the same images: AUROC by DeLong and by bootstrap over groups, decisions by McNemar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import chi2 as chi2_distribution

from colles.core.recipe import EvaluateRecipe
from colles.core.records import Estimate
from colles.evaluation.decisions import compare_decisions, correct_decisions, holm, own_points
from colles.evaluation.estimates import (
    FEW,
    SPREAD,
    paired_interval,
    paired_law,
    ranking_estimates,
    says_nothing,
    smaller_class,
)
from colles.evaluation.groups import group_warnings
from colles.evaluation.metrics.bootstrap import (
    Strata,
    affordable_replicates,
    bootstrap_p,
    bootstrap_ranking,
    percentile_interval,
)
from colles.evaluation.metrics.delong import auroc_covariance, auroc_difference
from colles.evaluation.metrics.intervals import Interval
from colles.evaluation.metrics.ranking import RANKING_FIGURES, Ranking, auroc
from colles.evaluation.pairing import shared_scores
from colles.evaluation.point_estimates import share_estimates
from colles.evaluation.predictions import Predictions
from colles.evaluation.scores import FloatArray, Scores
from colles.evaluation.subgroups import few_warning

AUROC = {"auroc": auroc}
FIGURES = {name: RANKING_FIGURES[name] for name in ("auroc", "average_precision")}

OWN_IMAGES = "the thresholds were chosen on the very images that are compared, so both models' decisions are flattered"
"""Said of `val`, whose labels choose every model's thresholds."""


def compare_predictions(
    tables: Mapping[str, Predictions],
    *,
    subset: str = "test",
    level: float = 0.95,
    replicates: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare every pair of tables on the images that all share.

    Return what `docs/artefacts.md` says of comparison.json. With groups both methods take the groups as units. Raise
    `TableError` where tables share no image, contradict each other's labels, or lack a class.
    """
    recipe = EvaluateRecipe(level=level, replicates=replicates, seed=seed)
    shared, warnings = shared_scores(tables, subset)
    points = {name: own_points(table, recipe) for name, table in tables.items()}
    drawn = {name: _paired_replicates(scores, recipe) for name, scores in shared.items()}
    pairs = [_compare(first, second, shared, drawn, recipe) for first, second in combinations(tables, 2)]
    for pair, corrected in zip(pairs, holm([pair["p_delong"] for pair in pairs]), strict=True):
        first, second = pair["first"], pair["second"]
        pair["p_holm"] = corrected
        pair["mcnemar"] = compare_decisions((shared[first], shared[second]), (points[first], points[second]), level)
    correct_decisions([pair["mcnemar"] for pair in pairs])
    one = next(iter(shared.values()))
    few = few_warning(one)
    models = [_model(name, scores, points[name], recipe) for name, scores in shared.items()]
    return {
        "subset": subset,
        "n": one.n,
        "n_positive": one.n_positive,
        "n_groups": one.n_groups(),
        "level": level,
        "auroc": {model["name"]: model["figures"]["auroc"] for model in models},
        "models": models,
        "all_equal": all_equal(list(shared.values())) if len(shared) > 2 and smaller_class(one) >= FEW else None,
        "warnings": [
            *_of_tables(tables, subset),
            *warnings,
            *([few] if few else []),
            *([OWN_IMAGES] if subset == "val" else []),
            *_undecided(points),
        ],
        "pairs": pairs,
    }


def _of_tables(tables: Mapping[str, Predictions], subset: str) -> list[str]:
    """Return what is to be said of each table, once for all tables of which it is true."""
    said: dict[str, list[str]] = {}
    for name, table in tables.items():
        parts = {part: table.subset(part).frame for part in table.subsets if part in ("train", "val", subset)}
        for text in (*table.warnings, *group_warnings(table.groups_from, parts)):
            said.setdefault(text, []).append(name)
    return [f"{', '.join(names)}: {text}" for text, names in said.items()]


def _undecided(points: Mapping[str, Mapping[str, float]]) -> list[str]:
    lacking = [name for name, own in points.items() if not own]
    if not lacking or len(lacking) == len(points):
        return []
    return [f"{', '.join(lacking)}: no val of both classes, so it has no thresholds and its decisions are not compared"]


def _model(name: str, scores: Scores, points: Mapping[str, float], recipe: EvaluateRecipe) -> dict[str, Any]:
    figures = ranking_estimates(scores, recipe, FIGURES)
    at = {key: share_estimates(scores, threshold, recipe) for key, threshold in points.items()}
    return {
        "name": name,
        "figures": {key: estimate.model_dump() for key, estimate in figures.items()},
        "operating_points": {
            key: {"threshold": points[key], "figures": {f: estimate.model_dump() for f, estimate in found.items()}}
            for key, found in at.items()
        },
    }


def all_equal(models: Sequence[Scores]) -> dict[str, Any] | None:
    """Test whether all models have one AUROC (DeLong 1988, eq. 5); None where they differ by nothing measurable.

    Return `{"chi2", "df", "p"}`.
    """
    one = models[0]
    values, covariance = auroc_covariance(one.y_true, [model.y_score for model in models], groups=one.groups)
    contrast = np.eye(len(models))[1:] - np.eye(len(models))[0]
    spread, difference = contrast @ covariance @ contrast.T, contrast @ values
    df = int(np.linalg.matrix_rank(spread, tol=1e-12))
    if not df:
        return None
    chi2 = float(difference @ np.linalg.pinv(spread, hermitian=True) @ difference)
    return {"chi2": chi2, "df": df, "p": float(chi2_distribution.sf(chi2, df))}


def _paired_replicates(scores: Scores, recipe: EvaluateRecipe) -> FloatArray:
    # Explicit groups make the multiplicities depend on the seed alone, not on the scores: that pairs the models.
    own = Scores(scores.y_true, scores.y_score, np.arange(scores.n) if scores.groups is None else scores.groups)
    count = affordable_replicates(scores.n, recipe.replicates)
    return bootstrap_ranking(own, AUROC, replicates=count, seed=recipe.seed)["auroc"]


def _compare(
    first: str,
    second: str,
    shared: Mapping[str, Scores],
    drawn: Mapping[str, FloatArray],
    recipe: EvaluateRecipe,
) -> dict[str, Any]:
    one, other = shared[first], shared[second]
    difference, variance = auroc_difference(one.y_true, one.y_score, other.y_score, groups=one.groups)
    units = smaller_class(one)
    size = Strata.from_ranking(Ranking.from_scores(one.y_true, one.y_score), one.groups).smallest
    replicates = drawn[first] - drawn[second]
    bootstrap = percentile_interval(replicates, size, level=recipe.level)
    delong: Interval | None = paired_interval(difference, variance, units, level=recipe.level)
    p_bootstrap = bootstrap_p(replicates, size)
    p_delong = two_sided_p(difference, variance, units)
    if units < FEW:  # resampling a handful repeats it
        bootstrap = p_bootstrap = None
    if says_nothing(variance, one.y_score, other.y_score):  # too little data, not certainty
        bootstrap = delong = p_bootstrap = p_delong = None
    suffix = "" if one.groups is None else "_groups"

    def estimate(bounds: Interval | None, method: str) -> dict[str, Any]:
        low, high = bounds if bounds is not None else (None, None)
        return Estimate(
            value=difference, low=low, high=high, level=recipe.level, method=method + suffix,
            n=one.n, n_groups=one.n_groups(),
        ).model_dump()  # fmt: skip

    return {
        "first": first,
        "second": second,
        "difference": estimate(bootstrap, "paired_bootstrap"),
        "difference_delong": estimate(delong, "paired_delong"),
        "p_delong": p_delong,
        "p_bootstrap": p_bootstrap,
    }


def two_sided_p(difference: float, variance: float, units: int = FEW) -> float | None:
    """Return the p of a difference; 1 where both are zero (equal scores), None where only the variance is.

    It is the normal one, and Student's where `units` (groups of the smaller class) are few.
    """
    if variance <= SPREAD**2:
        return 1.0 if abs(difference) < SPREAD else None
    return float(2 * paired_law(units).sf(abs(difference) / variance**0.5))
