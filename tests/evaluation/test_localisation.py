"""Scores of maps against boxes: by hand, against scikit-learn, and at chance where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import sem, t
from sklearn.metrics import average_precision_score, jaccard_score
from statsmodels.stats.proportion import proportion_confint

from colles.evaluation.froc import Detections, match, recall_at
from colles.evaluation.localisation import (
    THRESHOLDS,
    MapScore,
    box_mask,
    chance_estimates,
    clip_boxes,
    covered_share,
    fit_threshold,
    lesion_size,
    localisation_estimates,
    mean_estimate,
    overlaps,
    pixel_precision,
    points_at,
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


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 10_000))
def test_overlap_is_scikit_learns_jaccard_score(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, mask = rng.random((7, 9)) * rng.choice([0.3, 5.0]), rng.random((7, 9)) < 0.3
    mask[0, 0] = True
    cuts = [values.ravel() >= share * values.max() for share in THRESHOLDS]
    assert overlaps(values, mask) == pytest.approx([jaccard_score(mask.ravel(), cut) for cut in cuts])


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


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 300), st.floats(0, 1), st.floats(0, 1))
def test_a_box_marks_the_cells_whose_middle_lies_in_it(cells: int, pixels: int, one: float, other: float) -> None:
    """On either axis alone: a map need not have the picture's shape."""
    low, high = sorted((one * pixels, other * pixels))
    middles = (np.arange(cells) + 0.5) * pixels / cells
    wanted = np.flatnonzero((low <= middles) & (middles < high)).tolist()
    tiny = [min(int((low + high) / 2 * cells / pixels), cells - 1)]
    across = box_mask(np.array([[low, 0, high, 50]]), (pixels, 50), (2, cells))
    down = box_mask(np.array([[0, low, 50, high]]), (50, pixels), (cells, 2))
    assert np.flatnonzero(across[0]).tolist() == np.flatnonzero(down[:, 1]).tolist()
    if np.abs(middles - low).min() > 1e-9 and np.abs(middles - high).min() > 1e-9:
        assert np.flatnonzero(across[1]).tolist() == (wanted or tiny)


def test_boxes_are_cut_to_width_and_height() -> None:
    cut, lost = clip_boxes(np.array([[50.0, 10, 120, 60], [5, 9, 9, 9], [45, 5, 60, 35]]), SIZE)
    assert cut.tolist() == [[50, 10, 80, 40], [45, 5, 60, 35]] and lost == 1
    assert widen(np.array([[0.0, 30, 10, 38]]), SIZE).tolist() == [[0, 25, 15, 40]]


def test_a_point_on_the_edge_of_a_box_lies_in_it_and_one_beside_any_of_its_sides_does_not() -> None:
    edge, beside = [(10, 15), (30, 15), (20, 10), (20, 20)], [(9, 15), (31, 15), (20, 9), (20, 21)]
    both = np.concatenate([np.array([[60.0, 30, 70, 35]]), BOX])
    assert all(points_at(point, boxes) for point in edge for boxes in (BOX, both))
    assert not any(points_at(point, boxes) for point in beside for boxes in (BOX, both))
    found = match(np.array([*edge, *beside], float), np.arange(8) / 10, BOX)
    assert found.best.tolist() == [0.3] and found.false.tolist() == [0.4, 0.5, 0.6, 0.7]


def test_sizes_have_names() -> None:
    shares = (0.001, 0.0049, 0.005, 0.0199, 0.02, 0.5)
    assert [lesion_size(share)[:5] for share in shares] == ["small", "small", "mediu", "mediu", "large", "large"]


def test_negative_and_missing_values_of_a_map_are_none() -> None:
    heat = box_mask(BOX, SIZE, (40, 80)).astype(float)
    heat[0, :] = np.nan
    heat[-1, :] = -5.0
    found = score_map(heat, (20, 15), BOX, SIZE)
    assert (found.share_of_mass, found.auprc) == (1, 1) and (found.iou == 1).all()


def _score(hit: bool, mass: float, iou: list[float]) -> MapScore:
    return MapScore(hit, not hit, mass, mass / 2, np.array(iou + [0.0] * (len(THRESHOLDS) - len(iou))))


