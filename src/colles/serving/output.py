"""Write answers as a table while they come: CSV, JSON lines, JSON or Parquet by the file's ending."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from colles.core.errors import UsageError
from colles.core.files import atomic_path
from colles.serving.prediction import COLUMNS, STATUSES, Prediction

Row = dict[str, Any]
_CHUNK = 10_000


@dataclass
class _Tally:
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    interrupted: bool = False


def save_predictions(predictions: Iterable[Prediction], out: str | Path) -> dict[str, int]:
    """Write a row an answer in their order and return the number of each status.

    The file appears when it is complete. After Ctrl-C it holds what had been answered, and KeyboardInterrupt goes on.
    Raise `UsageError` for an unknown ending, `StorageError` for a full or read-only disk.
    """
    file, tally = Path(out), _Tally()
    write = WRITERS.get(file.suffix.lower())
    if write is None:
        repair = f"Use {', '.join(WRITERS)}"
        raise UsageError(f"cannot tell the table's form from {file.suffix!r}", path=file, repair=repair)
    with atomic_path(file) as temporary:
        write(_rows(predictions, tally), temporary)
    if tally.interrupted:
        raise KeyboardInterrupt
    return tally.counts


def _rows(predictions: Iterable[Prediction], tally: _Tally) -> Iterator[Row]:
    try:
        for prediction in predictions:
            tally.counts[prediction.status] += 1
            yield {name: _utf8(value) for name, value in prediction.row().items()}
    except KeyboardInterrupt:
        tally.interrupted = True


def _utf8(value: Any) -> Any:
    # A file name may hold bytes that are not UTF-8; the table shows them as \\udcXX.
    return value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value


def _csv(rows: Iterator[Row], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _json_lines(rows: Iterator[Row], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def _json(rows: Iterator[Row], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write("[")
        for number, row in enumerate(rows):
            stream.write(("," if number else "") + "\n" + json.dumps(row, ensure_ascii=False, allow_nan=False))
        stream.write("\n]\n")


def _parquet(rows: Iterator[Row], path: Path) -> None:
    import polars as pl

    kinds = {"score": pl.Float64, "probability": pl.Float64, "seconds": pl.Float64}
    schema = {name: kinds.get(name, pl.String) for name in COLUMNS}
    frames = [pl.DataFrame(schema=schema)]
    while chunk := list(islice(rows, _CHUNK)):
        frames.append(pl.DataFrame(chunk, schema=schema))
    pl.concat(frames).write_parquet(path)


WRITERS: dict[str, Callable[[Iterator[Row], Path], None]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".jsonl": _json_lines,
    ".json": _json,
}
