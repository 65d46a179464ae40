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

from colles.core.errors import OutputExistsError, StaleInputError, TableError
from colles.core.files import hold, read_json, storage_errors
from colles.serving.prediction import COLUMNS, STATUSES

Row = dict[str, Any]
_FLUSH = 1.0  # seconds between writes to the disk
_UPSERT = """insert into rows (path, row, answered) values (?, ?, ?)
    on conflict do update set row = excluded.row, answered = excluded.answered"""  # a row keeps its place
_OF_PATH = "from rows where path = ? and answered = 1"
_NUMBERS = ("score", "probability", "seconds")
_REPLACES = {"replaces": "the table"}
_TAKEN = "another process is writing it"


class Journal:
    """A file of JSON lines, a row an answer; its name is the table's with a dot before and `.journal` behind."""

    def __init__(self, table: Path) -> None:
        self._table, self.path = table, table.with_name(f".{table.name}.journal")
        self._stream: IO[bytes] | None = None
        self._start, self._flushed = 0, 0.0

    def open(self, *, keep: bool = False) -> None:
        """Start it anew, or behind what a killed run left in it where that is to be kept.

        Raise `OutputExistsError` where another process writes it.
        """
        with storage_errors(self._table, self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self._held()
            if not keep:
                self._stream.truncate(0)
            if self._stream.seek(0, os.SEEK_END):
                self._stream.write(b"\n")  # its last line may have been cut off
            elif not keep and self._table.exists():
                self._stream.write(json.dumps(_REPLACES).encode() + b"\n")
                self._sync(self._stream)
            self._start = self._stream.tell()

    def append(self, row: Row) -> None:
        """Add a row; it is on the disk within a second."""
        assert self._stream is not None
        with storage_errors(self._table, self.path):
            self._stream.write(json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            if time.monotonic() - self._flushed > _FLUSH:
                self._sync(self._stream)
                self._flushed = time.monotonic()

    def assert_free(self) -> None:
        """Raise `OutputExistsError` where another process writes it."""
        if left_behind(self._table):
            with storage_errors(self._table, self.path):
                self._held().close()

    def sync(self) -> None:
        """Write what is left."""
        if self._stream is not None:
            with storage_errors(self._table, self.path):
                self._sync(self._stream)

    def close(self, *, done: bool = False) -> None:
        """Write what is left, or remove it where all is `done`, and let other processes in."""
        if self._stream is None:
            return
        with storage_errors(self._table, self.path):
            try:
                if done:
                    self.path.unlink(missing_ok=True)
                else:
                    self.sync()
            finally:
                self._stream.close()
        self._stream = None

    def rows(self) -> Iterator[Row]:
        """Yield what was added since it was opened, before that all that it holds; lines cut off are left out."""
        yield from (row for row in json_lines(self.path, strict=False, start=self._start) if row != _REPLACES)

    def replaces_table(self) -> bool:
        """Tell whether a killed run left it that was to overwrite the table, whose answers count no more."""
        return next(json_lines(self.path, strict=False), None) == _REPLACES

    def _held(self) -> IO[bytes]:
        stream = self.path.open("ab")
        try:
            hold(stream, self._table, _TAKEN)
            if not self.path.exists() or not os.path.samestat(os.fstat(stream.fileno()), self.path.stat()):
                # The other one's end removed it in between.
                raise OutputExistsError(_TAKEN, path=self._table, repair="Start again")
        except BaseException:
            stream.close()
            raise
        return stream

    def _sync(self, stream: IO[bytes]) -> None:
        stream.flush()
        os.fsync(stream.fileno())


class Answered:
    """Rows of earlier answers by path, in a temporary database rather than in memory."""

    def __init__(self, bundle: str, *, gate: bool = True) -> None:
        """`gate` false asks again for what was refused."""
        self._bundle = bundle
        self._asked_again = {"unreadable"} if gate else {"unreadable", "refused"}
        self._rows = sqlite3.connect("", check_same_thread=False)
        self._rows.execute("create table rows (path text primary key, row text, answered int, written int default 0)")

    def add(self, rows: Iterable[Row], source: Path) -> None:
        """Take rows; unreadable files are to be tried again.

        Raise `StaleInputError` where a row is of another bundle, `TableError` where it is no row of a prediction.
        """
        for row in rows:
            if not row.keys() >= set(COLUMNS) or row["status"] not in STATUSES or not row["path"]:
                raise TableError("is no table of colles predict", path=source, repair="Choose another --out")
            if row["bundle"] != self._bundle:
                raise StaleInputError(
                    f"holds answers of {row['bundle']}, not of {self._bundle}",
                    path=source,
                    repair="Choose another --out, or --overwrite it",
                )
            self._rows.execute(_UPSERT, (row["path"], json.dumps(row), row["status"] not in self._asked_again))

    def get(self, path: str) -> Row | None:
        """Return the earlier row of a path, None where it is to be judged."""
        found = self._rows.execute(f"select row {_OF_PATH}", (path,)).fetchone()
        return None if found is None else dict(json.loads(found[0]))

    def __contains__(self, path: str) -> bool:
        return self._rows.execute(f"select 1 {_OF_PATH}", (path,)).fetchone() is not None

    def paths(self) -> Iterator[str]:
        """Yield the paths that have a row."""
        for (path,) in self._rows.execute("select path from rows"):
            yield path

    def mark_written(self, path: str) -> None:
        """Note that the new table has a row of a path."""
        self._rows.execute("update rows set written = 1 where path = ?", (path,))

    def left(self) -> Iterator[Row]:
        """Yield the rows that the new table has not: of inputs that were not named again, or not reached."""
        for (row,) in self._rows.execute("select row from rows where not written order by rowid"):
            yield dict(json.loads(row))


def read_rows(table: Path) -> Iterator[Row]:
    """Yield the rows of a table of predictions in any of its forms; raise `TableError` where it is none."""
    ending = table.suffix.lower()
    if ending == ".csv":
        yield from _csv_rows(table)
    elif ending == ".jsonl":
        yield from json_lines(table)
    elif ending == ".json":
        held = read_json(table)
        yield from (row if isinstance(row, dict) else {} for row in (held if isinstance(held, list) else [held]))
    else:
        from colles.core.tables import read_table

        for frame in read_table(table, COLUMNS).select(COLUMNS).iter_slices(10_000):
            yield from frame.iter_rows(named=True)


def json_lines(path: Path, *, strict: bool = True, start: int = 0) -> Iterator[Row]:
    """Yield the objects of a file of JSON lines from a byte on; not `strict` leaves broken lines out."""
    with path.open("rb") as stream:
        stream.seek(start)
        for number, line in enumerate(stream, 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                if not strict:
                    continue
                raise TableError("is not valid JSON", path=path, field=f"line {number}", repair="Mend it") from error
            yield row if isinstance(row, dict) else {}


def _csv_rows(table: Path) -> Iterator[Row]:
    with table.open(encoding="utf-8-sig", newline="") as stream:
        try:
            for row in csv.DictReader(stream):
                texts = {name: row.get(name) or None for name in COLUMNS}
                yield {k: float(v) if k in _NUMBERS and v is not None else v for k, v in texts.items()}
        except (ValueError, csv.Error) as error:  # numbers, and bytes of another encoding, as spreadsheets write them
            raise TableError(str(error), path=table, repair="Choose another --out") from error


def left_behind(table: Path) -> Path | None:
    """Return the journal that a killed run left beside a table."""
    journal = Journal(table).path
    return journal if os.path.isfile(journal) else None
