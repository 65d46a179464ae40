"""What a display shutter hides of a DICOM picture (PS3.3, C.7.6.11): a viewer shows black there, not what is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_FARTHEST = 1 << 20  # pixels: OpenCV counts in 32 bits, and no picture is so large
_MOST = 256  # corners: OpenCV takes minutes for thousands
_EDGES = ("ShutterLeftVerticalEdge", "ShutterUpperHorizontalEdge",
          "ShutterRightVerticalEdge", "ShutterLowerHorizontalEdge")  # fmt: skip

Mask = NDArray[np.uint8]


def behind_shutter(ds: Any, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """Return which pixels (H, W) lie outside of any shape of the shutter; None without one.

    A shape without sense, or one that leaves nothing of the picture, hides nothing.
    """
    words = ds.get("ShutterShape") or ()
    named = {words} if isinstance(words, str) else set(words)
    openings = [_opening(ds, draw, shape) for word, draw in _OPENINGS.items() if word in named]
    found = [opening for opening in openings if opening is not None]
    return np.logical_not(np.bitwise_and.reduce(found)) if found else None


def _opening(ds: Any, draw: Callable[[Any, Mask], None], shape: tuple[int, ...]) -> Mask | None:
    opening = np.zeros(shape, np.uint8)
    try:
        draw(ds, opening)
    except (TypeError, ValueError, OverflowError, cv2.error):  # its numbers are missing or none
        return None
    return opening if opening.any() else None


def _rectangle(ds: Any, opening: Mask) -> None:
    left, upper, right, lower = (int(ds.get(name)) for name in _EDGES)  # columns and rows, from 1
    opening[max(0, upper - 1) : max(0, lower), max(0, left - 1) : max(0, right)] = 1


def _circle(ds: Any, opening: Mask) -> None:
    (centre,) = _points(ds.get("CenterOfCircularShutter"))
    cv2.circle(opening, centre.tolist(), min(int(ds.get("RadiusOfCircularShutter")), _FARTHEST), 1, cv2.FILLED)


def _polygon(ds: Any, opening: Mask) -> None:
    points = _points(ds.get("VerticesOfThePolygonalShutter"))
    if 2 < len(points) <= _MOST:
        cv2.fillPoly(opening, [points], (1,))


def _points(values: Any) -> NDArray[np.int32]:
    """Return pixels x, y from 0 of rows and columns that count from 1."""
    pairs = np.asarray([int(value) for value in values], np.int64).reshape(-1, 2)[:, ::-1] - 1
    return np.ascontiguousarray(pairs.clip(-_FARTHEST, _FARTHEST), np.int32)


_OPENINGS: dict[str, Callable[[Any, Mask], None]] = {
    "RECTANGULAR": _rectangle,
    "CIRCULAR": _circle,
    "POLYGONAL": _polygon,
}
