"""Heat maps: from the network's canvas back to the image, to 0–1, and to the place of the highest value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from colles.imaging.preprocess import Placement
from colles.imaging.resize import resize

FloatMap = NDArray[np.float32]


def unletterbox(heat: NDArray[Any], placement: Placement) -> FloatMap:
    """Return a map (h, w) of the whole canvas as (H, W) float32 of the image, without the padding.

    Cells are taken as areas: cell centres lie half a cell inside the edge. Growing is linear, shrinking by area.
    """
    cells = _as_map(heat)
    canvas = resize(cells, placement.size, placement.size)
    top, left = placement.pad_y, placement.pad_x
    inner = canvas[top : top + placement.inner_height, left : left + placement.inner_width]
    return resize(inner, placement.width, placement.height)


def normalise(heat: NDArray[Any]) -> FloatMap:
    """Map the lowest value to 0 and the highest to 1; a constant map becomes 0 everywhere.

    NaN and infinities count as the lowest finite value.
    """
    values = np.asarray(heat, dtype=np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(values.shape, np.float32)
    low, high = float(values[finite].min()), float(values[finite].max())
    if high <= low:
        return np.zeros(values.shape, np.float32)
    return ((np.where(finite, values, low) - low) / (high - low)).astype(np.float32)


def peak(heat: NDArray[Any]) -> tuple[int, int]:
    """Return column and row (x, y) of the highest value, so that `heat[y, x]` is the maximum; of equals the first."""
    values = np.where(np.isfinite(heat), heat, -np.inf)
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return int(column), int(row)


def _as_map(heat: NDArray[Any]) -> FloatMap:
    values = np.ascontiguousarray(heat, dtype=np.float32)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"a map has the shape (h, w), not {values.shape}")
    return values
