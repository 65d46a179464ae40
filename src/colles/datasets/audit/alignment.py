"""Lay one picture on another: the turn and size from their spectra, the place from their edges.

A placement is a 3 × 3 matrix that takes points of the second picture to the first, both letterboxed to one side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from colles.datasets.audit.border import surroundings
from colles.datasets.audit.descriptors import ANGLES, SCALE_STEP, SIDE, Floats, Grey, band, fit
from colles.datasets.audit.orientations import MATRICES, ORIENTATIONS
from colles.datasets.audit.shifts import Matrix, clipped_band, inside, vertex

_RADII = 64  # the radii with room, so that a change of size does not wrap around
_COARSE = 96  # pixels of the longer side at which the place is looked for
_ROOM = 144
_SIZES = 0.6, 1.7  # ratios of size that a crop or a margin may bring
_MIRROR = np.diag([-1.0, 1.0])
_TIE = 0.08  # correlation by which the mirrored spectrum may be worse and is still tried


@dataclass(frozen=True)
class Picture:
    """A picture as the alignment needs it."""

    pixels: Grey
    """Stretched to a square, as it was stored."""
    width: int
    height: int
    waves: Floats
    """Its spectrum, (ANGLES, RADII)."""

    def sized(self, side: int) -> Grey:
        """Return the picture in its proportions, its longer side `side` pixels."""
        return fit(self.pixels, self.width, self.height, side)

    @cached_property
    def small(self) -> Grey:
        """The picture at the size of its description."""
        return self.sized(SIDE)

    @cached_property
    def border(self) -> npt.NDArray[np.uint8]:
        """255 in the even surroundings of what is shown, on the square: shutters, a round field's corners, bare air."""
        return surroundings(self.pixels)

    @cached_property
    def edges(self) -> tuple[Floats, npt.NDArray[np.complex128], float]:
        """Edges at the coarse size, their transform and their strength."""
        found = clipped_band(self.sized(_COARSE), 1.0, 5.0)
        room = np.zeros((_ROOM, _ROOM), np.float32)
        room[: found.shape[0], : found.shape[1]] = found
        return found, np.fft.rfft2(room), float(np.linalg.norm(found))

    @cached_property
    def turning(self) -> tuple[npt.NDArray[np.complex128], npt.NDArray[np.complex128]]:
        """Transforms of the spectrum and of its mirror image."""
        values = band(self.waves[None])[0]
        values = values / max(float(np.linalg.norm(values)), 1e-9)
        mirrored = np.roll(values[::-1], 1, axis=0)
        return np.fft.rfft2(values, s=(ANGLES, _RADII)), np.fft.rfft2(mirrored, s=(ANGLES, _RADII))


@dataclass(frozen=True)
class Placement:
    """How the second picture lies on the first."""

    matrix: Matrix
    """Takes pixels of the second picture to the first, both with SIDE as their longer side."""
    inverted: bool
    agreement: float
    """Correlation of coarse edges, 0 to 1."""
    frame: Matrix
    """(2, 2) what is known of the matrix beforehand: quarter turns, mirroring, squeezing; its determinant is ±1."""
    words: str = "as it is"
    """The same in words."""


def place_turned(first: Picture, second: Picture, orientation: int, inverted: bool) -> Placement:
    """Place a second picture turned by quarters or mirrored, and perhaps squeezed, on the whole of the first."""
    one, other = first.small.shape[::-1], second.small.shape[::-1]
    matrix = np.eye(3)
    matrix[:2, :2] = np.diag(one) @ MATRICES[orientation] @ np.diag(1 / np.array(other))
    matrix = _shift((one[0] - 1) / 2, (one[1] - 1) / 2) @ matrix @ _shift(-(other[0] - 1) / 2, -(other[1] - 1) / 2)
    placed, value = _settle(first, second, rescale(matrix, _COARSE / SIDE, source=False))
    agreement = -value if inverted else value
    frame = matrix[:2, :2] / np.sqrt(abs(np.linalg.det(matrix[:2, :2])))
    return Placement(placed, inverted, max(agreement, 0.0), frame, ORIENTATIONS[orientation])


