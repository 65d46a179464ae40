"""How a CSV file is written: what divides its columns, and forms of spreadsheets that cannot be read."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

import polars as pl

from colles.core.errors import TableError

UTF8 = "Save it as UTF-8 (of a spreadsheet: CSV UTF-8)"
_SEPARATORS = (",", ";", "\t")
_HEAD = 1 << 16  # bytes that are looked at
_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_DECIMAL = r"^[-+]?\d*,?\d+([eE][-+]?\d+)?$"


def separator_of(file: Path, required: Collection[str]) -> str:
    """Return what divides the columns: comma, semicolon or tab, whichever gives the required ones, else the most.

    Raise `TableError` for another encoding than UTF-8 that its first bytes tell, a spreadsheet and the like.
    """
    with file.open("rb") as stream:
        head = stream.read(_HEAD)
    _refuse_other_forms(head, file)
    line = head.decode("utf-8-sig", "replace").split("\n")[0].rstrip("\r")
    if line.lower().startswith("sep="):
        _refuse(file, f"begins with a line for a spreadsheet ({line!r})", "Take its first line out")
    names = {mark: next(csv.reader([line], delimiter=mark), []) for mark in _SEPARATORS}
    best = max(_SEPARATORS, key=lambda mark: (len(set(required).intersection(names[mark])), len(names[mark])))
    if len(names[best]) == 1 and "," in names[best][0]:
        _refuse(file, "has each line in quotes as a whole", "Export it again, a cell a column")
    return best


def _refuse_other_forms(head: bytes, file: Path) -> None:
    if head.startswith(_SPREADSHEETS):
        _refuse(file, "is a spreadsheet or an archive, not text", "Open it there and save it as CSV UTF-8")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
        _refuse(file, "is written in UTF-16, not in UTF-8", UTF8)
    if b"\r" in head.rstrip() and b"\n" not in head:
        _refuse(file, "ends its lines in the manner of an old Mac (CR alone)", UTF8)


def _refuse(file: Path, text: str, repair: str) -> NoReturn:
    raise TableError(text, path=file, repair=repair)


def with_points(frame: pl.DataFrame, texts: Collection[str]) -> pl.DataFrame:
    """Return a table of a country that writes 0,5 with numbers in place of such texts; columns of `texts` stay."""
    words = [name for name, dtype in frame.schema.items() if dtype == pl.String and name not in texts]
    decimals = [name for name in words if _are_decimals(frame[name].drop_nulls())]
    return frame.with_columns(pl.col(decimals).str.replace(",", ".", literal=True).cast(pl.Float64))


def _are_decimals(values: pl.Series) -> bool:
    return bool(values.str.contains(",", literal=True).any() and values.str.contains(_DECIMAL).all())


def without_last_blanks(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table without the rows at its end that hold nothing; spreadsheets write many."""
    if frame.is_empty() or any(value is not None for value in frame.row(-1)):
        return frame
    held = frame.select(pl.any_horizontal(pl.all().is_not_null())).to_series().arg_true()
    return frame.head(int(held[-1]) + 1 if len(held) else 0)
