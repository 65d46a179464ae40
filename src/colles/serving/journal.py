"""Answers as they come, in a file beside the table, so that a kill or a power cut loses a second of work at most."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from colles.core.errors import StaleInputError, TableError
from colles.core.files import read_json, storage_errors
from colles.serving.prediction import COLUMNS

Row = dict[str, Any]
_FLUSH = 1.0  # seconds between writes to the disk
_NUMBERS = ("score", "probability", "seconds")


class Journal:
    """A file of JSON lines, a row an answer; its name is the table's with a dot before and `.journal` behind."""

    def __init__(self, table: Path) -> None:
        self._table, self.path = table, table.with_name(f".{table.name}.journal")
        self._stream: IO[str] | None = None
        self._flushed = 0.0

    def open(self) -> None:
        """Start it anew."""
        with storage_errors(self._table, self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self.path.open("w", encoding="utf-8", newline="\n")

    def append(self, row: Row) -> None:
        """Add a row; it is on the disk within a second."""
        assert self._stream is not None
        with storage_errors(self._table, self.path):
            self._stream.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
            if time.monotonic() - self._flushed > _FLUSH:
                self._stream.flush()
                self._flushed = time.monotonic()

    def close(self) -> None:
        """Write what is left."""
        if self._stream is not None:
            with storage_errors(self._table, self.path):
                self._stream.close()
            self._stream = None

    def rows(self) -> Iterator[Row]:
        """Yield what it holds; a last line that was cut off is left out."""
        yield from json_lines(self.path, strict=False)


class Answered:
    """Rows of earlier answers by path, in a temporary database rather than in memory."""

    def __init__(self, bundle: str) -> None:
        self._bundle = bundle
        self._rows = sqlite3.connect("", check_same_thread=False)
        self._rows.execute("create table rows (path text primary key, row text)")

    def add(self, rows: Iterable[Row], source: Path) -> None:
        """Take rows that have an answer; unreadable files are tried again.

        Raise `StaleInputError` where a row is of another bundle, `TableError` where it is no row of a prediction.
        """
        for row in rows:
            if row.get("status") not in ("ok", "refused", "unreadable") or not row.get("path"):
                raise TableError("is no table of colles predict", path=source, repair="Choose another --out")
            if row.get("bundle") != self._bundle:
                raise StaleInputError(
                    f"holds answers of {row.get('bundle')}, not of {self._bundle}",
                    path=source,
                    repair="Choose another --out, or --overwrite it",
                )
            if row["status"] != "unreadable":
                self._rows.execute("insert or replace into rows values (?, ?)", (row["path"], json.dumps(row)))

    def get(self, path: str) -> Row | None:
        """Return the earlier row of a path."""
        found = self._rows.execute("select row from rows where path = ?", (path,)).fetchone()
        return None if found is None else dict(json.loads(found[0]))

    def __contains__(self, path: str) -> bool:
        return self._rows.execute("select 1 from rows where path = ?", (path,)).fetchone() is not None


def read_rows(table: Path) -> Iterator[Row]:
    """Yield the rows of a table of predictions in any of its forms; raise `TableError` where it is none."""
    ending = table.suffix.lower()
    if ending == ".csv":
        yield from _csv_rows(table)
    elif ending == ".jsonl":
        yield from json_lines(table)
    elif ending == ".json":
        yield from read_json(table)
    else:
        from colles.core.tables import read_table

        for frame in read_table(table, COLUMNS).select(COLUMNS).iter_slices(10_000):
            yield from frame.iter_rows(named=True)


def json_lines(path: Path, *, strict: bool = True) -> Iterator[Row]:
    """Yield the objects of a file of JSON lines; not `strict` ends at the first broken line."""
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                if not strict:
                    return
                raise TableError("is not valid JSON", path=path, field=f"line {number}", repair="Mend it") from error
            yield row if isinstance(row, dict) else {}


def _csv_rows(table: Path) -> Iterator[Row]:
    with table.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            texts = {name: row.get(name) or None for name in COLUMNS}
            try:
                yield {k: float(v) if k in _NUMBERS and v is not None else v for k, v in texts.items()}
            except ValueError as error:
                raise TableError(str(error), path=table, repair="Choose another --out") from error


def left_behind(table: Path) -> Path | None:
    """Return the journal that a killed run left beside a table."""
    journal = Journal(table).path
    return journal if os.path.isfile(journal) else None