def place_freely(first: Picture, second: Picture) -> Placement | None:
    """Place a second picture that may be turned by any angle, resized, cropped, mirrored and inverted."""
    trials = []
    for matrix, mirrored in _turns(first, second):
        placed, value = _settle(first, second, matrix)
        frame, words = (_MIRROR, "mirrored") if mirrored else (np.eye(2), "as it is")
        trials.append(Placement(placed, value < 0, abs(value), frame, words))
    return max(trials, key=lambda trial: trial.agreement, default=None)


def _turns(first: Picture, second: Picture) -> Iterator[tuple[Matrix, bool]]:
    peaks = [_peak(first.turning[0], second.turning[mirrored]) for mirrored in (0, 1)]
    top = max(peak[0] for peak in peaks)
    for mirrored, (value, degrees, size) in enumerate(peaks):
        if value >= top - _TIE and _SIZES[0] < size < _SIZES[1]:
            for half_turn in (0.0, 180.0):
                yield _turned(second, degrees + half_turn, 1 / size, bool(mirrored)), bool(mirrored)


def _turned(second: Picture, degrees: float, size: float, mirrored: bool) -> Matrix:
    height, width = second.small.shape
    angle, scale = np.deg2rad(degrees), size * _COARSE / SIDE
    turn = np.eye(3)
    turn[:2, :2] = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turn = turn @ np.diag([-1.0 if mirrored else 1.0, 1.0, 1.0])
    middle = (_ROOM - 1) / 2
    return np.asarray(_shift(middle, middle) @ turn @ _shift(-(width - 1) / 2, -(height - 1) / 2))


def _peak(one: npt.NDArray[np.complex128], other: npt.NDArray[np.complex128]) -> tuple[float, float, float]:
    # Correlation, degrees (of a half turn) and ratio of size, between the samples by a parabola.
    field = np.fft.irfft2(one * np.conj(other), s=(ANGLES, _RADII))
    row, column = np.unravel_index(int(field.argmax()), field.shape)
    value = float(field[row, column])
    up, down = field[row - 1, column], field[(row + 1) % ANGLES, column]
    left, right = field[row, column - 1], field[row, (column + 1) % _RADII]
    shift = float(column if column < _RADII // 2 else column - _RADII) + vertex(left, value, right)
    return value, (float(row) + vertex(up, value, down)) * 180 / ANGLES, float(np.exp(shift * SCALE_STEP))


def _settle(first: Picture, second: Picture, matrix: Matrix) -> tuple[Matrix, float]:
    # Find the place of the second picture, laid on the coarse canvas by `matrix`, by correlation over all shifts; the
    # correlation is negative where the picture is inverted.
    _, transform, strength = first.edges
    size = (_ROOM, _ROOM)
    laid = cv2.warpAffine(second.small, matrix[:2], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    edges = clipped_band(np.asarray(laid, np.uint8), 1.0, 5.0) * inside(second.small.shape, matrix, size, 3)
    power = strength * float(np.linalg.norm(edges)) + 1e-6
    field = np.fft.irfft2(transform * np.conj(np.fft.rfft2(edges)), s=size) / power
    row, column = np.unravel_index(int(np.abs(field).argmax()), field.shape)
    value = float(field[row, column])
    down, right = (int(at) if at < _ROOM // 2 else int(at) - _ROOM for at in (row, column))
    return rescale(_shift(right, down) @ matrix, SIDE / _COARSE, source=False), value


def _shift(x: float, y: float) -> Matrix:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def rescale(matrix: Matrix, factor: float, *, source: bool = True) -> Matrix:
    """Return a placement for pictures `factor` times as large; without `source` only the first picture is resized."""
    half = (factor - 1) / 2  # pixel centres: p becomes (p + 0.5) · factor − 0.5
    forth = np.array([[factor, 0.0, half], [0.0, factor, half], [0.0, 0.0, 1.0]])
    return np.asarray(forth @ matrix @ (np.linalg.inv(forth) if source else np.eye(3)))
