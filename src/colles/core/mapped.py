"""Long tables stay on disk: written once more as Arrow into the cache, and mapped where pyarrow is there.

A million rows then take the memory of those that are looked at. A short table is read as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import polars as pl

from colles.core.cache import cache_folder
from colles.core.errors import StorageError
from colles.core.files import atomic_path, sha256_file

LONG = 50_000  # rows; a catalog's take about 0.8 kB each in memory
_PART = 10_000  # rows that are rewritten at a time


def map_table(path: Path, mark: str = ",") -> pl.DataFrame | None:
    """Return a long Parquet or CSV table (every value of the latter as it is written); None where it is short.

    `mark` divides the columns of a CSV. None as well without pyarrow (polars reads an Arrow file into memory, pyarrow
    maps it; the extra train brings it), and where there is no room for the copy. Raise polars' errors for a file that
    it cannot read.
    """
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        return None
    is_parquet = path.suffix.lower() == ".parquet"
    if is_parquet:
        rows = pl.scan_parquet(path, glob=False)
    else:
        rows = pl.scan_csv(path, separator=mark, infer_schema=False, glob=False)
    if rows.select(pl.len()).collect().item() < LONG:
        return None
    divided = "" if mark == "," else f"-{ord(mark)}"
    place = cache_folder() / "tables" / f"{sha256_file(path)[:32]}{divided}.arrow"
    if not place.exists():
        try:
            with atomic_path(place) as temporary:
                if is_parquet:
                    _rewrite(parquet.ParquetFile(path), temporary, arrow)
                else:
                    rows.sink_ipc(temporary, compression="uncompressed")
        except (StorageError, OSError):
            return None
    return _open(place, arrow)


def _rewrite(file: Any, place: Path, arrow: Any) -> None:
    writer = None
    for batch in file.iter_batches(_PART):
        table = pl.DataFrame(batch).to_arrow(compat_level=pl.CompatLevel.newest())
        writer = writer or arrow.ipc.new_file(place, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _open(place: Path, arrow: Any) -> pl.DataFrame | None:
    try:
        table = arrow.ipc.open_file(arrow.memory_map(str(place))).read_all()
        return cast(pl.DataFrame, pl.from_arrow(table, rechunk=False))
    except (arrow.ArrowException, OSError, pl.exceptions.PolarsError):
        place.unlink(missing_ok=True)  # damaged: the next run makes it again
        return None
