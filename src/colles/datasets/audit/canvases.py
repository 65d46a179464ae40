"""Read the pictures of a catalog small and square, for comparing them.

Pictures are stretched to the square, so that a copy that was squeezed on export still lies on its original.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from colles.core.errors import MissingInputError, UnreadableImageError
from colles.core.progress import track
from colles.datasets.audit.confirm import CANVAS, detail, is_flat
from colles.datasets.audit.hashes import Hashes, orient, oriented_hashes
from colles.imaging.read import read_image, to_grey

_KEPT = 4096  # fine structures kept in memory: 600 MB at most


def read_canvas(path: str) -> npt.NDArray[np.uint8]:
    """Read a picture as a grey square (S, S); raise `MissingInputError` or `UnreadableImageError`."""
    if not Path(path).is_file():
        raise MissingInputError("the catalog's file is gone", path=path, repair="Run `colles catalog` again")
    # The catalog has already applied the recipe's limits.
    grey = to_grey(read_image(path, max_pixels=sys.maxsize, max_bytes=sys.maxsize))
    return np.asarray(cv2.resize(grey, (CANVAS, CANVAS), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def hash_files(paths: Sequence[str]) -> list[Hashes | None]:
    """Hash pictures in all orientations; None for a flat or unreadable one.

    Threads do: decoding and resizing let go of the interpreter's lock.
    """
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(track(pool.map(_hash_file, paths), "Comparing", total=len(paths)))


def _hash_file(path: str) -> Hashes | None:
    try:
        canvas = read_canvas(path)
    except UnreadableImageError:
        return None
    return None if is_flat(canvas) else oriented_hashes(canvas)


class Details:
    """Fine structures of pictures, read when first asked for."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._canvas = lru_cache(maxsize=_KEPT)(self._read)

    def _read(self, index: int) -> npt.NDArray[np.uint8]:
        return read_canvas(self._paths[index])

    def upright(self, index: int) -> npt.NDArray[np.float32]:
        """Return the fine structure of a picture as it is."""
        return detail(self._canvas(index))

    def turned(self, index: int, orientation: int, inverted: bool) -> npt.NDArray[np.float32]:
        """Return the fine structure of a picture, oriented and perhaps inverted."""
        canvas = np.ascontiguousarray(orient(self._canvas(index), orientation))
        return detail(255 - canvas if inverted else canvas)
