"""Write answers as a table: CSV, JSON lines, JSON or Parquet by the file's ending.

Rows go to a journal while they come and from there to the table, so that neither needs memory for all of them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from colles.core.errors import UsageError
from colles.core.files import atomic_path, sync
from colles.serving.journal import Answered, Journal, Row
from colles.serving.prediction import COLUMNS, STATUSES, UNDRAWN, Prediction

_CHUNK = 10_000


@dataclass
class Tally:
    """What was written."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    """Images by status."""
    skipped: int = 0
    """Among them those that an earlier run had answered."""
    interrupted: bool = False
    decisions: dict[str, int] = field(default_factory=dict)
    """How often each decision was taken on the images that were judged."""

    undrawn: int = 0
    """Images that were judged, of which a picture was asked for and could not be drawn."""

    def count(self, row: Row) -> None:
        """Take a row into account."""
        self.counts[row["status"]] += 1
        self.undrawn += (row["reason"] or "").startswith(UNDRAWN)
        if decision := row["decision"]:
            self.decisions[decision] = self.decisions.get(decision, 0) + 1

    def __str__(self) -> str:
        decided = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(self.decisions.items()))
        told = {name: f"{count} {name}" for name, count in self.counts.items() if count}
        if decided and "ok" in told:
            told["ok"] += f" ({decided})"
        notes = ((self.skipped, "answered before"), (self.undrawn, "without a picture: see their reason"))
        noted = "".join(f" ({number} {note})" for number, note in notes if number)
        count = sum(self.counts.values())
        return f"{count} image{'' if count == 1 else 's'}: {', '.join(told.values()) or 'none'}{noted}"


def assert_writable(out: Path) -> None:
    """Raise `UsageError` for an unknown ending."""
    if out.suffix.lower() not in WRITERS:
        text = f"cannot tell the table's form from {out.suffix!r}"
        raise UsageError(text, path=out, repair=f"Use {', '.join(WRITERS)}")


def save_predictions(
    predictions: Iterable[Prediction],
    out: str | Path,
    *,
    paths: Iterable[object] = (),
    answered: Answered | None = None,
) -> Tally:
    """Write a row an answer in their order and count them.

    With `answered`, `paths` are all inputs in order and `predictions` the answers on those without an earlier row;
    earlier rows of other paths come last. The file appears when it is complete. An interrupt while an answer is waited
    for ends it with what had been answered; any other one leaves the file as it was, and all rows in the journal. Raise
    `UsageError` for an unknown ending, `StorageError` for a full or read-only disk.
    """
    file = Path(out)
    assert_writable(file)
    journal, tally = Journal(file), Tally()
    new = _until_interrupted(predictions, tally)
    journal.open(keep=answered is not None)
    done = False
    try:
        for row in new if answered is None else _merged(new, paths, answered, tally):
            tally.count(row)
            journal.append(row)
        journal.sync()
        with atomic_path(file) as temporary:
            WRITERS[file.suffix.lower()](journal.rows(), temporary)
            sync(temporary)
        done = True
    finally:
        journal.close(done=done)
    return tally


def _until_interrupted(predictions: Iterable[Prediction], tally: Tally) -> Iterator[Row]:
    try:
        for prediction in predictions:
            yield row_of(prediction)
    except KeyboardInterrupt:
        tally.interrupted = True


def _merged(new: Iterator[Row], paths: Iterable[object], answered: Answered, tally: Tally) -> Iterator[Row]:
    for path in paths:
        row = answered.get(as_utf8(str(path)))
        tally.skipped += row is not None
        row = row or next(new, None)
        if row is not None:
            answered.mark_written(row["path"])
            yield row
    for row in new:  # of files that were gone when the paths were gone through again
        answered.mark_written(row["path"])
        yield row
    for row in answered.left():
        tally.skipped += 1
        yield row


def row_of(prediction: Prediction) -> Row:
    """Return a row of JSON values: the columns, and `boxes` where there are any asked for."""
    row = {name: as_utf8(value) for name, value in prediction.row().items()}
    if prediction.boxes is not None:
        row["boxes"] = [box.row() for box in prediction.boxes]
    return row


def as_utf8(value: Any) -> Any:
    """Return a text as the table shows it: bytes of a file name that are not UTF-8 become `\\udcXX`."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value


def _csv(rows: Iterator[Row], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer, quoting = (
            csv.DictWriter(stream, COLUMNS, lineterminator="\n", extrasaction="ignore", quoting=kind)
            for kind in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
        )
        writer.writeheader()
        for row in rows:  # Python before 3.13 leaves a carriage return bare, which ends a line for who reads it
            (quoting if "\r" in (row["path"] or "") else writer).writerow(row)


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
    from polars.io.plugins import register_io_source

    kinds = {"score": pl.Float64, "probability": pl.Float64, "seconds": pl.Float64}
    schema = {name: kinds.get(name, pl.String) for name in COLUMNS}

    def chunks(*_: object) -> Iterator[pl.DataFrame]:
        while chunk := list(islice(rows, _CHUNK)):
            yield pl.DataFrame([[row[name] for name in COLUMNS] for row in chunk], schema=schema, orient="row")

    register_io_source(chunks, schema=schema).sink_parquet(path)


WRITERS: dict[str, Callable[[Iterator[Row], Path], None]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".jsonl": _json_lines,
    ".json": _json,
}
