"""Boxes on a canvas to the map that a location head learns: a Gaussian a box, 1 in the cell of its centre."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
"""(k, 4): x1, y1, x2, y2 in canvas pixels."""
LEAST_SIGMA = 0.6
"""Cells."""
MOST_BOXES = 8
"""Of an image in a batch."""


def location_target(boxes: Boxes, size: int, stride: int) -> NDArray[np.float32]:
    """Return the target (1, h, w), 0–1, for a canvas of `size` pixels; the deviation is a third of the box's side.

    Boxes whose centre lies outside the canvas are left out.
    """
    cells = -(-size // stride)
    target = np.zeros((cells, cells), np.float32)
    places = np.arange(cells, dtype=np.float32)
    for x1, y1, x2, y2 in boxes_inside(boxes, size):
        column, row = int((x1 + x2) / 2 / stride), int((y1 + y2) / 2 / stride)
        wide, high = (max(LEAST_SIGMA, side / stride / 3) for side in (x2 - x1, y2 - y1))
        along_x = np.exp(-0.5 * ((places - column) / wide) ** 2)
        along_y = np.exp(-0.5 * ((places - row) / high) ** 2)
        np.maximum(target, along_y[:, None] * along_x[None, :], out=target)
    return target[None]


def boxes_inside(boxes: Boxes, size: int) -> Boxes:
    """Return the boxes whose centre lies on the canvas."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    return boxes[((centre >= 0) & (centre < size)).all(axis=1)]


def padded(boxes: Boxes) -> Boxes:
    """Return the first boxes as (8, 4), NaN where there are no more, so that a batch can hold them."""
    rows = np.full((MOST_BOXES, 4), np.nan, np.float32)
    first = boxes[:MOST_BOXES]
    rows[: len(first)] = first
    return rows
