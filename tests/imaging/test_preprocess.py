"""The canvas keeps the picture's shape and the boxes' places; the input is normalised as the recipe says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colles.core.recipe import PreprocessRecipe
from colles.core.records import Box
from colles.imaging.preprocess import placement, to_canvas, to_input

sides = st.integers(1, 3000)
recipes = st.builds(PreprocessRecipe, size=st.integers(32, 640), fit=st.sampled_from(["letterbox", "stretch"]))


@settings(max_examples=200, deadline=None)
@given(sides, sides, recipes, st.floats(0, 1), st.floats(0, 1))
def test_points_go_to_the_canvas_and_back(width: int, height: int, recipe, u: float, v: float) -> None:
    place = placement(width, height, recipe)
    x, y = place.to_canvas_xy(u * width, v * height)
    assert -1e-6 <= x <= recipe.size + 1e-6 and -1e-6 <= y <= recipe.size + 1e-6
    assert place.to_image_xy(x, y) == pytest.approx((u * width, v * height), abs=1e-6 * max(width, height))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), recipes)
def test_the_canvas_holds_the_whole_picture_and_black_around_it(width: int, height: int, recipe) -> None:
    canvas = to_canvas(np.full((height, width), 200, np.uint8), recipe)
    place = placement(width, height, recipe)
    assert canvas.shape == (recipe.size, recipe.size) and canvas.dtype == np.uint8
    assert (canvas == 200).sum() == place.inner_width * place.inner_height
    assert set(np.unique(canvas)) <= {0, 200}
    assert max(place.inner_width, place.inner_height) == recipe.size


def test_a_letterbox_keeps_the_aspect_and_centres() -> None:
    place = placement(400, 200, PreprocessRecipe(size=100))
    assert (place.scale_x, place.scale_y, place.pad_x, place.pad_y) == (0.25, 0.25, 0, 25)
    [box] = place.boxes_to_canvas([Box(x1=40, y1=20, x2=80, y2=60, name="wrist")])
    assert box == Box(x1=10, y1=30, x2=20, y2=40, name="wrist")


def test_an_odd_rest_of_the_padding_lies_below_and_on_the_right() -> None:
    recipe = PreprocessRecipe(size=32)  # shipped weights learnt from canvases like this
    for width, height, pads in ((96, 93, (0, 0)), (96, 88, (0, 1)), (93, 96, (0, 0)), (88, 96, (1, 0))):
        place = placement(width, height, recipe)
        assert (place.pad_x, place.pad_y) == pads
        end = place.pad_x + place.inner_width, place.pad_y + place.inner_height
        assert place.to_canvas_xy(width, height) == pytest.approx(end, abs=1e-9)


def test_shrinking_averages_areas() -> None:
    board = np.indices((64, 64)).sum(0) % 2 * 255
    canvas = to_canvas(board.astype(np.uint8), PreprocessRecipe(size=32))
    assert set(np.unique(canvas)) <= {127, 128}  # nearest or plain bilinear would alias to 0 or 255


def test_stretching_one_axis_while_shrinking_the_other_does_not_alias() -> None:
    lines = (np.arange(640) % 2 * 255)[:, None].repeat(16, axis=1).astype(np.uint8)
    canvas = to_canvas(lines, PreprocessRecipe(size=32, fit="stretch"))
    assert set(np.unique(canvas)) <= {127, 128}


def test_an_image_of_the_canvas_size_is_unchanged(draw) -> None:
    image = draw(64, 64)
    np.testing.assert_array_equal(to_canvas(image, PreprocessRecipe(size=64)), image)


def test_input_is_scaled_and_normalised_by_hand() -> None:
    canvas = np.array([[0, 255], [51, 102]], np.uint8)
    recipe = PreprocessRecipe(size=32)
    values = to_input(canvas, recipe)
    assert values.shape == (3, 2, 2) and values.dtype == np.float32
    for channel, (mean, std) in enumerate(zip(recipe.mean, recipe.std, strict=True)):
        np.testing.assert_allclose(values[channel], (np.array([[0, 1], [0.2, 0.4]]) - mean) / std, rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_equals_its_images(draw, channels: int) -> None:
    recipe = PreprocessRecipe(size=32, channels=channels, mean=(0.5,) * channels, std=(0.25,) * channels)
    canvases = np.stack([draw(32, 32, seed) for seed in range(3)])
    batch = to_input(canvases, recipe)
    assert batch.shape == (3, channels, 32, 32)
    for one, canvas in zip(batch, canvases, strict=True):
        np.testing.assert_array_equal(one, to_input(canvas, recipe))
