"""Heat maps: from the network's canvas back to the image, to the place of the highest value, and to candidate boxes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colles.core.records import Box
from colles.imaging.preprocess import Placement
from colles.imaging.resize import resize

FloatMap = NDArray[np.float32]
Point = tuple[float, float]

BOX_LEVEL = 0.33
"""A candidate reaches to this share of its peak: a Gaussian whose σ is a third of the box falls to exp(−9/8) = 0.32."""
_FINE = 4  # a candidate's edges are found on a grid this many times finer than the cells


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that a map points at."""

    box: Box
    """In pixels of the image, inside it."""
    x: float
    """The peak, in pixels of the image."""
    y: float
    score: float
    """0–1: the map's value at the peak, or that value's share of the highest times the image's score."""

    def row(self) -> dict[str, float]:
        """Return corners, peak and score, rounded to hundredths of a pixel."""
        box = self.box
        places = {"x1": box.x1, "y1": box.y1, "x2": box.x2, "y2": box.y2, "x": self.x, "y": self.y}
        return {**{name: round(value, 2) for name, value in places.items()}, "score": round(self.score, 6)}


def unletterbox(heat: NDArray[Any], placement: Placement) -> FloatMap:
    """Return a map (h, w) of the whole canvas as (H, W) float32 of the image, without the padding.

    Cells are taken as areas: cell centres lie half a cell inside the edge. Growing is linear, shrinking by area.
    """
    cells = _as_map(heat)
    canvas = resize(cells, placement.size, placement.size)
    top, left = placement.pad_y, placement.pad_x
    inner = canvas[top : top + placement.inner_height, left : left + placement.inner_width]
    return resize(inner, placement.width, placement.height)


def at_most(placement: Placement, longer_side: int) -> Placement:
    """Return the placement of the same image at a size whose longer side is at most `longer_side` pixels."""
    share = longer_side / max(placement.width, placement.height)
    if share >= 1:
        return placement
    width, height = max(1, round(placement.width * share)), max(1, round(placement.height * share))
    scale_x, scale_y = placement.inner_width / width, placement.inner_height / height
    return replace(placement, width=width, height=height, scale_x=scale_x, scale_y=scale_y)


def cells_on_image(placement: Placement, rows: int, columns: int) -> NDArray[np.bool_]:
    """Mark the cells of the canvas, cut into so many rows and columns, that do not lie wholly in the padding."""
    keep = np.zeros((rows, columns), bool)
    top, bottom = placement.pad_y, placement.pad_y + placement.inner_height
    left, right = placement.pad_x, placement.pad_x + placement.inner_width
    first_row, last_row = top * rows // placement.size, -(-bottom * rows // placement.size)
    first_column, last_column = left * columns // placement.size, -(-right * columns // placement.size)
    keep[first_row:last_row, first_column:last_column] = True
    return keep


def covered(placement: Placement) -> tuple[float, float, float, float]:
    """Return the rectangle x1, y1, x2, y2 of the image's plane that the whole canvas covers, padding included."""
    return (*placement.to_image_xy(0, 0), *placement.to_image_xy(placement.size, placement.size))


def peak(heat: NDArray[Any]) -> tuple[int, int]:
    """Return column and row (x, y) of the highest value, so that `heat[y, x]` is the maximum; of equals the first."""
    values = np.where(np.isfinite(heat), heat, -np.inf)
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return int(column), int(row)


def locate_peak(heat: NDArray[Any], placement: Placement) -> Point | None:
    """Return the peak (x, y) of a canvas map (h, w) in pixels of the image, refined below the cell.

    Cells that lie wholly in the padding do not count. None where the map is zero everywhere on the image.
    """
    cells = _on_image(heat, placement)
    column, row = peak(cells)
    return _to_image(refine(cells, column, row), cells, placement) if cells[row, column] > 0 else None


def peak_distance(one: Point | None, other: Point | None, placement: Placement) -> float:
    """Return how far two peaks (x, y) lie apart, as a share of the image's longer side; 1 where only one is there."""
    if one is None or other is None:
        return 0.0 if one is other else 1.0
    return float(np.hypot(one[0] - other[0], one[1] - other[1]) / max(placement.width, placement.height))


