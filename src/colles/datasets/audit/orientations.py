"""The eight ways in which a picture can be turned by quarters and mirrored, as indices, words and matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

ORIENTATIONS = (
    "as it is",
    "rotated by 90°",
    "rotated by 180°",
    "rotated by 270°",
    "mirrored",
    "mirrored and rotated by 90°",
    "mirrored and rotated by 180°",
    "mirrored and rotated by 270°",
)
_QUARTER = np.array(
    [[0, 1], [-1, 0]]
)  # numpy's rot90 takes a point right of the middle to one above it (y points down)
_MIRROR = np.diag([-1, 1])
MATRICES: tuple[npt.NDArray[np.int64], ...] = tuple(
    (_MIRROR if index >= 4 else np.eye(2, dtype=np.int64)) @ np.linalg.matrix_power(_QUARTER, index % 4)
    for index in range(len(ORIENTATIONS))
)
"""Where a point (x, y) goes that is measured from the middle of the picture."""
_INDEX = {matrix.tobytes(): index for index, matrix in enumerate(MATRICES)}


def orient(pixels: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Turn square pictures (…, S, S) by `orientation % 4` quarter turns, then mirror them where it is 4 or more."""
    turned = np.rot90(pixels, orientation % 4, axes=(-2, -1))
    return turned[..., ::-1] if orientation >= 4 else turned


def orientation_of(matrix: npt.NDArray[np.int64]) -> int:
    """Return the index of a matrix of quarter turns and mirrorings."""
    return _INDEX[np.ascontiguousarray(matrix, dtype=np.int64).tobytes()]
