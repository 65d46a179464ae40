"""Read and write tables; the file's ending chooses CSV, Parquet, JSON or JSON lines.

Boxes are a list of structs in Parquet and a JSON list in the other forms.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from colles.core.delimited import UTF8, separator_of, with_points, without_last_blanks
from colles.core.errors import TableError, UsageError
from colles.core.files import atomic_path, existing_file
from colles.core.mapped import map_table
from colles.core.names import nearest

_GROUP = 10_000  # rows of a Parquet file that are decoded at a time
ENDINGS = (".csv", ".parquet", ".json", ".jsonl")

_OTHER_ENDINGS = {
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".numbers"), "Open it there and save it as CSV UTF-8"),
    **dict.fromkeys((".tsv", ".txt"), "Let its name end in .csv: tabs and semicolons are read too"),
}
COCO = "Make a table of its labels and boxes, as docs/tutorial.md does under COCO"


def _ending(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        repair = _OTHER_ENDINGS.get(ending, f"Use {', '.join(ENDINGS)}")
        raise UsageError(f"cannot tell the table's form from {ending!r}", path=path, repair=repair)
    return ending


def read_table(
    path: str | Path,
    required: Iterable[str] = (),
    *,
    as_text: bool = False,
    texts: Iterable[str] = (),
    mapped: bool = False,
) -> pl.DataFrame:
    """Read a table and check that it has the `required` columns.

    The columns of a CSV may be divided by semicolons or tabs too, and rows at its end that hold nothing do not count.
    `as_text` keeps every value of a CSV as it is written, so that an id 007 stays 007; `texts` does so for the columns
    that it names. `mapped` leaves a long Parquet or text table on disk.
    Raise `MissingInputError` where there is no file, `TableError` where it cannot be read or lacks a column.
    """
    file = existing_file(path)
    ending, required = _ending(file), tuple(required)
    mark = separator_of(file, required) if ending == ".csv" else ","
    try:
        long = map_table(file, mark) if mapped and (ending == ".parquet" or (ending == ".csv" and as_text)) else None
        frame = _read(file, mark, as_text, tuple(texts)) if long is None else without_last_blanks(long)
    except (pl.exceptions.PolarsError, ValueError, TypeError, OSError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TableError(f"cannot be read as {ending[1:]} ({reason})", path=file, repair=_repair(file)) from error
    require_columns(frame, required, path=file)
    return frame


def _read(file: Path, mark: str, as_text: bool, texts: tuple[str, ...]) -> pl.DataFrame:
    ending = _ending(file)
    if ending == ".csv":
        return _read_csv(file, mark, as_text, texts)
    if ending == ".parquet":
        return pl.read_parquet(file, glob=False)
    if ending == ".json":
        return pl.DataFrame(json.loads(file.read_text("utf-8-sig")), infer_schema_length=None)
    with file.open("rb") as stream:  # by its path polars would take run[1]/ for a pattern
        stream.seek(len(BOM_UTF8) if stream.read(len(BOM_UTF8)) == BOM_UTF8 else 0)
        return pl.read_ndjson(stream, infer_schema_length=None)


def _read_csv(file: Path, mark: str, as_text: bool, texts: tuple[str, ...]) -> pl.DataFrame:
    frame = pl.read_csv(
        file,
        separator=mark,
        infer_schema=not as_text,
        infer_schema_length=None,
        schema_overrides=dict.fromkeys(texts, pl.String) or None,
        glob=False,
    )
    frame = without_last_blanks(frame)
    return frame if as_text or mark == "," else with_points(frame, texts)


def _repair(file: Path) -> str:
    if is_coco(file):
        return f"It is a COCO file. {COCO}"
    if file.suffix.lower() != ".csv":
        return "Check the file"
    if not file.stat().st_size:
        return "It is empty: write a line with the names of the columns, and a line an image"
    return "Put values that hold a comma or a quote in quotes" if _is_utf8(file) else UTF8


def is_coco(file: Path) -> bool:
    """Tell whether a JSON file holds annotations in the form of COCO."""
    try:
        held = json.loads(file.read_text("utf-8-sig")) if file.suffix.lower() == ".json" else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(held, dict) and {"images", "annotations"} <= held.keys()


def _is_utf8(file: Path) -> bool:
    try:
        file.read_text("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def require_columns(frame: pl.DataFrame, required: Iterable[str], *, path: str | Path | None = None) -> None:
    """Raise `TableError` naming the first column that is missing, with the nearest one there is, or there twice."""
    required = tuple(required)
    for name in required:
        if f"{name}_duplicated_0" in frame.columns:  # what polars calls the second of two
            text = f"has two columns {name!r}"
            raise TableError(text, path=path, field=name, repair="Take one out, or give it another name")
        if name not in frame.columns:
            guess = nearest(name, (column for column in frame.columns if column not in required))
            hint = f"Rename {guess!r} to {name!r}" if guess else f"It has {', '.join(frame.columns) or 'no columns'}"
            raise TableError(f"lacks the column {name!r}", path=path, repair=hint)


def has_values(frame: pl.DataFrame, column: str) -> bool:
    """Tell whether a column is there and holds single values, not lists, bytes or objects."""
    dtype = frame.schema.get(column)
    return dtype is not None and not dtype.is_nested() and dtype not in (pl.Binary, pl.Object)


def write_table(frame: pl.DataFrame, path: str | Path) -> Path:
    """Write a table atomically."""
    file = Path(path)
    ending = _ending(file)
    with atomic_path(file) as temporary:
        if ending == ".parquet":
            frame.write_parquet(temporary, row_group_size=_GROUP)
        elif ending == ".csv":
            _flat(frame).write_csv(temporary)
        elif ending == ".jsonl":
            frame.write_ndjson(temporary)
        else:
            text = json.dumps(frame.to_dicts(), indent=1, ensure_ascii=False, default=str)
            temporary.write_text(text + "\n", encoding="utf-8")
    return file


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    as_json = [
        pl.Series(name, [None if v is None else _json(v) for v in frame[name].to_list()], dtype=pl.String)
        for name in nested
    ]
    return frame.with_columns(as_json)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
