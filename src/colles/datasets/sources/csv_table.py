"""A table of paths and labels (CSV, or Parquet and JSON of the same columns)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from colles.core.errors import MissingInputError, TableError
from colles.core.identity import known_id
from colles.core.records import Radiograph
from colles.core.tables import read_table
from colles.datasets.sources.base import (
    SUBSET_FOLDERS,
    Source,
    is_missing,
    place_boxes,
    read_boxes,
    stated_label,
)
from colles.datasets.sources.columns import with_known_names
from colles.datasets.sources.dicom_words import years
from colles.datasets.sources.headers import HeaderIds

_TEXT = ("body_part", "view", "laterality", "sex", "manufacturer", "patient_id", "study_id", "base_name", "given_split")
_IDS = ("patient_id", "study_id", "group_id")
_COLUMNS = ("path", "label", "boxes", "hardware", "age", "upper_limb", "group_id", *_TEXT)


class CsvTable(Source):
    """Columns `path` (absolute, or relative to the table) and `label` (1, 0, empty); others of the catalog if there.

    Of DICOM files without an id in the table, patient and study are read from the header; where some lines lack a
    patient, the headers of all make the groups, so that lines with and without one that mean the same meet.
    """

    kind = "csv"

    def radiographs(self) -> Iterator[Radiograph]:
        """Yield a row a line, in the table's order."""
        table = with_known_names(self._table(), _COLUMNS, self.root)
        if table.is_empty():
            raise MissingInputError("has no rows", path=self.root, repair="Write a line an image: path,label")
        headers = HeaderIds(self.salt)
        whole = "patient_id" in table.columns and all(_said("patient_id", text) for text in table["patient_id"])
        for number, row in enumerate(table.iter_rows(named=True), start=2):
            yield self._row(row, number, None if whole else headers)

    def files(self) -> list[Path]:
        """List the table and the images that it names; where these are DICOM files, make the salt of their patients."""
        named = self._table()["path"].drop_nulls().unique(maintain_order=True)
        images = [self.root.parent / str(path) for path in named]
        HeaderIds(self.salt).prepare(images)
        return [self.root, *images]

    def finish(self, row: Radiograph) -> Radiograph:
        """Clip the boxes to the image."""
        return place_boxes(row, shares=False, stored=self.boxes_on == "stored")

    def image_id(self, path: Path) -> str:
        """Return the id of a file: the source's name and the path as the table gives it."""
        folder = self.root.parent
        inside = path.relative_to(folder) if path.is_relative_to(folder) else path
        return f"{self.name}/{inside.as_posix().lstrip('/')}"

    def _table(self) -> pl.DataFrame:
        return read_table(self.root, ("path", "label"), as_text=True)

    def _row(self, row: dict[str, Any], number: int, headers: HeaderIds | None) -> Radiograph:
        field = f"line {number}"
        if not row["path"]:
            raise TableError("has no path", path=self.root, field=field, repair="Fill the column or drop the line")
        path = self.root.parent / str(row["path"])
        image_id = self.image_id(path)
        text: dict[str, Any] = {name: _said(name, row.get(name)) for name in _TEXT}
        own: dict[str, Any] = {} if headers is None else headers.of(path)
        if text["patient_id"] or text["study_id"]:
            own = {name: value for name, value in own.items() if name == "group_id"}
        group = _said("group_id", row.get("group_id"))
        named = (group, text["patient_id"], text["study_id"], text["base_name"])
        own |= {"group_id": f"{self.name}:{group}"} if group else {}
        groups = [f"{self.name}:{name}" for name in named if name]
        try:
            return Radiograph(
                image_id=image_id,
                source=self.name,
                path=str(path),
                label=stated_label(row["label"], self.class_map, path=self.root, field=field),
                boxes=read_boxes(row.get("boxes"), path=self.root, field=field),
                hardware=_stated(row.get("hardware")),
                age=_age(row.get("age")),
                upper_limb=_stated(row.get("upper_limb")),
                **{"group_id": groups[0] if groups else image_id, **text, **own},
            )
        except (ValidationError, ValueError, TypeError, LookupError) as error:
            reason = _reason(error)
            repair = "Write hardware and upper_limb as yes or no, age in years, and nothing where it is not known"
            raise TableError(f"cannot be understood ({reason})", path=self.root, field=field, repair=repair) from error


def _stated(value: Any) -> Any:
    """Return a cell, None where it says that nothing is known."""
    return None if value is None or is_missing(str(value)) else value


def _age(value: Any) -> Any:
    text = _stated(value)
    in_years = years(text) if isinstance(text, str) else None
    if in_years is not None:
        return in_years
    return text.replace(",", ".") if isinstance(text, str) else text  # 34,5 years


def _reason(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())[:200]
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))} {first['input']!r}: {first['msg'][:1].lower()}{first['msg'][1:]}"


def _said(name: str, value: Any) -> str | None:
    text = "" if value is None else str(value).strip()
    if name in _IDS:
        return known_id(text, numbered=True)
    return (SUBSET_FOLDERS.get(text.lower(), text) if name == "given_split" else text) or None
