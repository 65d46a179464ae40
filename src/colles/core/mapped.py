"""Long tables stay on disk: written once more as Arrow into the cache and mapped from there.

A million rows then take the memory of those that are looked at. A short table is read as it is.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from colles.core.cache import cache_folder
from colles.core.errors import StorageError
from colles.core.files import atomic_path, sha256_file

LONG = 50_000  # rows; a catalog's take about 0.8 kB each in memory


def map_table(path: Path) -> pl.DataFrame | None:
    """Return a long Parquet or CSV table (every value of the latter as it is written); None where it is short.

    None as well where there is no room for the copy. Raise polars' errors for a file that it cannot read.
    """
    parquet = path.suffix.lower() == ".parquet"
    rows = pl.scan_parquet(path) if parquet else pl.scan_csv(path, infer_schema=False)
    if rows.select(pl.len()).collect().item() < LONG:
        return None
    place = cache_folder() / "tables" / f"{sha256_file(path)[:32]}.arrow"
    return _open(place) if place.exists() or _copy(rows, place) else None


def _copy(rows: pl.LazyFrame, place: Path) -> bool:
    try:
        with atomic_path(place) as temporary:
            rows.sink_ipc(temporary, compression="uncompressed")
    except (StorageError, OSError):
        return False
    return True


def _open(place: Path) -> pl.DataFrame | None:
    try:
        return pl.read_ipc(place)
    except (pl.exceptions.PolarsError, OSError):
        place.unlink(missing_ok=True)  # damaged: the next run makes it again
        return None
