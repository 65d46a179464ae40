"""A heat map comes back to the place in the image that it was computed from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colles.core.recipe import PreprocessRecipe
from colles.imaging.heatmap import normalise, peak, unletterbox
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


def test_normalise_spans_zero_to_one_and_survives_nan() -> None:
    np.testing.assert_allclose(normalise(np.array([[-2.0, 0.0], [2.0, np.nan]])), [[0, 0.5], [1, 0]])
    assert not normalise(np.full((2, 2), 7.0)).any()
    assert not normalise(np.full((2, 2), np.nan)).any()


def test_peak_is_column_then_row() -> None:
    heat = np.zeros((5, 9))
    heat[3, 7] = 2
    heat[0, 0] = np.nan
    assert peak(heat) == (7, 3)
