"""Improve a placement by the shifts of its blocks: each block looks for its place nearby, most of them have to agree.

A maximum of the correlation of whole pictures (ECC) goes astray where a marker was painted over one of them, and stops
short where the start is a few pixels off; blocks that hold something else are outvoted here. Only ECC finds a stretch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from colles.datasets.audit.descriptors import Floats, Grey

Matrix = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

_BLOCKS = 8  # along the longer side; blocks overlap by half
_LEAST_SIDE, _LEAST_REACH = 16, 3  # pixels of a block, and by how many it may be off
_FULL = 0.7  # share of a block that has to be covered
_EMPTY = 0.02  # standard deviation of edges (−1 to 1) below which a block shows nothing
_FOUND = 0.4  # correlation at which a block has found its place
_APART = 1.0  # pixels by which a block may miss the common placement
_ROUNDS = 2
_STEPS = 40  # of ECC
_PERCENTILE = 97.0  # of the strength of edges, beyond which they are cut off


@dataclass(frozen=True)
class _Grid:
    side: int
    reach: int
    corners: tuple[tuple[int, int], ...]
    """x, y of the upper left pixels of the blocks."""

    @classmethod
    def over(cls, shape: tuple[int, ...]) -> _Grid:
        side = max(_LEAST_SIDE, max(shape) // _BLOCKS)
        reach = max(_LEAST_REACH, side // 4)
        rows, columns = (range(reach, length - side - reach + 1, side // 2) for length in shape[:2])
        return cls(side, reach, tuple((x, y) for y in rows for x in columns))


def refine(first: Grey, second: Grey, matrix: Matrix) -> Matrix:
    """Return a placement of the second picture on the first with turn, size and place improved.

    What is squeezed or mirrored stays so. Where too few blocks agree, the placement comes back as it was.
    """
    edges = clipped_band(first, 1.0, 4.0)
    grid = _Grid.over(edges.shape)
    for _ in range(_ROUNDS):
        here, there = _shifts(edges, second, matrix, grid)
        if len(here) < 4:
            return matrix
        # Random samples: OpenCV draws the same ones every time.
        found, _ = cv2.estimateAffinePartial2D(
            here, there, method=cv2.RANSAC, ransacReprojThreshold=_APART, maxIters=500
        )
        if found is None:
            return matrix
        matrix = np.asarray(np.vstack([found, [0, 0, 1]]) @ matrix, dtype=np.float64)
    return matrix


def stretch(first: Grey, second: Grey, matrix: Matrix) -> Matrix:
    """Improve a placement that is nearly right, with stretch and shear, by the correlation of edges.

    ECC (Evangelidis, Psarakis, PAMI 2008). The placement comes back as it was where that does not converge.
    """
    start = np.linalg.inv(matrix)[:2].astype(np.float32)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, _STEPS, 1e-4)
    try:
        one, other = clipped_band(first, 1.5, 8.0), clipped_band(second, 1.5, 8.0)
        everywhere = np.full(other.shape, 255, np.uint8)
        _, found = cv2.findTransformECC(one, other, start, cv2.MOTION_AFFINE, criteria, everywhere, 3)
        return np.asarray(np.linalg.inv(np.vstack([found, [0, 0, 1]])), dtype=np.float64)
    except (cv2.error, np.linalg.LinAlgError):
        return matrix


def _shifts(edges: Floats, second: Grey, matrix: Matrix, grid: _Grid) -> tuple[Floats, Floats]:
    # Middles (B, 2) of blocks of the second picture, as it lies now and where the first picture looks like them.
    size = edges.shape[1], edges.shape[0]
    laid = cv2.warpAffine(second, matrix[:2], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    covered = inside(second.shape, matrix, size, 3)
    others = clipped_band(np.asarray(laid, np.uint8), 1.0, 4.0) * covered
    corners = _telling(others, covered, grid)
    if not len(corners):
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    fields = np.stack([_field(edges, others, x, y, grid) for x, y in corners.tolist()])
    width = fields.shape[2]
    best = fields.reshape(len(fields), -1).argmax(1)
    peak = best // width, best % width
    value = fields[np.arange(len(fields)), *peak]
    moved = np.stack([_between(fields, peak, axis=1), _between(fields, peak, axis=0)], axis=1) - grid.reach
    middles = corners + (grid.side - 1) / 2
    found = value >= _FOUND
    return np.asarray(middles[found], np.float32), np.asarray((middles + moved)[found], np.float32)


def _telling(others: Floats, covered: npt.NDArray[np.bool_], grid: _Grid) -> Numbers:
    # Corners of the blocks that are covered and show something, (B, 2), by sums over rectangles.
    corners = np.array(grid.corners, np.int64).reshape(-1, 2)
    sums, squares = cv2.integral2(others, sdepth=cv2.CV_64F, sqdepth=cv2.CV_64F)
    parts = cv2.integral(covered.astype(np.uint8)), sums, squares
    count, mean, square = (_over(np.asarray(part), corners, grid.side) / grid.side**2 for part in parts)
    return corners[(count >= _FULL) & (square - mean**2 >= _EMPTY**2)]


def _over(integral: npt.NDArray[Any], corners: Numbers, side: int) -> npt.NDArray[Any]:
    x, y = corners.T
    return np.asarray(integral[y + side, x + side] - integral[y, x + side] - integral[y + side, x] + integral[y, x])


def _field(edges: Floats, others: Floats, x: int, y: int, grid: _Grid) -> Floats:
    # How well a block agrees with the first picture at every place within reach.
    around = edges[y - grid.reach : y + grid.side + grid.reach, x - grid.reach : x + grid.side + grid.reach]
    block = others[y : y + grid.side, x : x + grid.side]
    return np.asarray(cv2.matchTemplate(around, block, cv2.TM_CCOEFF_NORMED), np.float32)


def _between(fields: Floats, peak: tuple[Numbers, Numbers], *, axis: int) -> npt.NDArray[np.float64]:
    # Where the peak lies along one axis (0 rows, 1 columns), between the samples by a parabola.
    each, place, last = np.arange(len(fields)), peak[axis], fields.shape[1 + axis] - 1
    step = np.eye(2, dtype=np.int64)[axis]
    at = [fields[each, *(np.clip(peak[k] + sign * step[k], 0, last) for k in (0, 1))] for sign in (-1, 0, 1)]
    within = (place > 0) & (place < last)
    off = vertex(*(value.astype(np.float64) for value in at))
    return np.asarray(place + np.where(within, off, 0.0), np.float64)


def vertex(before: Any, here: Any, after: Any) -> Any:
    """Return where a parabola through three samples has its peak, −0.5 to 0.5 samples from the middle one."""
    curve = np.asarray(before - 2 * here + after)
    return np.clip(0.5 * (before - after) / np.where(curve == 0, np.inf, curve), -0.5, 0.5)


def clipped_band(pixels: Grey, fine: float, coarse: float) -> Floats:
    """Return the structure between two blurs, cut off at the 97th percentile of its strength, −1 to 1.

    Radiographs of one part in one pose correlate at 0.98 whoever the patient is; edges and trabeculae do not. Cutting
    off keeps a burnt-in marker from deciding.
    """
    values = pixels.astype(np.float32)
    edges = cv2.GaussianBlur(values, (0, 0), fine) - cv2.GaussianBlur(values, (0, 0), coarse)
    strength = np.abs(edges).ravel()
    place = int(_PERCENTILE / 100 * (len(strength) - 1))
    limit = float(np.partition(strength, place)[place]) + 1e-3
    return np.asarray(np.clip(edges / limit, -1.0, 1.0), dtype=np.float32)


def inside(shape: tuple[int, ...], matrix: Matrix, size: tuple[int, int], margin: int) -> npt.NDArray[np.bool_]:
    """Mark the pixels of a canvas (width, height) that a picture of `shape` covers, less a margin."""
    full = np.full(shape[:2], 255, np.uint8)
    covered = (cv2.warpAffine(full, matrix[:2], size, flags=cv2.INTER_LINEAR) > 250).astype(np.uint8)
    kernel = np.ones((margin, margin), np.uint8)
    return np.asarray(cv2.erode(covered, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0), dtype=bool)
