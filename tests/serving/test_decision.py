from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colles.core.errors import BundleError
from colles.core.records import OperatingPoint
from colles.serving.decision import DecisionRule

score = st.floats(0, 1)


def points(**thresholds: float) -> dict[str, OperatingPoint]:
    return {
        name: OperatingPoint(name=name, threshold=value, criterion="", chosen_on="val", digest="")
        for name, value in thresholds.items()
    }


def test_the_thresholds_belong_to_the_upper_side() -> None:
    rule = DecisionRule.from_operating_points(points(f1=0.5, rule_out=0.3, rule_in=0.7))
    told = [rule.decide(value) for value in (0.0, 0.2999, 0.3, 0.6999, 0.7, 1.0)]
    assert told == ["no_fracture", "no_fracture", "uncertain", "uncertain", "fracture", "fracture"]


def test_crossed_points_leave_f1_and_no_doubt() -> None:
    rule = DecisionRule.from_operating_points(points(f1=0.5, rule_out=0.7, rule_in=0.3))
    assert [rule.decide(value) for value in (0.3, 0.4999, 0.5, 0.7)] == ["no_fracture"] * 2 + ["fracture"] * 2
    assert rule.points == ("f1", "f1")
    both = DecisionRule.from_operating_points(points(default=0.2, f1=0.5, rule_out=0.7, rule_in=0.3))
    assert both == rule and DecisionRule.from_operating_points(points(default=0.2)).rule_in == 0.2


def test_equal_points_leave_no_doubt() -> None:
    rule = DecisionRule.from_operating_points(points(rule_out=0.4, rule_in=0.4))
    assert {rule.decide(value) for value in (0.39, 0.4)} == {"no_fracture", "fracture"}


def test_without_a_pair_or_f1_nothing_is_decided() -> None:
    with pytest.raises(BundleError, match="operating_points"):
        DecisionRule.from_operating_points(points(rule_in=0.4, youden=0.2))


@given(score, score, score, score, score)
def test_a_higher_score_is_never_a_milder_decision(a: float, b: float, low: float, high: float, f1: float) -> None:
    order = ["no_fracture", "uncertain", "fracture"]
    rule = DecisionRule.from_operating_points(points(f1=f1, rule_out=low, rule_in=high))
    milder, graver = (order.index(rule.decide(value)) for value in sorted((a, b)))
    assert milder <= graver
