"""Perceptual hashes of 255 bits in a frame of their own, so that a turned, mirrored or inverted copy has the same one.

The hash is the sign of the 16 × 16 lowest cosine coefficients (pHash; Zauner 2010) without the constant one:
brightness and contrast leave it unchanged. Mirroring flips the signs of odd columns or rows, inversion all signs, a
quarter turn swaps rows and columns. The frame is the one in which sums of cubes of these classes are positive and
the columns stronger than the rows; where that is nearly undecided, the picture gets a hash for either case.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from colles.datasets.audit.orientations import orientation_of

SIDE = 16  # coefficients a side
BITS = SIDE * SIDE - 1  # the constant coefficient's bit is always 0
_DOUBT = 0.15  # a class whose cubes cancel to less than this share is undecided
_DOUBT_TURN = 0.15  # logarithm of columns' to rows' strength below which the turn is undecided

Words = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float32]
_ODD = np.arange(SIDE) % 2
_COLUMNS = np.outer(1 - _ODD, _ODD).astype(bool)  # odd along x alone: their signs flip when left and right do
_EVEN = np.outer(1 - _ODD, 1 - _ODD).astype(bool)
_EVEN[0, 0] = False


@dataclass(frozen=True)
class Framed:
    """Hashes of pictures, one or more a picture."""

    words: Words
    """(R, 4): 256 bits."""
    owner: npt.NDArray[np.int64]
    """(R,) index of the picture."""
    frame: npt.NDArray[np.int64]
    """(R,) orientation that takes the picture into the hash's frame."""
    inverted: npt.NDArray[np.bool_]
    """(R,) whether it has to be inverted for that."""


@dataclass(frozen=True)
class Candidate:
    """Two pictures that may show one radiograph."""

    first: int
    second: int
    orientation: int
    """Turns the second so that it looks like the first."""
    inverted: bool
    distance: int
    """Bits of the hashes that differ, of 255."""


def coefficients(pixels: npt.NDArray[np.uint8]) -> Floats:
    """Return the lowest cosine coefficients (N, 16, 16) of square pictures (N, S, S), rows along y."""
    size = pixels.shape[-1]
    places = (2 * np.arange(size) + 1)[None, :]
    cosines = np.cos(np.pi * np.arange(SIDE)[:, None] * places / (2 * size)).astype(np.float32)
    return np.asarray(cosines @ pixels.astype(np.float32) @ cosines.T, dtype=np.float32)


def framed_hashes(waves: Floats) -> Framed:
    """Hash pictures by their coefficients (N, 16, 16), each in every frame that fits it."""
    swapped, across, down, tone = _leanings(waves)
    parts = [
        _in_frame(waves, fits, turn, flip_x, flip_y, negative)
        for turn, flip_x, flip_y, negative in product((False, True), repeat=4)
        if (fits := _fits(swapped, across, down, tone, turn, flip_x, flip_y, negative)).any()
    ]
    if not parts:
        return Framed(np.zeros((0, 4), np.uint64), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool))
    order = np.argsort(np.concatenate([part.owner for part in parts]), kind="stable")
    joined = [np.concatenate(arrays)[order] for arrays in zip(*(_fields(part) for part in parts), strict=True)]
    return Framed(*joined)


def _fields(part: Framed) -> tuple[npt.NDArray[np.generic], ...]:
    return part.words, part.owner, part.frame, part.inverted


def _leanings(waves: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    # Turn: logarithm of rows' to columns' strength. Others: −1 to 1, how surely the cubes of a class are positive.
    columns, rows, even = waves[:, _COLUMNS], waves.transpose(0, 2, 1)[:, _COLUMNS], waves[:, _EVEN]
    strength = np.log(np.square(rows).sum(1) + 1e-6) - np.log(np.square(columns).sum(1) + 1e-6)
    return strength, _cubes(columns), _cubes(rows), _cubes(even)


def _cubes(values: Floats) -> Floats:
    scaled = values / (np.abs(values).max(axis=1, keepdims=True) + 1e-6)
    return np.asarray((scaled**3).sum(1) / (np.abs(scaled) ** 3).sum(1).clip(1e-12), dtype=np.float32)


def _fits(
    swapped: Floats, across: Floats, down: Floats, tone: Floats, turn: bool, flip_x: bool, flip_y: bool, negative: bool
) -> npt.NDArray[np.bool_]:
    sign = -1.0 if negative else 1.0
    if turn:
        across, down, swapped = down, across, -swapped
    fits = swapped <= _DOUBT_TURN
    for value, flip in ((across, flip_x), (down, flip_y)):
        fits &= value * sign * (-1.0 if flip else 1.0) >= -_DOUBT
    return np.asarray(fits & (tone * sign >= -_DOUBT), dtype=bool)


def _in_frame(
    waves: Floats, fits: npt.NDArray[np.bool_], turn: bool, flip_x: bool, flip_y: bool, negative: bool
) -> Framed:
    owner = np.flatnonzero(fits)
    chosen = waves[owner].transpose(0, 2, 1) if turn else waves[owner]
    signs = np.outer(np.where(_ODD * flip_y, -1, 1), np.where(_ODD * flip_x, -1, 1)) * (-1 if negative else 1)
    bits = (chosen * signs > 0).reshape(len(owner), -1)
    bits[:, 0] = False
    swap = np.array([[0, 1], [1, 0]]) if turn else np.eye(2, dtype=np.int64)
    matrix = np.diag([-1 if flip_x else 1, -1 if flip_y else 1]) @ swap
    frame = np.full(len(owner), orientation_of(matrix))
    words = np.packbits(bits, axis=1).view(np.uint64)
    return Framed(words, owner, frame, np.full(len(owner), negative))
