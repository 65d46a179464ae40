"""Resize without aliasing and without blur: shrink by area, grow linearly, each axis by what it needs."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def resize(values: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """Return (height, width) of the same type from a (H, W) array.

    OpenCV's area mode samples points on both axes as soon as one of them grows, so the shrinking axes go first.
    """
    smaller = (min(width, values.shape[1]), min(height, values.shape[0]))
    if smaller != values.shape[::-1]:
        values = cv2.resize(np.ascontiguousarray(values), smaller, interpolation=cv2.INTER_AREA)
    if values.shape != (height, width):
        values = cv2.resize(np.ascontiguousarray(values), (width, height), interpolation=cv2.INTER_LINEAR)
    return values
