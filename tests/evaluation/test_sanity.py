"""Verdicts on maps, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from colles.evaluation.sanity import (
    NO_FAITH,
    NO_LABELS,
    NO_REPEAT,
    NO_TWIN,
    NO_WEIGHTS,
    judge_faithfulness,
    judge_labels,
    judge_randomisation,
    judge_repeatability,
    judge_trainings,
    rank_correlation,
    warnings_of,
)

NEARLY = np.array([0.001, 0.0, -0.001, 0.0])


@pytest.mark.parametrize("levels", [0, 1, 8])
def test_maps_correlate_as_scipy_says_with_and_without_ties(levels: int) -> None:
    one, other = np.round(np.random.default_rng(0).random((2, 6, 7)) ** 3, levels)
    assert rank_correlation(one, other + one) == pytest.approx(spearmanr(one.ravel(), (other + one).ravel()).statistic)
    assert np.isnan(rank_correlation(np.ones((6, 7)), one)) and rank_correlation(one, np.ones((6, 7))) == 0


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


def test_correlations_with_random_weights_counted_by_hand() -> None:
    rows = np.array([[0.9, np.nan, 0.7], [0.2, 0.1, 0.3], [0.6, 0.1, 0.7]])
    found = judge_randomisation(["head", "stage", "all"], rows)
    assert [step["correlation"] for step in found["steps"]] == [0.8, 0.25, 0.65]
    assert [step["layer"] for step in found["steps"]] == ["head", "stage", "all"]
    assert found["images"] == 2 and found["passed"] and "correlates by 0.65" in found["sentence"]


@pytest.mark.parametrize(("correlation", "same"), [(0.69, False), (0.7, True)])
def test_a_correlation_of_seven_tenths_is_the_same_map(correlation: float, same: bool) -> None:
    values = np.array([correlation, correlation])
    assert judge_randomisation(["all"], values[None])["passed"] is not same
    assert judge_labels(values, 1)["passed"] is not same


@pytest.mark.parametrize(("correlation", "passed"), [(0.5, True), (0.49, False)])
def test_half_a_correlation_repeats_itself(correlation: float, passed: bool) -> None:
    values, nowhere = np.full(2, correlation), np.ones(2)
    assert judge_repeatability(values, nowhere)["passed"] is passed
    assert judge_trainings(values, nowhere if passed else 0 * nowhere, 0.05, 1)["passed"] is passed


def test_blank_images_are_left_out_of_both_figures_and_images_are_counted_once() -> None:
    correlations, apart = np.array([0.8, np.nan, 0.6, 0.7]), np.array([0.0, 0.9, 0.02, 0.4])
    moved = judge_repeatability(correlations, apart)
    assert (moved["images"], moved["correlation"], moved["peak_shift"]) == (3, 0.7, 0.02)
    twice = np.tile(correlations, 2)
    shuffled, again = judge_labels(twice, 2), judge_trainings(twice, np.tile(apart, 2), 0.05, 2)
    assert (shuffled["images"], shuffled["models"], shuffled["correlation"]) == (3, 2, 0.7)
    assert (again["images"], again["models"], again["same_place"]) == (3, 2, pytest.approx(2 / 3, abs=1e-4))


def test_gains_are_over_random_places_and_copies_are_no_further_evidence() -> None:
    deletion, insertion = 0.2 + NEARLY, 0.5 + NEARLY
    random = np.full(4, 0.6), np.full(4, 0.7)
    found = judge_faithfulness(deletion, insertion, random, np.array([0, 0, 1, 1]))
    assert found["passed"]  # one of the two
    assert (found["deletion_gain"]["value"], found["insertion_gain"]["value"]) == pytest.approx((0.4, -0.2))
    assert (found["random_deletion"], found["random_insertion"]) == (0.6, 0.7)
    assert {found[f"{name}_gain"]["n_groups"] for name in ("deletion", "insertion")} == {2}
    assert "falls by 0.400 more when" in found["sentence"] and "rises by 0.200 less when" in found["sentence"]
    wild = judge_faithfulness(np.array([0.0, 1.0]), np.ones(2), (np.array([1.0, 0.0]), np.ones(2)))
    assert wild["deletion_gain"]["low"] < -1 < 1 < wild["deletion_gain"]["high"]


def test_every_failed_check_has_its_sentence() -> None:
    sentences = {
        "randomisation": NO_WEIGHTS, "repeatability": NO_REPEAT, "faithfulness": NO_FAITH, "labels": NO_LABELS,
        "trainings": NO_TWIN,
    }  # fmt: skip
    for name, sentence in sentences.items():
        others = {other: {"passed": True} for other in sentences}
        assert warnings_of({**others, name: {"passed": False}}) == [sentence]
    assert warnings_of({"labels": {"passed": True}}) == []
