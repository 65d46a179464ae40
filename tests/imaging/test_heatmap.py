"""A heat map comes back to the place in the image that it was computed from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colles.core.recipe import PreprocessRecipe
from colles.core.records import Box
from colles.imaging.heatmap import (
    Candidate,
    at_most,
    candidate_boxes,
    cells_on_image,
    covered,
    locate_peak,
    peak,
    peak_distance,
    unletterbox,
)
from colles.imaging.preprocess import placement

fits = st.sampled_from(["letterbox", "stretch"])


@settings(max_examples=60, deadline=None)
@given(st.integers(40, 400), st.integers(40, 400), fits, st.floats(0.1, 0.9), st.floats(0.1, 0.9), st.data())
def test_the_peak_lands_where_the_point_was(width: int, height: int, fit: str, u: float, v: float, data) -> None:
    recipe = PreprocessRecipe(size=224, fit=fit)
    place = placement(width, height, recipe)
    cells = data.draw(st.sampled_from([14, 28, 224]))
    x, y = place.to_canvas_xy(u * width, v * height)
    heat = np.zeros((cells, cells), np.float32)
    heat[min(int(y * cells / 224), cells - 1), min(int(x * cells / 224), cells - 1)] = 1
    back = unletterbox(heat, place)
    assert back.shape == (height, width) and back.dtype == np.float32
    column, row = peak(back)
    cell = 224 / cells
    assert abs(column + 0.5 - u * width) <= cell / place.scale_x + 1.5
    assert abs(row + 0.5 - v * height) <= cell / place.scale_y + 1.5


def test_a_ramp_stays_a_ramp_without_the_padding() -> None:
    place = placement(400, 200, PreprocessRecipe(size=100))
    canvas = np.repeat(np.arange(100, dtype=np.float32)[:, None] + 0.5, 100, axis=1)  # value = y on the canvas
    back = unletterbox(canvas, place)
    expected = (np.arange(200) + 0.5) * 0.25 + 25
    np.testing.assert_allclose(back[2:-2, 7], expected[2:-2], atol=1e-3)


def test_a_map_that_is_no_map_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        unletterbox(np.zeros((1, 7, 7)), placement(10, 10, PreprocessRecipe(size=32)))


def test_peak_is_column_then_row() -> None:
    heat = np.zeros((5, 9))
    heat[3, 7] = 2
    heat[0, 0] = np.nan
    assert peak(heat) == (7, 3)


def gaussian(shape: tuple[int, int], x: float, y: float, sigma: float) -> np.ndarray:
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]] + 0.5
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))


@settings(max_examples=60, deadline=None)
@given(st.integers(60, 400), st.integers(60, 400), fits, st.floats(0.2, 0.8), st.floats(0.2, 0.8))
def test_a_peak_is_found_below_the_cell(width: int, height: int, fit: str, u: float, v: float) -> None:
    place = placement(width, height, PreprocessRecipe(size=512, fit=fit))
    x, y = place.to_canvas_xy(u * width, v * height)
    found = locate_peak(gaussian((32, 32), x / 16, y / 16, 0.8), place)
    assert found is not None
    assert abs(found[0] - u * width) <= 0.25 * 16 / place.scale_x
    assert abs(found[1] - v * height) <= 0.25 * 16 / place.scale_y


def test_the_padding_never_holds_the_peak() -> None:
    place = placement(400, 100, PreprocessRecipe(size=64))
    heat = np.ones((8, 8))
    heat[0, 0] = 9
    heat[4, 6] = 2
    x, y = locate_peak(heat, place) or (-1, -1)
    assert 300 < x < 350 and 0 <= y < 100
    assert locate_peak(np.zeros((8, 8)), place) is None
    assert locate_peak(np.full((8, 8), np.nan), place) is None


def test_a_candidate_has_the_box_that_its_gaussian_was_made_from() -> None:
    place = placement(600, 450, PreprocessRecipe(size=512))
    # Side = 3 σ, as the targets of a location head are drawn.
    heat = 0.9 * gaussian((32, 32), 10.5, 12.5, 120 / 16 / 3) + 0.5 * gaussian((32, 32), 24.5, 20.5, 96 / 16 / 3)
    first, second, *rest = candidate_boxes(heat, place)
    assert not rest and first.score == pytest.approx(0.9, abs=0.06) and second.score == pytest.approx(0.5, abs=0.04)
    scale = 512 / 600
    for candidate, (x, y, side) in zip((first, second), ((168, 200, 120), (392, 328, 96)), strict=True):
        centre = place.to_image_xy(x, y)
        assert (candidate.x, candidate.y) == pytest.approx(centre, abs=4)
        box = candidate.box
        assert ((box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2) == pytest.approx(centre, abs=8)
        assert box.x2 - box.x1 == pytest.approx(side / scale, rel=0.2)


def test_candidates_stay_inside_the_image_and_an_empty_map_has_none() -> None:
    place = placement(100, 300, PreprocessRecipe(size=96))
    heat = np.zeros((6, 6))
    heat[0, 2], heat[5, 3] = 1, 0.5
    found = candidate_boxes(heat, place, top=0.5)
    assert [round(each.score, 2) for each in found] == [0.5, 0.25]
    assert [each.score for each in candidate_boxes(heat / 5, place, top=0.5)] == pytest.approx([0.5, 0.25])
    for each in found:
        assert 0 <= each.box.x1 < each.box.x2 <= 100 and 0 <= each.box.y1 < each.box.y2 <= 300
        assert each.box.contains(each.x, each.y)
    assert candidate_boxes(np.zeros((6, 6)), place) == []
    assert len(candidate_boxes(np.random.default_rng(0).random((20, 20)) ** 9, place, limit=3)) == 3


def test_two_tops_of_one_hill_are_one_candidate() -> None:
    heat = np.zeros((8, 8))
    heat[4, 2:5] = 0.9, 0.6, 0.8
    (found,) = candidate_boxes(heat, placement(64, 64, PreprocessRecipe(size=64)))
    assert found.box.x1 < 20 and found.box.x2 > 36


def test_a_peak_whose_cell_reaches_into_the_padding_stays_on_the_image() -> None:
    for width, height in ((400, 60), (60, 400)):  # cells of 16 pixels about an image of 10
        for cell in (1, 2):
            heat = np.zeros((4, 4))
            heat[(cell, 2) if width > height else (2, cell)] = 1
            x, y = locate_peak(heat, placement(width, height, PreprocessRecipe(size=64))) or (-1, -1)
            assert 0 <= x < width and 0 <= y < height


def test_a_row_of_a_candidate_keeps_hundredths_of_a_pixel() -> None:
    box = Box(x1=1.234, y1=2.347, x2=30.456, y2=40.567)
    assert Candidate(box, 10.123, 20.987, 0.1234567).row() == {
        "x1": 1.23, "y1": 2.35, "x2": 30.46, "y2": 40.57, "x": 10.12, "y": 20.99, "score": 0.123457
    }  # fmt: skip


def test_a_smaller_grid_shows_the_same_place() -> None:
    place = placement(1280, 900, PreprocessRecipe(size=256))
    heat = gaussian((16, 16), 5, 9, 1)
    small = at_most(place, 200)
    assert unletterbox(heat, small).shape == (141, 200)
    x, y = peak(unletterbox(heat, small))
    wanted = peak(unletterbox(heat, place))
    assert (x * 6.4, y * 6.4) == pytest.approx(wanted, abs=16)  # a cell is 80 pixels
    assert covered(place) == pytest.approx((0, -190, 1280, 1090), abs=5)


def test_a_cell_that_lies_in_part_on_the_image_counts() -> None:
    place = placement(400, 150, PreprocessRecipe(size=64))  # rows 20 to 44 of the canvas, cells of 8
    kept = [False] * 2 + [True] * 4 + [False] * 2
    assert cells_on_image(place, 8, 8).any(axis=1).tolist() == kept
    upright = cells_on_image(placement(150, 400, PreprocessRecipe(size=64)), 8, 8)
    assert upright.any(axis=0).tolist() == kept and upright.any(axis=1).all()
    for row in (2, 5):
        heat = np.zeros((8, 8))
        heat[row, 3] = 1
        assert locate_peak(heat, place) is not None


def test_the_box_of_an_even_hill_is_even() -> None:
    (found,) = candidate_boxes(gaussian((8, 8), 3.5, 4.5, 0.8), placement(64, 64, PreprocessRecipe(size=64)))
    assert (found.x, found.y) == pytest.approx((28, 36), abs=0.01)
    assert (found.box.x1 + found.box.x2, found.box.y1 + found.box.y2) == pytest.approx((56, 72), abs=0.01)


def test_peaks_lie_apart_by_a_share_of_the_longer_side() -> None:
    place = placement(100, 50, PreprocessRecipe(size=64))
    assert peak_distance((0, 0), (30, 40), place) == 0.5
    assert peak_distance(None, (30, 40), place) == 1 and peak_distance(None, None, place) == 0
