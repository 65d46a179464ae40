"""Embeddings of a catalog's images: computed once by a network, kept by content in a file beside the catalog."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import polars as pl
from numpy.typing import NDArray

from colles.core.errors import StorageError, TableError
from colles.core.extras import require
from colles.core.files import atomic_path
from colles.core.progress import say, track
from colles.datasets.audit.duplicates import Embeddings
from colles.datasets.catalog import read_again
from colles.imaging.preprocess import to_canvas


def embeddings_file(catalog: Path) -> Path:
    """Return where the embeddings of a catalog are kept."""
    return catalog.with_suffix(".embeddings.npz")


def load_embeddings(frame: pl.DataFrame, cache: Path) -> Embeddings:
    """Return image_id → features of the readable images; what `cache` lacks is computed and added to it.

    Raise `MissingExtraError` without torch, `TableError` where `cache` is another kind of file.
    """
    rows = frame.filter((pl.col("status") == "ok") & pl.col("sha256").is_not_null())
    known = _read(cache)
    new = rows.unique("sha256", maintain_order=True).filter(~pl.col("sha256").is_in(list(known)))
    if len(new):
        # Rounded as the file keeps them, so that a second call sees the same.
        rounded = (each.astype(np.float16).astype(np.float32) for each in _compute(new))
        known |= dict(zip(new["sha256"].to_list(), rounded, strict=True))
        try:
            _write(cache, known)
        except StorageError as error:  # they took minutes, and are good for this once
            say(f"{cache}: {error.message}: the features are not kept, and computed again the next time")
    return {image: known[digest] for image, digest in rows.select("image_id", "sha256").iter_rows()}


def _compute(rows: pl.DataFrame) -> Iterator[NDArray[np.float32]]:
    require("torch", "train")
    from colles.learning.embedding import PREPROCESS, embed

    files = track(rows.select("path", "sha256").iter_rows(), "Embedding", total=len(rows))
    canvases = (to_canvas(read_again(*file), PREPROCESS) for file in files)
    yield from embed(canvases)


def _read(cache: Path) -> dict[str, NDArray[np.float32]]:
    if not cache.exists():
        return {}
    try:
        with np.load(cache, allow_pickle=False) as stored:
            return dict(zip(stored["sha256"].tolist(), stored["features"].astype(np.float32), strict=True))
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise TableError("is not a file of embeddings", path=cache, repair="Delete it; it is made again") from error


def _write(cache: Path, known: Embeddings) -> None:
    with atomic_path(cache) as temporary, temporary.open("wb") as stream:
        features = np.stack(list(known.values())).astype(np.float16)
        np.savez(stream, sha256=np.array(list(known)), features=features)
