"""Boxes go where the pixels go."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from colles.core.records import Box
from colles.imaging.read import read_image
from colles.imaging.turning import as_shown
from pictures import picture_bytes


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_a_box_stays_on_its_pixels(orientation: int, form: str) -> None:
    stored = np.zeros((48, 80), np.uint8)
    stored[8:16, 24:64] = 255
    exif = Image.Exif()
    exif[274] = orientation
    options = {"quality": 100} if form != "TIFF" else {}
    image = read_image(picture_bytes(Image.fromarray(stored).convert("RGB"), form, exif=exif, **options))
    assert image.orientation == orientation
    shown = image.pixels[..., 0] > 128
    ys, xs = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    box = as_shown(Box(x1=24, y1=8, x2=64, y2=16, name="f"), orientation, (image.width, image.height))
    assert (box.x1, box.y1, box.x2, box.y2) == (xs[0], ys[0], xs[-1] + 1, ys[-1] + 1)
    assert box.name == "f"