def refine(heat: NDArray[Any], column: int, row: int) -> Point:
    """Return the centroid of the 3 × 3 cells about a cell, weighted by their values above 0, in cells.

    The centre of cell (0, 0) is (0.5, 0.5).
    """
    top, left = max(0, row - 1), max(0, column - 1)
    near = np.clip(heat[top : row + 2, left : column + 2].astype(np.float64), 0, None)
    rows, columns = np.mgrid[top : top + near.shape[0], left : left + near.shape[1]] + 0.5
    total = float(near.sum())
    if total <= 0:
        return column + 0.5, row + 0.5
    return float((near * columns).sum() / total), float((near * rows).sum() / total)


def candidate_boxes(
    heat: NDArray[Any], placement: Placement, *, top: float | None = None, limit: int = 5, floor: float = 0.1
) -> list[Candidate]:
    """Return the places that a non-negative canvas map (h, w) points at, best first.

    A candidate is a local maximum of at least `floor` times the highest value; its box bounds the places about it
    that reach `BOX_LEVEL` of it. A maximum inside an earlier candidate's region is the same candidate. `top` is what
    the highest place scores (the image's score, say); None where the map's values are probabilities themselves.
    """
    cells = _on_image(heat, placement)
    scale = 1.0 if top is None else top / max(float(cells.max()), 1e-12)
    fine = resize(cells, cells.shape[1] * _FINE, cells.shape[0] * _FINE)
    taken = np.zeros(fine.shape, bool)
    found: list[Candidate] = []
    for column, row in _maxima(cells, floor):
        x, y = min((column * _FINE) + _FINE // 2, fine.shape[1] - 1), min(row * _FINE + _FINE // 2, fine.shape[0] - 1)
        if taken[y, x]:
            continue
        region = _region(fine, x, y)
        taken |= region
        value = float(cells[row, column])
        found.append(
            _candidate(region, _to_image(refine(cells, column, row), cells, placement), placement, value * scale)
        )
        if len(found) == limit:
            break
    return found


def _maxima(cells: FloatMap, floor: float) -> list[tuple[int, int]]:
    highest = float(cells.max())
    if highest <= 0:
        return []
    around = cv2.dilate(cells, np.ones((3, 3), np.uint8))
    rows, columns = np.nonzero((cells >= around) & (cells >= floor * highest) & (cells > 0))
    order = np.argsort(-cells[rows, columns], kind="stable")
    return [(int(columns[i]), int(rows[i])) for i in order]


def _region(fine: FloatMap, x: int, y: int) -> NDArray[np.bool_]:
    # Growing is linear, so the fine grid's value at the peak's cell is a little below the cell's own.
    above = (fine >= BOX_LEVEL * fine[y, x]).astype(np.uint8)
    _, labels = cv2.connectedComponents(above, connectivity=4)
    return np.asarray(labels == labels[y, x])


def _candidate(region: NDArray[np.bool_], point: Point, placement: Placement, score: float) -> Candidate:
    rows, columns = np.nonzero(region)
    step_x, step_y = placement.size / region.shape[1], placement.size / region.shape[0]
    x1, y1 = placement.to_image_xy(columns.min() * step_x, rows.min() * step_y)
    x2, y2 = placement.to_image_xy((columns.max() + 1) * step_x, (rows.max() + 1) * step_y)
    right, bottom = float(placement.width), float(placement.height)
    box = Box(x1=max(0.0, x1), y1=max(0.0, y1), x2=min(right, x2), y2=min(bottom, y2))
    return Candidate(box, point[0], point[1], score)


def _to_image(point: Point, cells: FloatMap, placement: Placement) -> Point:
    x, y = point[0] * placement.size / cells.shape[1], point[1] * placement.size / cells.shape[0]
    x, y = placement.to_image_xy(x, y)
    # A pixel (i, j) covers i to i + 1; the point stays inside the last one, also where it is written to a hundredth.
    return min(max(0.0, x), placement.width - 0.01), min(max(0.0, y), placement.height - 0.01)


def _on_image(heat: NDArray[Any], placement: Placement) -> FloatMap:
    # Zero where a cell lies wholly in the padding; NaN and infinities count as 0.
    cells = np.clip(np.nan_to_num(_as_map(heat), nan=0.0, posinf=0.0, neginf=0.0), 0, None)
    return np.where(cells_on_image(placement, *cells.shape), cells, np.float32(0))


def _as_map(heat: NDArray[Any]) -> FloatMap:
    values = np.ascontiguousarray(heat, dtype=np.float32)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"a map has the shape (h, w), not {values.shape}")
    return values
