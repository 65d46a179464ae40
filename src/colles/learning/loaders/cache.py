"""Canvases decoded once and kept as one memory-mapped uint8 array, keyed by the files' content.

A run, its workers and later runs with the same files and preprocessing share it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colles.core.errors import CollesError, UnreadableImageError
from colles.core.files import atomic_path, read_json, sha256_file, sha256_json, write_json
from colles.core.progress import say, track
from colles.core.recipe import PreprocessRecipe
from colles.core.records import Radiograph
from colles.imaging.preprocess import to_canvas
from colles.imaging.read import read_image

VARIABLE = "COLLES_CACHE"
_SCHEMA = 1  # raise it when to_canvas gives other pixels


@dataclass(frozen=True)
class CanvasCache:
    """Canvases of radiographs in their order."""

    canvases: NDArray[np.uint8]
    """(N, S, S), memory-mapped; black where the file could not be read."""
    bad: dict[int, str]
    """Rows whose file could not be read, and why."""


def cache_folder() -> Path:
    """Return the folder for caches: the variable COLLES_CACHE, else ~/.cache/colles."""
    return Path(os.environ.get(VARIABLE) or Path.home() / ".cache" / "colles")


def load_canvases(rows: Sequence[Radiograph], recipe: PreprocessRecipe, folder: Path | None = None) -> CanvasCache:
    """Return the canvases of `rows`, from the cache where it holds them whole, else decoded now."""
    key = sha256_json([_SCHEMA, recipe.size, recipe.fit, [row.sha256 or row.path for row in rows]])
    place = (folder or cache_folder()) / key[:32]
    shape = (len(rows), recipe.size, recipe.size)
    cached = _open(place, shape)
    if cached is None:
        _build(place, rows, recipe, shape)
        cached = _open(place, shape)
    assert cached is not None
    return cached


def _open(place: Path, shape: tuple[int, int, int]) -> CanvasCache | None:
    try:
        about = read_json(place / "canvases.json")
        canvases = np.load(place / "canvases.npy", mmap_mode="r", allow_pickle=False)
        whole = canvases.shape == shape and canvases.dtype == np.uint8
        if not whole or sha256_file(place / "canvases.npy") != about["sha256"]:
            raise ValueError
    except (CollesError, OSError, ValueError, KeyError, TypeError, EOFError):
        if place.exists():
            say(f"The cache {place.name} is damaged and is made again")
        return None
    return CanvasCache(canvases, {int(row): reason for row, reason in about["bad"].items()})


def _build(place: Path, rows: Sequence[Radiograph], recipe: PreprocessRecipe, shape: tuple[int, int, int]) -> None:
    bad: dict[str, str] = {}
    with atomic_path(place) as temporary:
        temporary.mkdir(parents=True)
        file = temporary / "canvases.npy"
        canvases = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)

        def fill(index: int) -> None:
            try:
                canvases[index] = to_canvas(read_image(rows[index].path), recipe)
            except UnreadableImageError as error:
                bad[str(index)] = error.message

        # decoding and resizing release the interpreter's lock, so threads suffice
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for _ in track(pool.map(fill, range(len(rows))), "canvases", total=len(rows)):
                pass
        canvases.flush()
        about: dict[str, Any] = {"bad": dict(sorted(bad.items())), "sha256": sha256_file(file)}
        write_json(temporary / "canvases.json", about)
