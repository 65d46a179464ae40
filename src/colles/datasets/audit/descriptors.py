"""Two descriptions of a picture that survive what a hash does not, without any learned network.

The layout (16 × 16 cells of local contrast) stays when a marker is painted over or grey levels are clipped. The
spectrum (magnitudes of frequencies by angle and scale, and of their waves along the angle: Fourier–Mellin; Casasent D,
Psaltis D, Appl Opt 1976; 15: 1795) does not change when a picture is moved, turned by any angle, mirrored or inverted,
and little when it is cropped.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

SIDE = 128
"""Longer side in pixels at which a picture is described."""
ANGLES, RADII = 64, 48
"""Size of a spectrum: half a turn, and scales in equal ratios."""
_PAD = 160  # pixels: SIDE with room, so that the spectrum is sampled finely enough
_REACH = 0.45 * _PAD  # the highest frequency's place
SCALE_STEP = float(np.log(_REACH) / RADII)
"""Natural logarithm of the ratio of two neighbouring scales."""
_INNER, _OUTER = 14, 44  # radii that describe: inside lies the letterbox, outside noise
_WAVES = 20  # along the angle; higher ones are noise
_CELLS = 16
_LAYOUT_SIDE = 64
SCALES = (0.85, 0.92, 1.0, 1.09, 1.18)
"""Sizes at which spectra are compared: a copy cropped by a tenth on either side is a quarter larger."""


def fit(pixels: Grey, width: int, height: int, side: int) -> Grey:
    """Resize stored pixels to the proportions of a picture of `width` × `height`, its longer side `side` pixels."""
    scale = side / max(width, height)
    size = max(8, round(width * scale)), max(8, round(height * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def layout(square: Grey) -> Floats:
    """Describe a square picture by the local contrast of 16 × 16 cells, (16, 16)."""
    small = np.asarray(cv2.resize(square, (_LAYOUT_SIDE, _LAYOUT_SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    cells = cv2.resize(_contrast(small, 1.0, 4.0, 4.0), (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    return np.asarray(cells, dtype=np.float32)


def spectrum(picture: Grey) -> Floats:
    """Return the magnitudes of a picture's frequencies by angle and scale (ANGLES, RADII).

    A turn moves it along the angle, a change of size along the radius.
    """
    height, width = picture.shape
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    room = np.zeros((_PAD, _PAD), np.float32)
    room[:height, :width] = _contrast(picture, 0.8, 3.0, 4.5) * window
    magnitude = np.log1p(np.abs(np.fft.fftshift(np.fft.fft2(room)))).astype(np.float32)
    smooth = cv2.GaussianBlur(magnitude, (0, 0), 1.0)
    centre, flags = (_PAD // 2, _PAD // 2), cv2.INTER_LINEAR | cv2.WARP_POLAR_LOG
    return np.asarray(cv2.warpPolar(smooth, (RADII, 2 * ANGLES), centre, _REACH, flags)[:ANGLES], dtype=np.float32)


def _contrast(picture: Grey, fine: float, coarse: float, around: float) -> Floats:
    # Edges over their strength nearby, cut off at 1: bright and dark regions, markers and bone weigh alike.
    values = picture.astype(np.float32)
    band = cv2.GaussianBlur(values, (0, 0), fine) - cv2.GaussianBlur(values, (0, 0), coarse)
    strength = np.sqrt(cv2.GaussianBlur(band * band, (0, 0), around))
    return np.asarray(np.clip(band / (strength + 1.0), -1.0, 1.0), dtype=np.float32)


def band(spectra: npt.NDArray[Any]) -> Floats:
    """Return the radii (N, ANGLES, R) that describe, each with mean 0 along the angle."""
    chosen = spectra[:, :, _INNER:_OUTER].astype(np.float32)
    return np.asarray(chosen - chosen.mean(axis=1, keepdims=True), dtype=np.float32)


def signatures(spectra: npt.NDArray[Any], scale: float = 1.0) -> Floats:
    """Describe spectra (N, ANGLES, RADII) whatever their turn, as if the pictures were `scale` times as large."""
    shift = np.log(scale) / SCALE_STEP
    places = np.clip(np.arange(RADII) + shift, 0, RADII - 1)
    low = np.minimum(places.astype(int), RADII - 2)
    part = (places - low).astype(np.float32)
    moved = spectra[:, :, low] * (1 - part) + spectra[:, :, low + 1] * part
    waves = np.abs(np.fft.rfft(band(moved), axis=1))[:, 1:_WAVES]
    return np.asarray(waves.reshape(len(spectra), -1), dtype=np.float32)
