"""Perceptual hashes of 256 bits in the eight orientations of a picture, and pairs of pictures whose hashes are near.

The hash is the sign of the 16 × 16 lowest cosine coefficients against their median (pHash; Zauner 2010), without the
constant one, so that brightness and contrast leave it unchanged and an inverted picture has the complement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SIDE = 16  # coefficients a side: 256 bits
BITS = SIDE * SIDE - 1  # the constant coefficient's bit is always 0
_ROWS = 256  # rows compared at once: 256 × 20,000 distances are 10 MB

Hashes = npt.NDArray[np.uint64]
Grey = npt.NDArray[np.uint8]

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


def orient(pixels: Grey, orientation: int) -> Grey:
    """Turn square pictures (…, S, S) by `orientation % 4` quarter turns, then mirror them where it is 4 or more."""
    turned = np.rot90(pixels, orientation % 4, axes=(-2, -1))
    return turned[..., ::-1] if orientation >= 4 else turned


def perceptual_hashes(pixels: Grey) -> Hashes:
    """Hash square pictures (N, S, S) into (N, 4) words of 64 bits."""
    cosines = _cosines(pixels.shape[-1])
    coefficients = (cosines @ pixels.astype(np.float32) @ cosines.T).reshape(len(pixels), -1)[:, 1:]
    bits = np.zeros((len(pixels), BITS + 1), dtype=bool)
    bits[:, 1:] = coefficients > np.median(coefficients, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(np.uint64)


def oriented_hashes(pixels: Grey) -> Hashes:
    """Hash one square picture (S, S) in all orientations: (8, 4)."""
    views = np.stack([orient(pixels, orientation) for orientation in range(len(ORIENTATIONS))])
    return perceptual_hashes(views)


def _cosines(size: int) -> npt.NDArray[np.float32]:
    places = (2 * np.arange(size) + 1)[None, :]
    return np.cos(np.pi * np.arange(SIDE)[:, None] * places / (2 * size)).astype(np.float32)


@dataclass(frozen=True)
class Candidate:
    """Two pictures whose hashes are near: the second, oriented and perhaps inverted, looks like the first."""

    first: int
    second: int
    orientation: int
    inverted: bool
    distance: int
    """Bits that differ, of 255."""

    @property
    def transform(self) -> str:
        """How the second picture has to be changed to look like the first."""
        words = ORIENTATIONS[self.orientation]
        return f"{words}, inverted" if self.inverted else words


def near_pairs(hashes: Hashes, max_distance: int) -> list[Candidate]:
    """Find pairs whose hashes differ in at most `max_distance` bits, nearest first.

    `hashes` is (N, 8, 4), orientation by orientation. A pair appears once, with its best orientation.
    """
    best: dict[tuple[int, int], Candidate] = {}
    for candidate in _all_near(hashes, max_distance):
        pair = (candidate.first, candidate.second)
        if pair not in best or candidate.distance < best[pair].distance:
            best[pair] = candidate
    return sorted(best.values(), key=lambda found: (found.distance, found.first, found.second))


def _all_near(hashes: Hashes, max_distance: int) -> Iterator[Candidate]:
    upright = hashes[:, 0]
    for orientation in range(hashes.shape[1]):
        turned = hashes[:, orientation]
        for start in range(0, len(hashes), _ROWS):
            distances = _distances(upright[start : start + _ROWS], turned)
            for inverted, values in ((False, distances), (True, BITS - distances)):
                rows, columns = np.nonzero(values <= max_distance)
                later = rows + start < columns
                for row, column in zip(rows[later].tolist(), columns[later].tolist(), strict=True):
                    yield Candidate(row + start, column, orientation, inverted, int(values[row, column]))


def _distances(some: Hashes, others: Hashes) -> npt.NDArray[np.int16]:
    total = np.zeros((len(some), len(others)), dtype=np.int16)
    for word in range(some.shape[1]):
        total += np.bitwise_count(some[:, word][:, None] ^ others[:, word][None, :])
    return total
