"""Folds judge what they did not choose, or say that they could not."""

from __future__ import annotations

import numpy as np
import pytest

from colles.core.errors import TableError
from colles.evaluation.calibration import Calibrator
from colles.evaluation.crossfit import crossfit, fold_codes
from colles.evaluation.metrics.confusion import confusion_at
from colles.evaluation.operating import choose_operating_points
from colles.evaluation.scores import Scores


def test_a_fold_whose_other_groups_are_of_one_class_says_so(recipe):
    # Both groups with a fracture are dealt into one fold.
    scores = Scores(np.array([False, False, True, True]), np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 1, 0, 2]))
    with pytest.raises(TableError, match=r"a fold could not choose: outside fold 1 all 1 images are of one class"):
        crossfit(scores, "site", recipe)


def test_every_row_is_judged_by_what_the_other_folds_chose(make_scores, recipe):
    scores = make_scores(120, group=3)
    folds, squares = fold_codes(scores, seed=recipe.seed), np.zeros(120)
    tables = dict.fromkeys(("f1", "youden", "rule_out", "rule_in"), np.zeros(4, int))
    for fold in range(5):
        held, others = scores.where(folds == fold), scores.where(folds != fold)
        probability = Calibrator.fit(others.y_true, others.y_score).transform(held.y_score)
        squares[folds == fold] = (probability - held.y_true) ** 2
        for name, point in choose_operating_points(others, chosen_on="others", recipe=recipe).items():
            c = confusion_at(held.y_true, held.y_score, point.threshold)
            tables[name] = tables[name] + (c.tp, c.fp, c.tn, c.fn)
    figures, points = crossfit(scores, "site", recipe)
    assert figures["brier"].value == pytest.approx(squares.mean())
    for name, (tp, fp, tn, fn) in tables.items():
        found = points[name]["sensitivity"].value, points[name]["specificity"].value
        assert found == pytest.approx((tp / (tp + fn), tn / (tn + fp))), name
    # The labels are those of the site's own share, so that is what the errors judge.
    shifted, _ = crossfit(scores, "site", recipe.model_copy(update={"prevalence": 0.05}))
    assert shifted["brier"].value == pytest.approx(figures["brier"].value)


def test_no_group_is_torn_apart_by_the_folds_and_each_has_its_share(make_scores):
    scores = make_scores(600, group=4)
    folds = fold_codes(scores, seed=0)
    assert all(len(set(folds[scores.groups == code])) == 1 for code in range(150))
    shares = [scores.y_true[folds == fold].mean() for fold in range(5)]
    assert shares == pytest.approx([scores.y_true.mean()] * 5, abs=0.03)
