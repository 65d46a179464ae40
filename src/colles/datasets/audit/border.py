"""The even surroundings of a radiograph: what shutters, a round field or a turned canvas leave around the picture.

Their edges are no anatomy: two different wrists in the same round field agree along its whole rim.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

_STEP = 8  # pixels between the points of the outline from which the surroundings are looked for
_EVEN = 0.015, 1, 4  # grey levels that they may vary by: a share of the picture's range, at least, at most
_LEAST = 0.005  # share of the picture below which it is only a spot

Mask = npt.NDArray[np.uint8]


def surroundings(square: npt.NDArray[np.uint8]) -> Mask:
    """Mark by 255 the even areas of a square grey picture (S, S) that touch its outline."""
    side = square.shape[0]
    share, least, most = _EVEN
    low, high = np.percentile(square, (1, 99))
    even = float(np.clip(share * (high - low), least, most))
    seen, found = np.zeros((side + 2, side + 2), np.uint8), np.zeros((side, side), np.uint8)
    pixels, flags = np.ascontiguousarray(square), 4 | (255 << 8) | cv2.FLOODFILL_FIXED_RANGE | cv2.FLOODFILL_MASK_ONLY
    for x, y in _outline(side):
        if seen[y + 1, x + 1]:
            continue
        before = seen.copy()
        area = cv2.floodFill(pixels, seen, (x, y), 0, even, even, flags)[0]
        if area >= _LEAST * square.size:
            found |= (seen & ~before)[1:-1, 1:-1]
    return found


def _outline(side: int) -> list[tuple[int, int]]:
    along = range(0, side, _STEP)
    return [place for at in along for place in ((at, 0), (at, side - 1), (0, at), (side - 1, at))]
