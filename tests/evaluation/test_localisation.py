"""Scores of maps against boxes: by hand, against scikit-learn, and at chance where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from colles.evaluation.froc import match, recall_at
from colles.evaluation.localisation import (
    THRESHOLDS,
    box_mask,
    chance_estimates,
    clip_boxes,
    covered_share,
    fit_threshold,
    lesion_size,
    localisation_estimates,
    mean_estimate,
    pixel_precision,
    score_map,
    share_estimate,
    widen,
)

SIZE = (80, 40)
BOX = np.array([[10.0, 10.0, 30.0, 20.0]])


def test_a_map_that_is_the_box_scores_one_everywhere() -> None:
    heat = box_mask(BOX, SIZE, (40, 80)).astype(float)
    found = score_map(heat, (20, 15), BOX, SIZE)
    assert found.hit and found.hit_margin and found.share_of_mass == 1 and found.auprc == 1
    assert (found.iou == 1).all()


def test_the_margin_is_a_sixteenth_of_the_longer_side() -> None:
    heat = np.ones((40, 80))
    for x, strict, wide in ((30.0, True, True), (34.9, False, True), (35.1, False, False)):
        found = score_map(heat, (x, 15), BOX, SIZE)
        assert (found.hit, found.hit_margin) == (strict, wide)
    assert widen(BOX, SIZE).tolist() == [[5, 5, 35, 25]]


def test_an_even_map_scores_what_the_boxes_cover() -> None:
    found = score_map(np.ones((40, 80)), None, BOX, SIZE)
    share = covered_share(BOX, SIZE)
    assert share == pytest.approx(200 / 3200)
    assert found.share_of_mass == pytest.approx(share) and found.auprc == pytest.approx(share)
    assert not found.hit and not found.hit_margin


def test_an_empty_map_scores_nothing_and_is_a_miss() -> None:
    found = score_map(np.zeros((4, 8)), None, BOX, SIZE)
    assert not found.hit and found.share_of_mass == 0 and not found.iou.any()
    assert np.isfinite(score_map(np.full((4, 8), np.nan), None, BOX, SIZE).auprc)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_pixel_precision_is_scikit_learns(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((7, 9)) < 0.3
    mask[0, 0] = True
    values = np.round(rng.random((7, 9)), levels)
    assert pixel_precision(values, mask) == pytest.approx(average_precision_score(mask.ravel(), values.ravel()))


def test_overlap_is_measured_at_a_share_of_the_maximum() -> None:
    heat = box_mask(BOX, SIZE, (40, 80)) * 5.0
    heat[30:, :] = 2.0  # 40 % of the maximum
    found = score_map(heat, (20, 15), BOX, SIZE)
    assert found.iou[THRESHOLDS <= 0.4] == pytest.approx(200 / 1000)
    assert (found.iou[THRESHOLDS > 0.4] == 1).all()
    assert fit_threshold([found]) == 0.45
    assert fit_threshold([]) is None


def test_boxes_that_overlap_are_counted_once() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [5, 5, 15, 15], [0, 0, 10, 10]])
    assert covered_share(boxes, (100, 100)) == pytest.approx(175 / 10_000)


def test_boxes_outside_the_image_are_left_out_and_counted() -> None:
    cut, lost = clip_boxes(np.array([[-5.0, -5, 10, 10], [90, 0, 120, 9], [5, 5, 5, 9]]), SIZE)
    assert cut.tolist() == [[0, 0, 10, 10]] and lost == 2


def test_a_box_below_a_pixel_still_marks_one() -> None:
    assert box_mask(np.array([[10.2, 10.2, 10.4, 10.4]]), SIZE, (40, 80)).sum() == 1
    assert box_mask(np.array([[79.9, 39.9, 80, 40]]), SIZE, (4, 8)).sum() == 1


def test_sizes_have_names() -> None:
    assert [lesion_size(share)[:5] for share in (0.001, 0.01, 0.5)] == ["small", "mediu", "large"]


def test_intervals_widen_where_images_come_in_groups() -> None:
    hits = np.repeat(np.arange(20) % 2 == 0, 5)
    groups = np.repeat(np.arange(20), 5)
    alone, grouped = share_estimate(hits, None), share_estimate(hits, groups)
    assert alone.value == grouped.value == 0.5 and grouped.n_groups == 20 and grouped.n == 100
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)
    values = hits.astype(float)
    assert mean_estimate(values, groups).high > mean_estimate(values, None).high
    assert share_estimate(np.zeros(0, bool), None).value is None


def test_a_random_point_scores_the_share_that_boxes_cover() -> None:
    rng = np.random.default_rng(0)
    scores = [score_map(np.ones((4, 8)), (rng.random() * 80, rng.random() * 40), BOX, SIZE) for _ in range(4000)]
    found = localisation_estimates(scores, None, 0.5)
    shares = np.full(4000, covered_share(BOX, SIZE)), np.full(4000, covered_share(widen(BOX, SIZE), SIZE))
    chance = chance_estimates(*shares, None)
    for name in ("pointing", "pointing_margin"):
        assert found[name].low <= chance[name].value <= found[name].high
    assert set(found) == {"pointing", "pointing_margin", "share_of_mass", "energy_pointing", "auprc", "iou"}


def test_half_of_the_mass_inside_is_the_energy_pointing_game() -> None:
    inside = box_mask(BOX, SIZE, (40, 80)).astype(float)
    scores = [score_map(inside + (200 / 3000) * part * (1 - inside), None, BOX, SIZE) for part in (0.9, 1.1)]
    assert [score.share_of_mass for score in scores] == pytest.approx([1 / 1.9, 1 / 2.1])
    assert localisation_estimates(scores, None, None)["energy_pointing"].value == 0.5


def test_froc_by_hand() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [20, 20, 30, 30]])
    one = match(np.array([[5.0, 5], [6, 6], [50, 50]]), np.array([0.9, 0.8, 0.5]), boxes)
    assert one.best.tolist() == [0.9, -np.inf] and one.false.tolist() == [0.5]
    two = match(np.array([[25.0, 25]]), np.array([0.4]), boxes)
    none = match(np.zeros((0, 2)), np.zeros(0), np.zeros((0, 4)))
    false = match(np.array([[1.0, 1]]), np.array([0.45]), np.zeros((0, 4)))
    recalls = recall_at([one, two, none, false], np.arange(4), (0.0, 0.25, 0.5))
    assert {rate: recall.value for rate, recall in recalls.items()} == {0.0: 0.25, 0.25: 0.25, 0.5: 0.5}
    assert recalls[0.0].n == 4
    assert all(recall.value is None for recall in recall_at([], np.zeros(0, int)).values())
