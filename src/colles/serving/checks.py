"""Simple checks of a picture: what no radiograph looks like, told without a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colles.imaging.read import RawImage

_STEPS = 256  # pixels looked at along each axis for grey levels and colour
_CROP = 256  # side in pixels of the middle part whose neighbours are compared


@dataclass(frozen=True, slots=True)
class Look:
    """What is measured of one picture."""

    side: int
    """Shorter side in pixels."""
    spread: float
    """Standard deviation of the grey levels, 0–127.5."""
    smoothness: float
    """Correlation of neighbouring pixels in the middle of the picture, −1 to 1; 1 where they are all equal."""
    colour: float
    """Share of pixels whose channels differ by more than 40 of 255."""
    white: float
    """Share of pixels at the most common grey level and within 4 of it, where that level is above 200; else 0."""


def look_at(image: RawImage | NDArray[Any], grey: NDArray[np.uint8]) -> Look:
    """Measure a picture: as decoded, and its grey form (H, W)."""
    few = grey[_every(grey.shape[0]), _every(grey.shape[1])]
    return Look(min(grey.shape), float(few.std()), _smoothness(grey), _colour(image), _white(few))


def _every(length: int) -> slice:
    return slice(None, None, max(1, length // _STEPS))


def _smoothness(grey: NDArray[np.uint8]) -> float:
    top, left = (max(0, (length - _CROP) // 2) for length in grey.shape)
    middle = grey[top : top + _CROP, left : left + _CROP].astype(np.float32)
    values = middle - middle.mean()
    power = float((values**2).mean())
    if power < 0.01 or min(values.shape) < 2:
        return 1.0
    below, beside = (values[1:] * values[:-1]).mean(), (values[:, 1:] * values[:, :-1]).mean()
    return float((below + beside) / (2 * power))


def _colour(image: RawImage | NDArray[Any]) -> float:
    pixels = image.pixels if isinstance(image, RawImage) else image
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        return 0.0
    few = pixels[_every(pixels.shape[0]), _every(pixels.shape[1])]
    if few.dtype != np.uint8:
        few = few * (255.0 / max(float(few.max()), 1e-9))
    red, green, blue = few[..., 0], few[..., 1], few[..., 2]
    # By whole channels: numpy's own maximum along an axis of three took twenty times as long, longer than the decoder.
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return float((spread > 40).mean())


def _white(grey: NDArray[np.uint8]) -> float:
    counts = np.bincount(grey.reshape(-1), minlength=256)
    level = int(counts.argmax())
    return float(counts[max(0, level - 4) : level + 5].sum() / grey.size) if level > 200 else 0.0


# Chosen on every ninth image of the two public sets (752 radiographs): all pass with room to spare. Their extremes:
# shorter side 132, spread 4.3, smoothness 0.77, colour 0.00, white 0.66.
_MIN_SIDE, _MIN_SPREAD, _MIN_SMOOTHNESS, _MAX_COLOUR, _MAX_WHITE = 48, 2.5, 0.6, 0.05, 0.85


def refuse_look(look: Look) -> str | None:
    """Return why a picture is no radiograph, or None where nothing speaks against it."""
    if look.side < _MIN_SIDE:
        return f"too small: {look.side} pixels across"
    if look.spread < _MIN_SPREAD:
        return "blank: nearly one grey level"
    if look.colour > _MAX_COLOUR:
        return f"a colour picture: {look.colour:.0%} of its pixels are coloured"
    if look.smoothness < _MIN_SMOOTHNESS:
        return "noise: neighbouring pixels have little in common"
    if look.white > _MAX_WHITE:
        return f"a page or drawing: {look.white:.0%} of it is one bright level"
    return None
