"""Compare two pictures by their fine structure: the second opinion on pictures whose hashes are near.

Radiographs of the same part in the same pose correlate at 0.98 whoever the patient is, so plain correlation cannot
tell copies from strangers. What remains between two blurs (edges, trabeculae, joint spaces) can.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

CANVAS = 192  # pixels a side: the smallest at which the planted copies and the strangers of docs/experiments.md part
_FINE, _COARSE = 1.0, 4.0  # standard deviations of the two blurs, in canvas pixels
_CLIP = 97.0  # percentile of the strength at which it is cut off, so that a burnt-in marker does not decide
_SHIFT = 6  # pixels by which the pictures may be displaced
_FLAT_GREY = 1.5  # standard deviation in grey levels of 256 under which a picture shows nothing
_FLAT_DETAIL = 0.05  # the same for its fine structure


def detail(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the fine structure of a canvas (S, S)."""
    sharp = cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), _FINE)
    band = sharp - cv2.GaussianBlur(sharp, (0, 0), _COARSE)
    limit = float(np.percentile(np.abs(band), _CLIP))
    return np.asarray(np.clip(band, -limit, limit), dtype=np.float32)


def is_flat(pixels: npt.NDArray[np.uint8]) -> bool:
    """Tell whether a canvas shows nothing that could be compared: blank, or nearly of one grey."""
    return bool(pixels.std() < _FLAT_GREY or detail(pixels).std() < _FLAT_DETAIL)


def correlation(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> float:
    """Return the best normalised cross-correlation (−1 to 1) of two fine structures over small displacements."""
    middle = np.ascontiguousarray(first[_SHIFT:-_SHIFT, _SHIFT:-_SHIFT])
    if middle.std() < _FLAT_DETAIL or second.std() < _FLAT_DETAIL:
        return 0.0  # OpenCV calls a constant picture a perfect match
    found = cv2.matchTemplate(np.ascontiguousarray(second), middle, cv2.TM_CCOEFF_NORMED)
    return float(np.clip(found.max(), -1.0, 1.0))
