"""Verdicts on maps, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from colles.evaluation.sanity import judge_faithfulness, judge_randomisation, judge_trainings

NEARLY = np.array([0.001, 0.0, -0.001, 0.0])


def test_a_map_counts_as_the_weights_own_once_all_of_them_are_drawn_anew() -> None:
    rows = np.array([[0.1, 0.2], [0.8, 0.8]])
    assert not judge_randomisation(["head", "all"], rows)["passed"]
    assert judge_randomisation(["head", "all"], rows[::-1])["passed"]


@pytest.mark.parametrize(
    ("deletion", "insertion", "passed"), [(0.3, 0.5, True), (0.5, 0.7, True), (0.7, 0.5, False), (0.5, 0.3, False)]
)
def test_what_falls_when_deleted_or_rises_when_shown_is_faithful(
    deletion: float, insertion: float, passed: bool
) -> None:
    found = judge_faithfulness(deletion + NEARLY, insertion + NEARLY, (np.full(4, 0.5), np.full(4, 0.5)))
    assert found["passed"] is passed
    gains = [found[f"{name}_gain"]["value"] for name in ("deletion", "insertion")]
    assert gains == pytest.approx([0.5 - deletion, insertion - 0.5])


def test_a_gain_that_is_not_certain_is_none() -> None:
    random = np.full(4, 0.5), np.full(4, 0.5)
    assert not judge_faithfulness(np.array([0.1, 0.4, 0.6, 0.7]), np.full(4, 0.5), random)["passed"]


def test_peaks_as_near_as_the_margin_lie_in_the_same_place() -> None:
    found = judge_trainings(np.ones(4), np.array([0.0, 0.05, 0.2, 0.3]), 0.05, 1)
    assert found["same_place"] == 0.5 and found["peak_distance"] == 0.125
