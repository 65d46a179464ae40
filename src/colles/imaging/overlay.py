"""Draw a heat map over a radiograph: viridis, the more opaque the hotter, with reference boxes and a caption."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from colles.core.records import Box
from colles.imaging.read import to_grey

_OPACITY = 0.6  # of the hottest place: bone stays visible below it
# White inside black is told apart from viridis and from bone, whatever the reader's colour vision.
_LINE, _CASING = (255, 255, 255), (0, 0, 0)


def overlay(
    image: NDArray[np.uint8], heat: NDArray[Any], *, boxes: Sequence[Box] = (), caption: str | None = None
) -> Image.Image:
    """Return an RGB picture of the image's size.

    `image` is (H, W) uint8, `heat` (H, W) in 0–1 (clipped; NaN is 0), `boxes` are pixels of the image. Where the heat
    is 0 the grey values stay as they are. Raise `ValueError` where the shapes differ.
    """
    grey = to_grey(image)
    if heat.shape != grey.shape:
        raise ValueError(f"the heat map {heat.shape} and the image {grey.shape} differ in shape")
    picture = Image.fromarray(_blend(grey, np.clip(np.nan_to_num(heat), 0.0, 1.0).astype(np.float32)))
    draw = ImageDraw.Draw(picture)
    for box in boxes:
        _draw_box(draw, box, picture.size)
    if caption:
        _draw_caption(draw, caption, picture.size)
    return picture


def _blend(grey: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    levels = np.rint(heat * 255).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB).astype(np.float32)
    opacity = _OPACITY * heat[..., None]
    return np.asarray(np.rint(grey[..., None] * (1 - opacity) + colours * opacity), dtype=np.uint8)


def _draw_box(draw: ImageDraw.ImageDraw, box: Box, size: tuple[int, int]) -> None:
    line = max(1, round(max(size) / 400))
    corners = (box.x1, box.y1, max(box.x1, box.x2 - 1), max(box.y1, box.y2 - 1))
    # Drawn outside the box, so that the fracture in it is not covered.
    for outset, width, colour in ((3 * line, 3 * line, _CASING), (2 * line, line, _LINE)):
        left, top, right, bottom = corners
        draw.rectangle((left - outset, top - outset, right + outset, bottom + outset), outline=colour, width=width)


def _draw_caption(draw: ImageDraw.ImageDraw, caption: str, size: tuple[int, int]) -> None:
    width, height = size
    text = " ".join(caption.split())
    pixels = min(max(9, round(height / 28)), 48)
    while pixels > 6 and draw.textlength(text, font=ImageFont.load_default(pixels)) > width - 8:
        pixels -= 1
    font = ImageFont.load_default(pixels)
    top = height - int(draw.textbbox((0, 0), text, font=font)[3]) - 4
    draw.rectangle((0, top, width, height), fill=_CASING)
    draw.text((4, top + 1), text, font=font, fill=_LINE)
