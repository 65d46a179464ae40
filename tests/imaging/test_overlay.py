"""Cold places stay as they are, hot ones are coloured, boxes and caption are drawn, the size stays."""

from __future__ import annotations

import numpy as np
import pytest

from colles.core.records import Box
from colles.imaging.overlay import overlay


def test_without_heat_the_picture_is_the_radiograph(draw) -> None:
    image = draw(60, 40)
    picture = np.asarray(overlay(image, np.zeros(image.shape)))
    np.testing.assert_array_equal(picture, np.repeat(image[..., None], 3, axis=2))


def test_the_hottest_place_is_the_end_of_viridis(draw) -> None:
    image = np.zeros((40, 60), np.uint8)
    heat = np.zeros(image.shape, np.float32)
    heat[10, 20] = 1
    picture = np.asarray(overlay(image, heat))
    np.testing.assert_allclose(picture[10, 20], np.array([253, 231, 37]) * 0.6, atol=2)  # viridis(1.0) at 60 %
    assert not picture[11, 20].any()


def test_lightness_grows_with_heat() -> None:
    heat = np.tile(np.linspace(0, 1, 256), (4, 1))
    picture = np.asarray(overlay(np.zeros((4, 256), np.uint8), heat).convert("L"), int)
    assert (np.diff(picture[0]) >= -1).all() and picture[0, -1] > 100


def test_a_box_is_drawn_around_its_place_and_leaves_it_free() -> None:
    image = np.full((200, 200), 128, np.uint8)
    picture = np.asarray(overlay(image, np.zeros(image.shape), boxes=[Box(x1=50, y1=60, x2=90, y2=100)]))
    assert (picture[60:100, 50:90] == 128).all()
    assert (picture[58, 60] == 255).all() and (picture[80, 91] == 255).all()
    assert (picture[57, 60] == 0).all() and (picture[59, 60] == 0).all()


@pytest.mark.parametrize("size", [(16, 16), (64, 300), (900, 700)])
def test_a_caption_keeps_the_size(size: tuple[int, int]) -> None:
    image = np.full(size, 90, np.uint8)
    picture = overlay(image, np.zeros(size), caption="no_fracture, probability 0.07")
    assert picture.size == (size[1], size[0])
    assert (np.asarray(picture)[-1] == 0).all()


def test_nan_is_cold_and_shapes_must_agree(draw) -> None:
    image = draw(20, 10)
    plain = overlay(image, np.full(image.shape, np.nan))
    np.testing.assert_array_equal(np.asarray(plain)[..., 0], image)
    with pytest.raises(ValueError, match="differ in shape"):
        overlay(image, np.zeros((20, 10)))
