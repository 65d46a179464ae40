"""Figures of a picture against pictures whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from colles.imaging.read import read_image, to_grey
from colles.imaging.statistics import colourfulness, describe_picture, grey_figures, jpeg_figures, jpeg_quality
from pictures import picture_bytes


def _jpeg(pixels: np.ndarray, **options) -> bytes:
    return picture_bytes(Image.fromarray(pixels), "JPEG", **options)


def _described(data: bytes) -> dict:
    image = read_image(data)
    return describe_picture(image, to_grey(image))


def test_grey_levels_are_those_of_numpy(draw) -> None:
    grey = draw(90, 70)
    found = grey_figures(grey)
    assert found["mean_grey"] == pytest.approx(grey.mean(), abs=0.01)
    assert found["sd_grey"] == pytest.approx(grey.std(), abs=0.01)
    assert found["low_grey"] == pytest.approx(np.percentile(grey, 1), abs=1)
    assert found["high_grey"] == pytest.approx(np.percentile(grey, 99), abs=1)


def test_a_white_frame_is_measured() -> None:
    grey = np.full((100, 200), 250, np.uint8)
    grey[10:90, 20:180] = np.random.default_rng(0).integers(0, 255, (80, 160))
    found = grey_figures(grey)
    assert found["border_width"] == pytest.approx(0.1) and found["border_grey"] == 250
    assert grey_figures(np.full((8, 8), 7, np.uint8))["border_width"] == 0.5
    assert grey_figures(np.arange(4, dtype=np.uint8).reshape(2, 2))["border_grey"] == 1.5


def test_a_slow_gradient_is_no_border() -> None:
    grey = np.tile(np.arange(200, dtype=np.uint8), (100, 1))
    assert grey_figures(grey)["border_width"] < 0.05


def test_colour_is_told_from_grey(draw) -> None:
    grey = draw()
    assert colourfulness(grey) == 0 == colourfulness(np.dstack([grey] * 3))
    assert _described(_jpeg(np.dstack([grey] * 3), quality=60))["colourfulness"] < 2
    photograph = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    assert colourfulness(photograph) > 45
    assert colourfulness(photograph.astype(np.uint16) * 257) == pytest.approx(colourfulness(photograph), rel=1e-4)


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 90, 95, 100])
def test_jpeg_quality_is_the_setting(draw, quality: int) -> None:
    found = _described(_jpeg(draw(), quality=quality))
    assert found["jpeg_quality"] == pytest.approx(quality, abs=1)
    assert found["jpeg_tables"] == _described(_jpeg(draw(seed=3), quality=quality))["jpeg_tables"]
    assert found["jpeg_tables"] != _described(_jpeg(draw(), quality=quality - 5))["jpeg_tables"]


def test_other_formats_have_no_jpeg_figures() -> None:
    assert jpeg_figures(()) == {"jpeg_quality": None, "jpeg_tables": None}
    assert jpeg_quality([255] * 64) == 1 and jpeg_quality([1] * 64) == 100
