"""Cheap figures of a decoded picture: grey levels, colour, border, and what its JPEG tables say.

They come from one look at the pixels at ingest, and tell odd files apart without opening them again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colles.imaging.raw import RawImage

_RING = 0.02  # of the shorter side: collimation and paper edges are wider, anatomy seldom reaches so far
_FLAT = 12  # grey levels that JPEG ringing leaves in a border of one colour
_BLACK, _BRIGHT = 9, 171  # grey levels; see docs/experiments.md, "Which radiographs are inverted?"
_SAMPLE = 250_000  # pixels that colourfulness is estimated from
# The luminance table of the JPEG standard (ITU-T T.81, table K.1), sorted: readers give it in different orders.
_STANDARD = np.fromstring(
    "10 11 12 12 13 14 14 14 16 16 16 17 18 19 22 22 24 24 24 26 29 35 37 40 40 49 51 51 55 55 56 56 57 58 60 "
    "61 62 64 64 68 69 72 77 78 80 81 87 87 92 92 95 98 99 100 101 103 103 103 104 109 112 113 120 121 ",
    dtype=int,
    sep=" ",
)


def grey_figures(grey: NDArray[np.uint8]) -> dict[str, float]:
    """Describe grey levels (0–255) and border of a picture (H, W).

    Mean, spread, 1st and 99th percentile; `bright_share`: share above 170 of the pixels that are not black (above 8,
    since a turned picture has black corners); `border_grey`: mean of the outermost ring; `border_width`: lines of one
    grey at the edges as a share of the axis (0–0.5), mean of the four sides.
    """
    mean, deviation = cv2.meanStdDev(grey)
    counts = np.ravel(cv2.calcHist([grey], [0], None, [256], [0, 256]))
    shares = np.cumsum(counts) / grey.size
    return {
        "mean_grey": round(float(np.ravel(mean)[0]), 3),
        "sd_grey": round(float(np.ravel(deviation)[0]), 3),
        "low_grey": float(np.searchsorted(shares, 0.01)),
        "high_grey": float(np.searchsorted(shares, 0.99)),
        "bright_share": round(float(counts[_BRIGHT:].sum() / max(1.0, counts[_BLACK:].sum())), 4),
        "border_grey": round(_border_grey(grey), 3),
        "border_width": round(_border_width(grey), 4),
    }


def _border_grey(grey: NDArray[np.uint8]) -> float:
    ring = max(1, round(_RING * min(grey.shape)))
    sides = (grey[:ring], grey[-ring:], grey[ring:-ring, :ring], grey[ring:-ring, -ring:])
    return float(sum(int(side.sum(dtype=np.int64)) for side in sides) / max(1, sum(side.size for side in sides)))


def _border_width(grey: NDArray[np.uint8]) -> float:
    shares = []
    for axis in (0, 1):
        low, high = grey.min(axis=1 - axis).astype(int), grey.max(axis=1 - axis).astype(int)
        for lows, highs in ((low, high), (low[::-1], high[::-1])):
            # Together with the lines before it a line must still be of one grey.
            spread = np.maximum.accumulate(highs) - np.minimum.accumulate(lows)
            lines = int(np.argmax(spread > _FLAT)) if (spread > _FLAT).any() else len(spread)
            shares.append(min(0.5, lines / len(spread)))
    return float(np.mean(shares))


def colourfulness(pixels: NDArray[Any]) -> float:
    """Return how colourful pixels (H, W, 3) are: 0 for grey, about 15 slightly, above 45 quite colourful.

    The measure M of Hasler and Süsstrunk (Human Vision and Electronic Imaging, 2003), with 255 as full scale.
    """
    if pixels.ndim != 3:
        return 0.0
    step = max(1, int((pixels.shape[0] * pixels.shape[1] / _SAMPLE) ** 0.5))
    sample = pixels[::step, ::step].astype(np.float32)
    if pixels.dtype != np.uint8:
        sample *= 255.0 / max(1.0, float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind == "u" else sample.max())
    red, green, blue = sample[..., 0], sample[..., 1], sample[..., 2]
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = float(np.hypot(red_green.std(), yellow_blue.std()))
    return spread + 0.3 * float(np.hypot(red_green.mean(), yellow_blue.mean()))


def jpeg_quality(luminance: Sequence[int]) -> int:
    """Estimate libjpeg's quality setting (1–100) from the luminance table (64 values).

    Takes the setting whose table, the standard's scaled as `jpeg_quality_scaling` of libjpeg does, is as coarse in sum;
    of equals the best.
    """
    return int(100 - np.argmin(np.abs(_SUMS[::-1] - sum(luminance))))


def _table_sum(quality: int) -> int:
    scale = 200 - 2 * quality if quality >= 50 else 5000 // quality
    return int(np.clip((_STANDARD * scale + 50) // 100, 1, 255).sum())


_SUMS = np.array([_table_sum(quality) for quality in range(1, 101)])


def jpeg_figures(tables: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Return the estimated quality and a digest (16 hexadecimal digits) of the quantisation tables; nulls for none."""
    if not tables:
        return {"jpeg_quality": None, "jpeg_tables": None}
    text = ";".join(",".join(map(str, table)) for table in tables)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return {"jpeg_quality": jpeg_quality(tables[0]), "jpeg_tables": digest}


def describe_picture(image: RawImage, grey: NDArray[np.uint8]) -> dict[str, Any]:
    """Return all figures of a decoded picture; `grey` is what `to_grey` makes of it."""
    return {
        "file_format": image.file_format,
        "colour_mode": image.mode,
        "frames": image.frames,
        "orientation": image.orientation,
        **grey_figures(grey),
        "colourfulness": round(colourfulness(image.pixels), 3),
        **jpeg_figures(image.tables),
    }
