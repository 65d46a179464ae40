"""One subset judged at locked operating points and calibration."""

from __future__ import annotations

from collections.abc import Mapping

from colles.core.recipe import EvaluateRecipe
from colles.core.records import Estimate, OperatingPoint
from colles.evaluation.curves import curves
from colles.evaluation.estimates import calibration_estimates, proportion, ranking_estimates
from colles.evaluation.locked import CHOOSES, Locked
from colles.evaluation.metrics.confusion import confusion_at
from colles.evaluation.operating import certainty_estimates
from colles.evaluation.point_estimates import point_estimates
from colles.evaluation.results import PointResult, SubsetResult
from colles.evaluation.scores import FloatArray, Scores
from colles.evaluation.worth import at_prevalences, difference


def judge_subset(scores: Scores, name: str, locked: Locked, recipe: EvaluateRecipe) -> SubsetResult:
    """Judge one subset; probabilities are those before any shift to another prevalence."""
    probability = _probability(scores, locked)
    figures = ranking_estimates(scores, recipe, both_methods=True)
    figures |= calibration_estimates(scores, probability, recipe)
    if locked.calibrator is not None:
        raw = calibration_estimates(scores, scores.y_score, recipe)
        figures |= {"brier_score_uncalibrated": raw["brier"], "ece_uncalibrated": raw["ece"]}
    figures["prevalence"] = proportion(scores.y_true, scores, scores.y_true | True, level=recipe.level)
    figures |= certainty_estimates(scores, locked.points, level=recipe.level)
    return SubsetResult(
        n=scores.n, n_positive=scores.n_positive, n_groups=scores.n_groups(), figures=figures,
        operating_points={key: judge_point(scores, point, name, recipe) for key, point in locked.points.items()},
        curves=curves(scores, probability, level=recipe.level),
    )  # fmt: skip


def _probability(scores: Scores, locked: Locked) -> FloatArray:
    if locked.calibrator is None:
        return scores.y_score
    return locked.calibrator.at_fitted_prevalence().transform(scores.y_score)


def judge_point(scores: Scores, point: OperatingPoint, subset: str, recipe: EvaluateRecipe) -> PointResult:
    """Judge one subset at one threshold."""
    figures = point_estimates(scores, point.threshold, recipe)
    return PointResult(
        threshold=point.threshold,
        confusion=confusion_at(scores.y_true, scores.y_score, point.threshold),
        figures=figures,
        chosen_here=point.chosen_on == subset,
        at_prevalence=at_prevalences(figures),
    )


def optimism(subsets: Mapping[str, SubsetResult]) -> dict[str, dict[str, Estimate]]:
    """Return val minus test by operating point and figure: what choosing on val flatters; empty without both."""
    if CHOOSES not in subsets or "test" not in subsets:
        return {}
    val, test = subsets[CHOOSES].operating_points, subsets["test"].operating_points
    return {name: _minus(val[name].figures, test[name].figures) for name in val if val[name].chosen_here}


def _minus(first: Mapping[str, Estimate], second: Mapping[str, Estimate]) -> dict[str, Estimate]:
    found = {name: difference(first[name], second[name]) for name in first}
    return {name: estimate for name, estimate in found.items() if estimate is not None}
