"""Read the pictures of a catalog small and square, for comparing them.

Pictures are stretched to the square, so that a copy that was squeezed on export still lies on its original; their own
width and height are kept beside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat

import cv2
import numpy as np
import numpy.typing as npt

from colles.core.machine import usable_cpus
from colles.core.progress import track
from colles.datasets.audit.alignment import Picture
from colles.datasets.audit.confirm import is_flat
from colles.datasets.audit.descriptors import SIDE, Floats, fit, layout, spectrum
from colles.datasets.audit.hashes import coefficients
from colles.datasets.catalog import read_again
from colles.imaging.read import to_grey

CANVAS = 320  # pixels a side: the finest size at which pictures are compared
_HASHED = 192
_SMALLEST = 24  # pixels across below which pictures of different people agree; of 28 none of 300 did
_KEPT = 1024  # pictures kept in memory: 250 MB at most

Square = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Described:
    """Pictures that show something, described for the search."""

    index: npt.NDArray[np.int64]
    """(N,) place among the files asked for."""
    size: npt.NDArray[np.int64]
    """(N, 2) width and height of the files."""
    waves: Floats
    """(N, 16, 16) cosine coefficients, for the hashes."""
    layouts: Floats
    """(N, 16, 16)."""
    spectra: npt.NDArray[np.float16]
    """(N, ANGLES, RADII)."""

    def __len__(self) -> int:
        return len(self.index)


def read_square(path: str, sha256: str | None = None) -> tuple[Square, int, int]:
    """Read a picture as a grey square (S, S), and its width and height; `sha256` as for `read_again`."""
    grey = to_grey(read_again(path, sha256))
    square = cv2.resize(grey, (CANVAS, CANVAS), interpolation=cv2.INTER_AREA)
    return np.asarray(square, dtype=np.uint8), int(grey.shape[1]), int(grey.shape[0])


def describe_files(paths: Sequence[str], digests: Iterable[str | None] = repeat(None)) -> Described:
    """Describe the pictures that are neither flat nor of a few pixels; raise as `read_again` does.

    Threads do: decoding and resizing let go of the interpreter's lock.
    """
    with ThreadPoolExecutor(usable_cpus()) as pool:
        made = list(track(pool.map(_describe, paths, digests), "Describing", total=len(paths)))
    found = [(index, each) for index, each in enumerate(made) if each is not None]
    if not found:
        return _nothing()
    sizes, waves, layouts, spectra = zip(*(each for _, each in found), strict=True)
    index = np.array([index for index, _ in found], np.int64)
    return Described(index, np.array(sizes, np.int64), np.stack(waves), np.stack(layouts), np.stack(spectra))


def _nothing() -> Described:
    empty = np.zeros((0, 16, 16), np.float32)
    return Described(np.zeros(0, np.int64), np.zeros((0, 2), np.int64), empty, empty, np.zeros((0, 1, 1), np.float16))


def _describe(path: str, sha256: str | None) -> tuple[tuple[int, int], Floats, Floats, npt.NDArray[np.float16]] | None:
    square, width, height = read_square(path, sha256)
    if min(width, height) < _SMALLEST or is_flat(square):
        return None
    small = cv2.resize(square, (_HASHED, _HASHED), interpolation=cv2.INTER_AREA)
    waves = coefficients(np.asarray(small, np.uint8)[None])[0]
    return (width, height), waves, layout(square), spectrum(fit(square, width, height, SIDE)).astype(np.float16)


class Pictures:
    """Pictures, read again when first asked for."""

    def __init__(self, paths: Sequence[str], described: Described) -> None:
        self._paths = paths
        self._described = described
        self.get = lru_cache(maxsize=_KEPT)(self._read)

    def _read(self, place: int) -> Picture:
        square, width, height = read_square(self._paths[int(self._described.index[place])])
        return Picture(square, width, height, self._described.spectra[place].astype(np.float32))
