"""Thresholds satisfy their criterion on the data that chose them, and no threshold does better."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from colles.core.errors import TableError
from colles.core.recipe import EvaluateRecipe
from colles.core.records import OperatingPoint
from colles.evaluation.metrics.confusion import Confusion, confusion_at
from colles.evaluation.operating import certainty_estimates, choose_operating_points, default_point, scores_digest
from colles.evaluation.scores import Scores


def sensitivity(c: Confusion) -> float:
    return c.tp / (c.tp + c.fn)


def specificity(c: Confusion) -> float:
    return c.tn / (c.tn + c.fp)


def youden(c: Confusion) -> float:
    return sensitivity(c) + specificity(c) - 1


def f1(c: Confusion) -> float:
    return 2 * c.tp / (2 * c.tp + c.fp + c.fn)


@pytest.mark.parametrize("ties", [False, True])
def test_f1_and_youden_are_the_best_of_all_thresholds(make_scores, ties):
    scores = make_scores(ties=ties)
    points = choose_operating_points(scores, chosen_on="val")
    tables = [confusion_at(scores.y_true, scores.y_score, t) for t in np.unique(scores.y_score)]
    at = {name: confusion_at(scores.y_true, scores.y_score, point.threshold) for name, point in points.items()}
    assert f1(at["f1"]) == pytest.approx(max(map(f1, tables)))
    assert youden(at["youden"]) == pytest.approx(max(map(youden, tables)))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("target", [0.8, 0.95, 1.0])
def test_rule_out_and_rule_in_reach_their_rate_at_the_least_cost(make_scores, ties, target):
    scores = make_scores(ties=ties)
    recipe = EvaluateRecipe(rule_out_sensitivity=target, rule_in_specificity=target)
    points = choose_operating_points(scores, chosen_on="val", recipe=recipe)
    fpr, tpr, _ = sk.roc_curve(scores.y_true, scores.y_score, drop_intermediate=False)
    out, into = (confusion_at(scores.y_true, scores.y_score, points[n].threshold) for n in ("rule_out", "rule_in"))
    assert sensitivity(out) >= target
    assert specificity(out) == pytest.approx(1 - fpr[tpr >= target - 1e-9].min())
    if points["rule_in"].reached:
        assert specificity(into) >= target - 1e-9
        assert sensitivity(into) == pytest.approx(tpr[fpr <= 1 - target + 1e-9].max())


@pytest.mark.parametrize("ratio", [0.5, 1.0, 5.0, 30.0])
@pytest.mark.parametrize("prevalence", [None, 0.05])
def test_cost_is_the_cheapest_of_all_thresholds(make_scores, ratio, prevalence):
    scores = make_scores(300)
    recipe = EvaluateRecipe(cost_ratio=ratio, prevalence=prevalence)
    point = choose_operating_points(scores, chosen_on="val", recipe=recipe)["cost"]
    share = scores.y_true.mean() if prevalence is None else prevalence

    def cost(threshold: float) -> float:
        c = confusion_at(scores.y_true, scores.y_score, threshold)
        return ratio * share * (1 - sensitivity(c)) + (1 - share) * (1 - specificity(c))

    costs = [cost(t) for t in np.unique(scores.y_score)]
    assert cost(point.threshold) == pytest.approx(min(costs))
    assert point.reached == (min(costs) <= ratio * share)
    assert f"{ratio:g} false alarms" in point.criterion


def test_without_a_cost_ratio_there_is_no_such_point(make_scores):
    assert "cost" not in choose_operating_points(make_scores(100), chosen_on="val")


def test_a_criterion_out_of_reach_is_said():
    scores = Scores(np.array([True, False, False, True]), np.array([0.9, 0.9, 0.2, 0.1]))
    point = choose_operating_points(scores, chosen_on="val")["rule_in"]
    assert not point.reached
    assert 0.2 < point.threshold <= 0.9


def test_where_calling_nothing_is_cheapest_the_cost_is_out_of_reach():
    scores = Scores(np.array([True, False]), np.array([0.2, 0.9]))
    for prevalence, reached in ((0.1, False), (0.5, True)):
        recipe = EvaluateRecipe(cost_ratio=1, prevalence=prevalence)
        assert choose_operating_points(scores, chosen_on="val", recipe=recipe)["cost"].reached is reached


@pytest.mark.parametrize("target", [0.55, 0.7, 0.9, 0.95])
def test_a_rate_that_is_met_exactly_is_met(target):
    """0.55 · 100 is 55.00000000000001, and (1 − 0.9) · 100 is 9.999999999999998."""
    y_true, enough = np.arange(200) % 2 == 0, round(100 * target)
    rule_out = Scores(y_true, np.where(y_true, np.where(np.arange(200) < 2 * enough, 0.9, 0.1), 0.1))
    rule_in = Scores(y_true, np.where(~y_true, np.where(np.arange(200) < 2 * enough, 0.1, 0.9), 0.9))
    recipe = EvaluateRecipe(rule_out_sensitivity=target, rule_in_specificity=target)
    for name, scores in (("rule_out", rule_out), ("rule_in", rule_in)):
        point = choose_operating_points(scores, chosen_on="val", recipe=recipe)[name]
        assert point.threshold == pytest.approx(0.5) and point.reached


def test_rule_out_and_rule_in_have_targets_of_their_own():
    y_true = np.arange(40) % 2 == 0
    recipe = EvaluateRecipe(rule_out_sensitivity=0.5, rule_in_specificity=1.0)
    points = choose_operating_points(Scores(y_true, np.linspace(0.9, 0.1, 40)), chosen_on="val", recipe=recipe)
    assert points["rule_out"].criterion == "sensitivity >= 0.5" and points["rule_in"].criterion == "specificity >= 1"
    assert points["rule_out"].threshold < points["rule_in"].threshold
    called = np.linspace(0.9, 0.1, 40) >= points["rule_out"].threshold
    assert called[y_true].sum() == 10


def test_a_threshold_that_calls_every_image_is_the_lowest_score():
    scores = Scores(np.array([False, True]), np.array([0.9, 0.2]))
    point = choose_operating_points(scores, chosen_on="val", recipe=EvaluateRecipe(rule_out_sensitivity=1))["rule_out"]
    assert point.threshold == 0.2


def test_between_neighbouring_numbers_the_lower_one_is_not_called():
    for upper in (np.nextafter(0.5, 1), np.nextafter(np.nextafter(0.5, 1), 1)):
        scores = Scores(np.array([True, False]), np.array([upper, np.nextafter(upper, 0)]))
        point = choose_operating_points(scores, chosen_on="val")["f1"]
        assert confusion_at(scores.y_true, scores.y_score, point.threshold).fp == 0


def test_no_data_chose_the_default():
    point = default_point(Scores(np.array([True, False]), np.array([0.9, 0.2])))
    assert (point.threshold, point.criterion, point.chosen_on) == (0.5, "score >= 0.5", "none")


def test_points_name_their_data():
    scores = Scores(np.array([True, False]), np.array([0.9, 0.2]))
    point = choose_operating_points(scores, chosen_on="val")["f1"]
    assert point.chosen_on == "val"
    assert point.digest == scores_digest(scores)
    assert point.threshold == pytest.approx(0.55)
    assert scores_digest(Scores(scores.y_true[::-1], scores.y_score[::-1])) == point.digest
    assert scores_digest(Scores(scores.y_true[::-1], scores.y_score)) != point.digest
    tied = Scores(scores.y_true, np.array([0.5, 0.5]))
    assert scores_digest(tied) == scores_digest(Scores(tied.y_true[::-1], tied.y_score))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from([np.sqrt, np.square, lambda s: (s + 1) / 3]))
def test_a_monotone_map_of_the_scores_changes_no_decision(seed, mapped):
    rng = np.random.default_rng(seed)
    y_true = np.append(rng.random(40) < 0.4, [True, False])
    scores = Scores(y_true, np.round(rng.random(42), 2))
    other = scores.with_score(mapped(scores.y_score))
    for name, point in choose_operating_points(scores, chosen_on="val").items():
        twin = choose_operating_points(other, chosen_on="val")[name]
        assert confusion_at(y_true, scores.y_score, point.threshold) == confusion_at(
            y_true, other.y_score, twin.threshold
        )


def _point(name: str, threshold: float) -> OperatingPoint:
    return OperatingPoint(name=name, threshold=threshold, criterion="", chosen_on="val", digest="")


def test_uncertain_share_and_certain_error_counted_by_hand():
    y_true = np.array([True, True, False, False, True, False])
    scores = Scores(y_true, np.array([0.9, 0.5, 0.5, 0.8, 0.1, 0.1]))
    points = {"rule_out": _point("rule_out", 0.3), "rule_in": _point("rule_in", 0.7), "f1": _point("f1", 0.6)}
    found = certainty_estimates(scores, points, level=0.95)
    assert found["uncertain_share"].value == pytest.approx(2 / 6)
    assert found["certain_error"].value == pytest.approx(2 / 4)
    assert found["certain_error"].n == 4


def test_scores_at_a_threshold_are_called_and_equal_thresholds_do_not_cross():
    scores = Scores(np.array([True, False, False]), np.array([0.7, 0.3, 0.6]))
    points = {"rule_out": _point("rule_out", 0.3), "rule_in": _point("rule_in", 0.7), "f1": _point("f1", 0.5)}
    found = certainty_estimates(scores, points, level=0.95)
    assert found["uncertain_share"].value == pytest.approx(2 / 3)
    assert (found["certain_error"].value, found["certain_error"].n) == (0.0, 1)
    equal = {**points, "rule_out": _point("rule_out", 0.7)}
    assert certainty_estimates(scores, equal, level=0.95)["certain_error"].value == 0.0


def test_crossed_points_leave_nothing_uncertain():
    scores = Scores(np.array([True, False]), np.array([0.65, 0.5]))
    points = {"rule_out": _point("rule_out", 0.7), "rule_in": _point("rule_in", 0.3), "f1": _point("f1", 0.6)}
    found = certainty_estimates(scores, points, level=0.95)
    assert found["uncertain_share"].value == found["certain_error"].value == 0.0


@pytest.mark.parametrize("label", [True, False])
def test_one_class_chooses_no_threshold(label):
    scores = Scores(np.full(20, label), np.linspace(0.1, 0.9, 20))
    with pytest.raises(TableError, match="no threshold can be chosen on site: all 20 are of one class"):
        choose_operating_points(scores, chosen_on="site")
