"""Draw a heat map over a radiograph: viridis, the more opaque the hotter, with boxes, a contour and a caption."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from colles.core.records import Box
from colles.imaging.read import to_grey

OPACITY = 0.6  # of the hottest place: bone stays visible below it
NOTE_ROOM = 300
"""Pixels of the longer side that a second line of the caption takes."""
# White inside black is told apart from viridis and from bone, whatever the reader's colour vision.
_LINE, _CASING = (255, 255, 255), (0, 0, 0)
_LEVELS = 255
_GRID = 512
_SMOOTHED = 0.02  # of the longer side, as standard deviation, before the contour is drawn


def overlay(
    image: NDArray[np.uint8],
    heat: NDArray[Any],
    *,
    boxes: Sequence[Box] = (),
    candidates: Sequence[Box] = (),
    caption: str | None = None,
    opacity: float = OPACITY,
    contour: float | None = None,
) -> Image.Image:
    """Return an RGB picture of the image's size.

    `image` is (H, W) uint8, `heat` (H, W) in 0–1 (clipped; NaN is 0). Reference `boxes` are drawn whole, `candidates`
    by their corners, both in pixels of the image. `contour` is a share of the map's mass: a thin line bounds the
    hottest places of the smoothed map that hold it. Where the heat is 0 the grey values stay as they are. Raise
    `ValueError` where the shapes differ or a share is not between 0 and 1.
    """
    grey = to_grey(image)
    if heat.shape != grey.shape:
        raise ValueError(f"the heat map {heat.shape} and the image {grey.shape} differ in shape")
    if not 0 <= opacity <= 1 or not (contour is None or 0 < contour < 1):
        raise ValueError("opacity and contour are shares, between 0 and 1")
    warm = np.clip(np.nan_to_num(heat), 0.0, 1.0).astype(np.float32)
    pixels = _blend(grey, np.rint(warm * _LEVELS).astype(np.uint8), opacity)
    line = max(1, round(max(grey.shape) / 400))
    if contour is not None:
        _draw_contour(pixels, warm, contour, line)
    picture = Image.fromarray(pixels)
    draw = ImageDraw.Draw(picture)
    for box in candidates:
        _draw_corners(draw, box, line)
    for box in boxes:
        _draw_box(draw, box, line)
    if caption:
        _draw_caption(draw, caption, picture.size)
    return picture


def mass_level(heat: NDArray[np.float32], share: float) -> float:
    """Return the highest value such that the pixels of a map ≥ 0 that reach it hold `share` of its mass; 0 without."""
    values = np.sort(heat, axis=None)[::-1]
    mass = np.cumsum(values, dtype=np.float64)
    return float(values[np.searchsorted(mass, share * mass[-1])]) if mass[-1] > 0 else 0.0


@lru_cache(maxsize=8)
def _palette(opacity: float) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    # By level: the share of grey that stays, and the colour's own part.
    colours = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_VIRIDIS)[:, 0, ::-1]
    opaque = np.float32(opacity) * np.arange(256, dtype=np.float32) / np.float32(_LEVELS)
    return (1 - opaque).astype(np.float32), np.rint(colours * opaque[:, None]).astype(np.uint8)


def _blend(grey: NDArray[np.uint8], levels: NDArray[np.uint8], opacity: float) -> NDArray[np.uint8]:
    stays, colours = _palette(opacity)
    kept = np.rint(grey * stays[levels]).astype(np.uint8)
    return np.asarray(cv2.add(cv2.merge([kept, kept, kept]), colours[levels]), dtype=np.uint8)


def _draw_contour(pixels: NDArray[np.uint8], heat: NDArray[np.float32], share: float, line: int) -> None:
    # Of the smoothed map: around every speck of a gradient the line would cover what it shows.
    smooth = np.asarray(cv2.GaussianBlur(heat, (0, 0), _SMOOTHED * max(heat.shape)), np.float32)
    step = max(1, max(smooth.shape) // _GRID)  # so smooth a map is known from some of its pixels
    level = mass_level(smooth[::step, ::step], share)
    if level <= 0:
        return
    inside = (smooth >= level).astype(np.uint8)
    found, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(pixels, found, -1, _LINE, line, cv2.LINE_AA)


def _draw_box(draw: ImageDraw.ImageDraw, box: Box, line: int) -> None:
    corners = (box.x1, box.y1, max(box.x1, box.x2 - 1), max(box.y1, box.y2 - 1))
    # Drawn outside the box, so that the fracture in it is not covered.
    for outset, width, colour in ((3 * line, 3 * line, _CASING), (2 * line, line, _LINE)):
        left, top, right, bottom = corners
        draw.rectangle((left - outset, top - outset, right + outset, bottom + outset), outline=colour, width=width)


def _draw_corners(draw: ImageDraw.ImageDraw, box: Box, line: int) -> None:
    arm_x, arm_y = (box.x2 - box.x1) / 4, (box.y2 - box.y1) / 4
    for width, colour in ((3 * line, _CASING), (line, _LINE)):
        for x, along_x in ((box.x1, arm_x), (box.x2, -arm_x)):
            for y, along_y in ((box.y1, arm_y), (box.y2, -arm_y)):
                draw.line([(x + along_x, y), (x, y), (x, y + along_y)], fill=colour, width=width)


@lru_cache(maxsize=64)
def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(pixels)


def _draw_caption(draw: ImageDraw.ImageDraw, caption: str, size: tuple[int, int]) -> None:
    # The first line is as large as the width lets it be; the others are notes in two thirds of its size.
    width, height = size
    first, *notes = [" ".join(line.split()) for line in caption.splitlines() if line.strip()]
    pixels = _fitting(draw, first, min(max(9, round(height / 28)), 48), width)
    rows = [(first, _font(pixels))]
    rows += [(note, _font(_fitting(draw, note, max(8, pixels * 2 // 3), width))) for note in notes]
    heights = [int(draw.textbbox((0, 0), text, font=font)[3]) for text, font in rows]
    top = height - sum(heights) - 4
    draw.rectangle((0, top, width, height), fill=_CASING)
    for (text, font), tall in zip(rows, heights, strict=True):
        draw.text((4, top + 1), text, font=font, fill=_LINE)
        top += tall


def _fitting(draw: ImageDraw.ImageDraw, text: str, pixels: int, width: int) -> int:
    while pixels > 6 and draw.textlength(text, font=_font(pixels)) > width - 8:
        pixels -= 1
    return pixels
