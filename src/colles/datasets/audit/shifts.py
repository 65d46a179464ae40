"""Improve a placement by the shifts of its blocks: each block looks for its place nearby, most of them have to agree.

A maximum of the correlation of whole pictures (ECC) goes astray where a marker was painted over one of them, and stops
short where the start is a few pixels off; blocks that hold something else are outvoted here. Only ECC finds a stretch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from colles.datasets.audit.descriptors import Floats, Grey

Matrix = npt.NDArray[np.float64]

_BLOCKS = 8  # along the longer side; blocks overlap by half
_LEAST_SIDE, _LEAST_REACH = 16, 3  # pixels of a block, and by how many it may be off
_FULL = 0.7  # share of a block that has to be covered
_EMPTY = 0.02  # standard deviation of edges (−1 to 1) below which a block shows nothing
_FOUND = 0.4  # correlation at which a block has found its place
_APART = 1.0  # pixels by which a block may miss the common placement
_ROUNDS = 2


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
        pairs = list(_shifts(edges, second, matrix, grid))
        if len(pairs) < 4:
            return matrix
        here, there = (np.array(side, np.float32) for side in zip(*pairs, strict=True))
        # Random samples: OpenCV draws the same ones every time.
        found, _ = cv2.estimateAffinePartial2D(
            here, there, method=cv2.RANSAC, ransacReprojThreshold=_APART, maxIters=500
        )
        if found is None:
            return matrix
        matrix = np.asarray(np.vstack([found, [0, 0, 1]]) @ matrix, dtype=np.float64)
    return matrix


def stretch(first: Grey, second: Grey, matrix: Matrix, *, steps: int) -> Matrix:
    """Improve a placement that is nearly right, with stretch and shear, by the correlation of edges.

    ECC (Evangelidis, Psarakis, PAMI 2008). The placement comes back as it was where that does not converge.
    """
    start = np.linalg.inv(matrix)[:2].astype(np.float32)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, steps, 1e-4)
    try:
        one, other = clipped_band(first, 1.5, 8.0), clipped_band(second, 1.5, 8.0)
        everywhere = np.full(other.shape, 255, np.uint8)
        _, found = cv2.findTransformECC(one, other, start, cv2.MOTION_AFFINE, criteria, everywhere, 3)
        return np.asarray(np.linalg.inv(np.vstack([found, [0, 0, 1]])), dtype=np.float64)
    except (cv2.error, np.linalg.LinAlgError):
        return matrix


def _shifts(
    edges: Floats, second: Grey, matrix: Matrix, grid: _Grid
) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    # Middles of blocks of the second picture, as it lies now and where the first picture looks like them.
    size = edges.shape[1], edges.shape[0]
    laid = cv2.warpAffine(second, matrix[:2], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    covered = inside(second.shape, matrix, size, 3)
    others = clipped_band(np.asarray(laid, np.uint8), 1.0, 4.0) * covered
    for x, y in grid.corners:
        block = slice(y, y + grid.side), slice(x, x + grid.side)
        if covered[block].mean() < _FULL or others[block].std() < _EMPTY:
            continue
        around = edges[y - grid.reach : y + grid.side + grid.reach, x - grid.reach : x + grid.side + grid.reach]
        field = np.asarray(cv2.matchTemplate(around, others[block], cv2.TM_CCOEFF_NORMED), np.float32)
        row, column = np.unravel_index(int(field.argmax()), field.shape)
        if field[row, column] >= _FOUND:
            middle = x + (grid.side - 1) / 2, y + (grid.side - 1) / 2
            right, down = column + _between(field[row], column), row + _between(field[:, column], row)
            yield middle, (middle[0] + right - grid.reach, middle[1] + down - grid.reach)


def _between(line: Floats, place: np.intp) -> float:
    if not 0 < place < len(line) - 1:
        return 0.0
    return vertex(float(line[place - 1]), float(line[place]), float(line[place + 1]))


def vertex(before: float, here: float, after: float) -> float:
    """Return where a parabola through three samples has its peak, −0.5 to 0.5 samples from the middle one."""
    curve = before - 2 * here + after
    return 0.0 if curve == 0 else float(np.clip(0.5 * (before - after) / curve, -0.5, 0.5))


def clipped_band(pixels: Grey, fine: float, coarse: float, percentile: float = 97.0) -> Floats:
    """Return the structure between two blurs, cut off at a percentile of its strength, −1 to 1.

    Radiographs of one part in one pose correlate at 0.98 whoever the patient is; edges and trabeculae do not. Cutting
    off keeps a burnt-in marker from deciding.
    """
    values = pixels.astype(np.float32)
    edges = cv2.GaussianBlur(values, (0, 0), fine) - cv2.GaussianBlur(values, (0, 0), coarse)
    limit = float(np.percentile(np.abs(edges), percentile)) + 1e-3
    return np.asarray(np.clip(edges / limit, -1.0, 1.0), dtype=np.float32)


def inside(shape: tuple[int, ...], matrix: Matrix, size: tuple[int, int], margin: int) -> npt.NDArray[np.bool_]:
    """Mark the pixels of a canvas (width, height) that a picture of `shape` covers, less a margin."""
    full = np.full(shape[:2], 255, np.uint8)
    covered = (cv2.warpAffine(full, matrix[:2], size, flags=cv2.INTER_LINEAR) > 250).astype(np.uint8)
    kernel = np.ones((margin, margin), np.uint8)
    return np.asarray(cv2.erode(covered, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0), dtype=bool)
