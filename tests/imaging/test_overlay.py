"""Cold places stay as they are, hot ones are coloured, boxes and caption are drawn, the size stays."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from colles.core.records import Box
from colles.imaging.montage import grid, side_by_side
from colles.imaging.overlay import mass_level, overlay


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


def test_the_line_holds_its_share_of_a_map_of_few_bright_specks() -> None:
    rng = np.random.default_rng(0)
    heat = rng.lognormal(0, 3, (500, 500))  # like a gradient: hardly anything reaches a 255th of the brightest
    heat = (heat / heat.max()).astype(np.float32)
    grey = np.zeros(heat.shape, np.uint8)
    drawn = np.asarray(overlay(grey, heat, contour=0.5)) != np.asarray(overlay(grey, heat))
    smooth = cv2.GaussianBlur(heat, (0, 0), 10)
    level = mass_level(smooth, 0.5)
    assert smooth[smooth >= level].sum() / smooth.sum() == pytest.approx(0.5, abs=0.01)
    inside, line = smooth >= level, drawn.any(axis=2)
    edge = cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    assert line[edge].mean() > 0.8  # a line three pixels wide, which smoothing leaves gaps in


def test_the_line_bounds_the_stated_share_of_the_mass() -> None:
    heat = np.zeros((60, 60), np.float32)
    heat[10:20, 10:20] = 1.0
    heat[40:50, 40:50] = 0.4
    # The hot square holds 1 / 1.4 = 71 % of the mass.
    assert mass_level(heat, 0.5) == mass_level(heat, 0.7) == 1.0
    assert mass_level(heat, 0.75) == np.float32(0.4)
    assert mass_level(np.zeros((4, 4), np.float32), 0.5) == 0
    grey = np.zeros((60, 60), np.uint8)
    plain, lined = (np.asarray(overlay(grey, heat, contour=share)) for share in (None, 0.5))
    changed = (plain != lined).any(axis=2)
    assert changed[12:18, 9:12].any(axis=1).all() and not changed[30:].any() and not changed[13:17, 13:17].any()


def test_specks_of_a_gradient_are_not_each_surrounded() -> None:
    rng, heat = np.random.default_rng(0), np.zeros((200, 200), np.float32)
    heat[80:120, 80:120] = rng.random((40, 40)) ** 4
    grey = np.zeros((200, 200), np.uint8)
    plain, lined = (np.asarray(overlay(grey, heat, contour=share)) for share in (None, 0.7))
    line = (plain != lined).any(axis=2)
    assert 60 < line.sum() < 600  # one soft ring of some 100 pixels, not one around each of hundreds of specks


def test_opacity_and_contour_are_shares() -> None:
    grey = np.zeros((10, 10), np.uint8)
    for bad in ({"opacity": 1.5}, {"contour": 1.0}, {"contour": -0.1}):
        with pytest.raises(ValueError, match="shares"):
            overlay(grey, np.zeros((10, 10)), **bad)
    heat = np.ones((10, 10))
    weak, strong = (np.asarray(overlay(grey, heat, opacity=share), int).sum() for share in (0.2, 0.9))
    assert weak < strong


def test_candidates_are_drawn_by_their_corners() -> None:
    grey = np.full((100, 100), 128, np.uint8)
    picture = np.asarray(overlay(grey, np.zeros((100, 100)), candidates=[Box(x1=20, y1=20, x2=60, y2=60)]))
    assert (picture[20, 22] == 255).all() and (picture[20, 40] == 128).all() and (picture[40, 40] == 128).all()


def test_pictures_stand_side_by_side_under_their_titles() -> None:
    one, two = Image.new("L", (300, 200), 90), Image.new("RGB", (100, 200), (9, 9, 9))
    sheet = side_by_side([("radiograph", one), ("a title that is far too long for its picture", two)], side=150)
    assert sheet.width == 150 + 6 + 75 and sheet.height > 150
    assert (np.asarray(sheet)[-60, 75] == 90).all()
    assert grid([[("a", one)], [("b", two)]], side=100).size[0] == 100
    with pytest.raises(ValueError, match="no picture"):
        side_by_side([])