def test_the_threshold_of_the_overlap_is_the_best_on_average_and_read_where_it_was_fitted() -> None:
    scores = [_score(True, 0.5, [0.9, 0.6, 0.1]), _score(False, 0.4, [0.0, 0.6, 0.8])]
    assert fit_threshold(scores) == THRESHOLDS[1]
    for place, overlap in enumerate((0.45, 0.6, 0.45)):
        found = localisation_estimates(scores, None, THRESHOLDS[place])
        assert found["iou"].value == pytest.approx(overlap)
    values = {name: figure.value for name, figure in found.items()}
    del values["iou"]
    assert values == pytest.approx(
        {"pointing": 0.5, "pointing_margin": 0.5, "share_of_mass": 0.45, "energy_pointing": 0.5, "auprc": 0.225}
    )


def test_every_figure_counts_copies_of_a_radiograph_once() -> None:
    rng = np.random.default_rng(0)
    once = [_score(bool(rng.random() < 0.6), rng.random(), [rng.random()]) for _ in range(20)]
    codes = np.repeat(np.arange(20) * 3 + 1, 4)  # some codes belong to images that are not judged
    copied = localisation_estimates([once[place] for place in codes // 3], codes, THRESHOLDS[0])
    shares = np.array([score.share_of_mass for score in once])
    chance = chance_estimates(shares[codes // 3], shares[codes // 3] / 2, codes)
    alone = localisation_estimates(once, np.arange(20), THRESHOLDS[0])
    for found, own in ((copied, alone), (chance, chance_estimates(shares, shares / 2, None))):
        for name, figure in found.items():
            assert (figure.n, figure.n_groups, own[name].n_groups) == (80, 20, 20)
            assert figure.method == f"{own[name].method}_groups"
            assert (figure.value, figure.low, figure.high) == pytest.approx(
                (own[name].value, own[name].low, own[name].high), abs=0.02
            )
    assert chance["pointing_margin"].value == pytest.approx(shares.mean() / 2)
    assert chance["pointing"] == chance["share_of_mass"] == chance["auprc"]


def test_shares_and_means_of_images_have_wilsons_and_students_interval() -> None:
    hits, values = np.arange(12) < 9, np.linspace(0.1, 0.8, 12)
    share, mean = share_estimate(hits, None), mean_estimate(values, None)
    assert (share.low, share.high) == pytest.approx(proportion_confint(9, 12, method="wilson"))
    assert (mean.low, mean.high) == pytest.approx(t.interval(0.95, 11, values.mean(), sem(values)))
    wide, spread = np.array([0.0, 1.0]), np.array([-1.0, 3.0])
    assert (mean_estimate(wide, None).low, mean_estimate(wide, None).high) == (0, 1)
    assert mean_estimate(spread, None, bounded=False).low < -1


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


def test_froc_counts_false_candidates_of_every_image_and_boxes_by_group() -> None:
    """Ten images, false candidates of 0.95, 0.85 … 0.05, and in six of them a box found at 0.9, 0.8 … 0.4."""
    found = [Detections(np.array([0.9 - k / 10] if k < 6 else []), np.array([0.95 - k / 10])) for k in range(10)]
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    recalls = recall_at(found, groups, (0.0, 0.1, 0.19, 0.5, 1.0, 5.0))
    assert {rate: recall.value for rate, recall in recalls.items()} == pytest.approx(
        {0.0: 0, 0.1: 1 / 6, 0.19: 1 / 6, 0.5: 5 / 6, 1.0: 1, 5.0: 1}
    )
    assert {(recall.n, recall.n_groups) for recall in recalls.values()} == {(6, 3)}
    assert list(recall_at(found, groups)) == [0.1, 0.25, 0.5, 1.0, 2.0]


def test_a_candidate_as_high_as_the_first_false_one_too_many_does_not_count() -> None:
    found = [Detections(np.array([0.5, 0.6]), np.array([0.5]))]
    recalls = recall_at(found, np.zeros(1, int), (0.0, 1.0))
    assert [recalls[rate].value for rate in (0.0, 1.0)] == [0.5, 1]
