"""The catalog: one row a radiograph, every file decoded once."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
import warnings
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unicodedata import normalize

import imagehash
import polars as pl
from PIL import Image

from colles.core.errors import MissingInputError, StaleInputError, TableError, UnreadableImageError, UsageError
from colles.core.files import existing_file, sha256_json_list
from colles.core.limits import MAX_BYTES, MAX_PIXELS
from colles.core.machine import usable_cpus
from colles.core.progress import say, track
from colles.core.records import Radiograph
from colles.core.schema import BOX_DTYPE, CATALOG_SCHEMA
from colles.core.tables import read_table, require_columns, write_table
from colles.datasets.rows import CatalogRows
from colles.datasets.soundness import assert_sound
from colles.datasets.sources import Source
from colles.datasets.sources.base import joined
from colles.imaging.read import RawImage, read_bytes, read_image, to_grey
from colles.imaging.statistics import describe_picture

_HASH_SIDE = 16  # 16 × 16 bits: an 8 × 8 hash collides on radiographs
_IDENTITY = ("image_id", "sha256", "label", "boxes", "group_id", "status")
_TEXT = tuple(name for name, dtype in CATALOG_SCHEMA.items() if dtype == pl.String)


@dataclass(frozen=True, eq=False)
class Catalog:
    """A table of radiographs; operations return new catalogs."""

    frame: pl.DataFrame

    def __len__(self) -> int:
        return self.frame.height

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Catalog:
        """Take a table, with columns in the catalog's order and of its types; others come last."""
        return cls(_conform(frame))

    @classmethod
    def load(cls, path: str | Path) -> Catalog:
        """Read a catalog; raise `MissingInputError`, or `TableError` where it is not one."""
        existing_file(path, repair="Make one: colles catalog --source folder=DIR --out catalog.parquet")
        frame = read_table(path, texts=_TEXT, mapped=True)
        require_columns(frame, ("image_id", "source", "path", "label", "group_id", "status"), path=path)
        assert_sound(frame, path)
        try:
            return cls(_conform(frame))
        except (pl.exceptions.PolarsError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise TableError(
                f"is not a catalog ({reason})", path=path, repair="Make it with `colles catalog`"
            ) from error

    def save(self, path: str | Path) -> Path:
        """Write the catalog; the ending chooses the form."""
        return write_table(self.frame, path)

    def where(self, condition: pl.Expr) -> Catalog:
        """Return the rows that meet a condition."""
        return Catalog(self.frame.filter(condition))

    def with_columns(self, *columns: Any, **named: Any) -> Catalog:
        """Return a catalog with columns added or replaced."""
        return Catalog(self.frame.with_columns(*columns, **named))

    @property
    def digest(self) -> str:
        """Digest of what decides a training (ids, files' bytes, labels, boxes, groups); paths do not count."""
        order = self.frame["image_id"].arg_sort().to_numpy()
        return sha256_json_list(part.rows() for part in CatalogRows(self.frame, order).parts(*_IDENTITY))

    def rows(self) -> Iterator[Radiograph]:
        """Yield the rows as records."""
        yield from CatalogRows(self.frame)


def build_catalog(
    sources: Sequence[Source],
    *,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
    workers: int | None = None,
    keep_boxes: Container[str] = (),
) -> Catalog:
    """Read all sources and decode every file once, in `workers` threads (one a core).

    Rows come in the order of the sources, then of the paths. Broken files keep their row and label, with a status.
    Images labelled 0 lose their boxes, which is said, but those of `keep_boxes`, whose label will be corrected.
    Raise the source's error for malformed annotations, `UsageError` where two sources give the same image_id.
    """
    owned = [(source, row) for source in sources for row in source.radiographs()]
    _assert_unique([row.image_id for _, row in owned])
    inspect = partial(inspect_file, max_pixels=max_pixels, max_bytes=max_bytes)
    facts = _in_parallel(inspect, [row.path for _, row in owned], workers or usable_cpus())
    finished = [
        (source, source.finish(row.model_copy(update={**found, "reason": joined(row.reason, found["reason"])})))
        for (source, row), found in zip(owned, facts, strict=True)
    ]
    rows = [row.model_dump() for row in _without_stray_boxes(finished, keep_boxes)]
    return Catalog(_conform(pl.DataFrame(rows, schema=CATALOG_SCHEMA, orient="row")))


def _without_stray_boxes(owned: Sequence[tuple[Source, Radiograph]], keep: Container[str]) -> list[Radiograph]:
    stray: dict[str, list[str]] = {}
    rows = []
    for source, row in owned:
        if row.label == 0 and row.boxes and row.image_id not in keep:
            stray.setdefault(str(source.root), []).append(row.image_id)
            row = _without_boxes(row)
        rows.append(row)
    for place, images in stray.items():
        text = f"{len(images)} images labelled 0 have boxes, such as {images[0]}"
        say(f"{place}: {text}; the label counts, and their boxes are left out")
    return rows


def _without_boxes(row: Radiograph) -> Radiograph:
    # They would teach the place of a fracture in an image that is called normal.
    told = f"{len(row.boxes)} boxes left out, since the label is 0"
    return row.model_copy(update={"boxes": (), "reason": joined(row.reason, told)})


def _in_parallel(inspect: partial[dict[str, Any]], paths: list[str], workers: int) -> list[dict[str, Any]]:
    # Threads: decoding, hashing and resizing release the interpreter's lock (1.65 times faster on two cores, where
    # spawned processes pay 1.5 s to start and fail in scripts without a main guard). Warnings are muted out here,
    # since catch_warnings inside a thread would leak its filter into the others.
    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as pool:
        warnings.simplefilter("ignore")
        return list(track(pool.map(inspect, paths), "catalog", total=len(paths)))


ABSENT = os.strerror(errno.ENOENT)
"""The reason of a file that is not there."""


def absent(frame: pl.DataFrame) -> list[str]:
    """Warn of files that are not there: a table with another root, or with backslashes, makes a catalog like any other.

    `frame` is a catalog's.
    """
    found = frame.filter(pl.col("reason") == ABSENT)["path"]
    if found.is_empty():
        return []
    return [f"{len(found)} of {frame.height} files are not there, such as {found[0]}{_misspelt(Path(found[0]))}"]


def _misspelt(path: Path) -> str:
    if "\\" in str(path):
        return "; its backslashes are no separators here: write /"
    try:
        names = sorted(os.listdir(path.parent))
    except OSError:
        return ""
    meant = next((name for name in names if _bare(name) == _bare(path.name) and name != path.name), None)
    return f"; its folder has {meant!a}, with case or accents written otherwise" if meant else ""


def _bare(name: str) -> str:
    # macOS writes accents apart from their letters.
    return normalize("NFC", name).casefold()


def read_again(path: str, sha256: str | None) -> RawImage:
    """Decode a file of a catalog again, which has to have its digest; None takes any bytes.

    Raise `MissingInputError` where it is gone, `StaleInputError` where it has other bytes, `UnreadableImageError` where
    it cannot be decoded here.
    """
    repair = "Run `colles catalog` again"
    if not Path(path).is_file():
        raise MissingInputError("the catalog's file is gone", path=path, repair=repair)
    data = read_bytes(Path(path), sys.maxsize)  # the catalog has already applied the recipe's limits
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise StaleInputError("the image has changed since it was catalogued", path=path, repair=repair)
    try:
        return read_image(data, max_pixels=sys.maxsize, max_bytes=sys.maxsize)
    except UnreadableImageError as error:
        raise UnreadableImageError(error.message, path=path, repair=repair) from error


def inspect_file(path: str, *, max_pixels: int, max_bytes: int) -> dict[str, Any]:
    """Decode one file and describe it: status, size, depth, digests and perceptual hash."""
    file = Path(path)
    facts: dict[str, Any] = {"status": "ok", "reason": None, "file_bytes": None, "sha256": None}
    try:
        about = file.stat()
        if not stat.S_ISREG(about.st_mode):
            return {**facts, "status": "unreadable", "reason": "is not a file"}
        facts["file_bytes"] = size = about.st_size
        if size > max_bytes:
            return {**facts, "status": "too_large", "reason": f"{size} bytes are above the limit of {max_bytes}"}
        data = file.read_bytes()
        facts["sha256"] = hashlib.sha256(data).hexdigest()
        image = read_image(data, max_pixels=max_pixels, max_bytes=max_bytes)
    except UnreadableImageError as error:
        return {**facts, "status": error.status, "reason": error.message}
    except (OSError, ValueError) as error:
        return {**facts, "status": "unreadable", "reason": getattr(error, "strerror", None) or str(error)}
    return {**facts, **describe(image)}


def describe(image: RawImage) -> dict[str, Any]:
    """Describe decoded pixels: size, depth, digest, perceptual hash, grey levels, colour, border, JPEG tables."""
    pixels = image.pixels
    head = f"{pixels.shape}{pixels.dtype}".encode()
    grey = to_grey(image)
    return {
        "width": image.width,
        "height": image.height,
        "channels": image.channels,
        "bit_depth": image.bit_depth,
        "pixel_sha256": hashlib.sha256(head + pixels.tobytes()).hexdigest(),
        "phash": str(imagehash.phash(Image.fromarray(grey), hash_size=_HASH_SIDE)),
        **describe_picture(image, grey),
    }


def _assert_unique(ids: list[str]) -> None:
    twice = [name for name, count in Counter(ids).items() if count > 1]
    if twice:
        more = f", and so do {len(twice) - 1:,} others" if len(twice) > 1 else ""
        raise UsageError(
            f"{twice[0]!r} comes from two sources or lines{more}",
            repair="Name an image on one line of a table only, and give each source its own name: KIND:NAME=PATH",
        )


def _conform(frame: pl.DataFrame) -> pl.DataFrame:
    if "boxes" in frame.columns and frame.schema["boxes"] == pl.String:
        frame = frame.with_columns(pl.col("boxes").str.json_decode(BOX_DTYPE))
    columns = [
        (pl.col(name).cast(dtype) if name in frame.columns else pl.lit(None, dtype=dtype).alias(name))
        for name, dtype in CATALOG_SCHEMA.items()
    ]
    extra = [name for name in frame.columns if name not in CATALOG_SCHEMA]
    return frame.select(*columns, *extra)
