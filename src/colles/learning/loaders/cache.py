"""Canvases decoded once and kept as one memory-mapped uint8 array, keyed by the files' content.

A run, its workers and later runs with the same files and preprocessing share it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from colles.core.cache import cache_folder
from colles.core.errors import CollesError, UnreadableImageError
from colles.core.files import atomic_path, locked, read_json, sha256_file, sha256_json_list, write_json
from colles.core.machine import usable_cpus
from colles.core.progress import say, track
from colles.core.recipe import DataRecipe, PreprocessRecipe
from colles.core.records import Radiograph
from colles.datasets.rows import CatalogRows
from colles.imaging.preprocess import to_canvas
from colles.imaging.read import RawImage, read_image

LIMITS = DataRecipe()
_SCHEMA = 2  # raise it when to_canvas gives other pixels


class MappedCanvases(np.memmap):
    """A memory-mapped .npy file that another process maps again, where a pickled map is its whole content."""

    def __reduce__(self) -> Any:
        whole = self.filename is not None and self.offset + self.nbytes == Path(self.filename).stat().st_size
        return (_mapped, (str(self.filename),)) if whole else super().__reduce__()


def _mapped(file: str) -> NDArray[np.uint8]:
    canvases: NDArray[np.uint8] = np.load(file, mmap_mode="r", allow_pickle=False).view(MappedCanvases)
    return canvases


@dataclass(frozen=True)
class CanvasCache:
    """Canvases of radiographs in their order."""

    canvases: NDArray[np.uint8]
    """(N, S, S), memory-mapped; black where the file could not be read."""
    bad: dict[int, str]
    """Rows whose file could not be read, and why."""


def load_canvases(
    rows: Sequence[Radiograph], recipe: PreprocessRecipe, folder: Path | None = None, *, limits: DataRecipe = LIMITS
) -> CanvasCache:
    """Return the canvases of `rows`, from the cache where it holds them whole, else decoded now.

    A file larger than `limits`, or with other bytes than those catalogued, counts as broken.
    """
    accepted = [limits.max_pixels, limits.max_bytes]
    key = sha256_json_list(_contents(rows), before=[_SCHEMA, recipe.size, recipe.fit, accepted])
    place = (folder or cache_folder()) / key[:32]
    shape = (len(rows), recipe.size, recipe.size)
    cached = _current(place, shape, rows, limits)
    if cached is None:
        with locked(place):
            # another run may have built it while this one waited
            cached = _current(place, shape, rows, limits, quiet=True)
            if cached is None:
                _build(place, rows, recipe, limits)
                cached = _open(place, shape)
    assert cached is not None
    return cached


def _contents(rows: Sequence[Radiograph]) -> Iterator[list[str]]:
    if isinstance(rows, CatalogRows):
        yield from (part.to_series().to_list() for part in rows.parts(pl.coalesce("sha256", "path")))
    else:
        yield [row.sha256 or row.path for row in rows]


def _current(
    place: Path, shape: tuple[int, int, int], rows: Sequence[Radiograph], limits: DataRecipe, *, quiet: bool = False
) -> CanvasCache | None:
    cached = _open(place, shape, quiet=quiet)
    if cached is not None and any(isinstance(_read(rows[row], limits), RawImage) for row in cached.bad):
        return None  # a file that was broken or away has been mended since
    return cached


def _open(place: Path, shape: tuple[int, int, int], *, quiet: bool = False) -> CanvasCache | None:
    try:
        about = read_json(place / "canvases.json")
        canvases = _mapped(str(place / "canvases.npy"))
        whole = canvases.shape == shape and canvases.dtype == np.uint8
        if not whole or sha256_file(place / "canvases.npy") != about["sha256"]:
            raise ValueError
        bad = {int(row): str(reason) for row, reason in about["bad"].items()}
    except (CollesError, OSError, ValueError, KeyError, TypeError, AttributeError, EOFError):
        if place.exists() and not quiet:
            say(f"The cache {place.name} is damaged and is made again")
        return None
    return CanvasCache(canvases, bad)


def _build(place: Path, rows: Sequence[Radiograph], recipe: PreprocessRecipe, limits: DataRecipe) -> None:
    shape = (len(rows), recipe.size, recipe.size)
    bad: dict[str, str] = {}
    with atomic_path(place) as temporary:
        temporary.mkdir(parents=True)
        file = temporary / "canvases.npy"
        # written as a stream: on a full disk that is an error, while a memory map would kill the process
        with file.open("wb") as stream:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            canvases = _decode(rows, recipe, limits)
            for row, found in enumerate(track(canvases, "canvases", total=len(rows))):
                if isinstance(found, str):
                    bad[str(row)] = found
                stream.write(bytes(recipe.size**2) if isinstance(found, str) else found.tobytes())
        write_json(temporary / "canvases.json", {"bad": bad, "sha256": sha256_file(file)})


def _decode(
    rows: Sequence[Radiograph], recipe: PreprocessRecipe, limits: DataRecipe
) -> Iterator[NDArray[np.uint8] | str]:
    def canvas(row: Radiograph) -> NDArray[np.uint8] | str:
        image = _read(row, limits)
        return image if isinstance(image, str) else to_canvas(image, recipe)

    # decoding and resizing release the interpreter's lock, so threads suffice; a window of rows at a time, since map
    # would begin all of them and hold every finished canvas
    workers = limits.workers or usable_cpus()
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(rows), 64 * workers):
            yield from pool.map(canvas, rows[start : start + 64 * workers])


def _read(row: Radiograph, limits: DataRecipe) -> RawImage | str:
    """Return the decoded image, or why there is none."""
    try:
        content = Path(row.path).read_bytes()
        if row.sha256 is not None and hashlib.sha256(content).hexdigest() != row.sha256:
            return "the file has changed since it was catalogued"
        return read_image(content, max_pixels=limits.max_pixels, max_bytes=limits.max_bytes)
    except UnreadableImageError as error:
        return error.message
    except OSError as error:
        return f"cannot be opened ({error.strerror or error})"
