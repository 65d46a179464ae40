"""Thresholds and calibration judged on the data that they come from, without flattery: by folds of groups."""

from __future__ import annotations

import warnings

import numpy as np

from colles.core.errors import TableError
from colles.core.recipe import EvaluateRecipe
from colles.core.records import Estimate
from colles.evaluation.estimates import calibration_estimates, ranking_estimates, smaller_class
from colles.evaluation.locked import lock_on
from colles.evaluation.point_estimates import point_estimates
from colles.evaluation.scores import BoolArray, IntArray, Scores

FOLDS = 5
Figures = dict[str, Estimate]


def crossfit(scores: Scores, name: str, recipe: EvaluateRecipe) -> tuple[Figures, dict[str, Figures]]:
    """Return figures, and figures by operating point, of decisions that each row's own fold did not choose.

    In each of five folds (fewer where a class has fewer groups) thresholds and calibration are chosen on the other
    groups and used on this one. The order of the scores is judged as it is, since nothing of it is fitted here. Raise
    `TableError` where a class has fewer than two groups, or all its groups fall into one fold.
    """
    folds = fold_codes(scores, seed=recipe.seed)
    called: dict[str, BoolArray] = {}
    probability = scores.y_score.copy()
    for fold in range(int(folds.max()) + 1):
        held = folds == fold
        locked = lock_on(_choosing(scores, ~held, fold), name, recipe)
        if locked.calibrator is not None:
            probability[held] = locked.calibrator.at_fitted_prevalence().transform(scores.y_score[held])
        for point in locked.points.values():
            calls = called.setdefault(point.name, np.zeros(scores.n, dtype=bool))
            calls[held] = scores.y_score[held] >= point.threshold
    figures = ranking_estimates(scores, recipe, both_methods=True) | calibration_estimates(scores, probability, recipe)
    points = {
        key: point_estimates(scores.with_score(calls.astype(float)), 0.5, recipe) for key, calls in called.items()
    }
    return figures, points


def _choosing(scores: Scores, rows: BoolArray, fold: int) -> Scores:
    chosen = scores.where(rows)
    if not chosen.has_both_classes:
        raise TableError(
            f"a fold could not choose: outside fold {fold + 1} all {chosen.n:,} images are of one class",
            field="label",
            repair="Label images of more groups",
        )
    return chosen


def fold_codes(scores: Scores, *, seed: int) -> IntArray:
    """Deal the rows (N,) into folds 0…K−1 by group, each fold with about the same share of fractures."""
    from sklearn.model_selection import StratifiedGroupKFold

    smallest = smaller_class(scores)
    if smallest < 2:
        raise TableError(
            "needs at least two images (or groups) of each class to choose on and to judge",
            field="label",
            repair="Label more images",
        )
    groups = np.arange(scores.n) if scores.groups is None else scores.groups
    dealer = StratifiedGroupKFold(n_splits=min(FOLDS, smallest), shuffle=True, random_state=seed)
    codes = np.zeros(scores.n, dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it warns where rows, not groups, of a class are few
        for fold, (_, held) in enumerate(dealer.split(scores.y_score, scores.y_true, groups)):
            codes[held] = fold
    return codes
