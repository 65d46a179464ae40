"""Which study an image belongs to: by what its DICOM header says, by its folder, or by a table."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from colles.core.errors import CollesError, TableError, UsageError
from colles.core.extras import require
from colles.core.identity import known_id
from colles.core.limits import MAX_BYTES
from colles.core.tables import read_table
from colles.serving.decode import OnHeader
from colles.serving.inputs import Found
from colles.serving.metadata import StudyMetadata
from colles.serving.output import as_utf8

KEYWORDS = {"study": "StudyInstanceUID", "patient": "PatientID"}
Find = Callable[[str], Found | None]
COLUMNS = {"study": "study_id", "patient": "patient_id"}


class StudyIds(ABC):
    """Name the study (or patient) of an image."""

    on_header: OnHeader | None = None
    """Takes what a file says of its study while the file is open anyway."""

    @abstractmethod
    def of(self, path: str, find: Find) -> str | None:
        """Return its name, None where it belongs to none; `path` is the image's as the table of answers shows it.

        `find` looks the image itself up, at some cost.
        """


class HeaderIds(StudyIds):
    """StudyInstanceUID or PatientID of DICOM files, under a salted name."""

    def __init__(self, unit: str, salt: Path) -> None:
        from colles.datasets.pseudonyms import Pseudonyms

        require("pydicom", "dicom")
        self._unit, self._names = unit, Pseudonyms.load(salt)
        self._seen: dict[str, str | None] = {}
        self.on_header = self._note

    def _note(self, image: object, ds: Any) -> None:
        self._seen[as_utf8(str(image))] = self._name(ds)

    def of(self, path: str, find: Find) -> str | None:
        if path not in self._seen:  # one that an earlier run, or another machine, has answered
            self._seen[path] = self._read(find(path) or Path(path))
        return self._seen[path]

    def _read(self, image: Found) -> str | None:
        from colles.imaging.read_dicom import read_header

        try:
            ds = read_header(image if isinstance(image, Path) else image.read(MAX_BYTES))
        except (CollesError, OSError):
            return None
        return None if ds is None else self._name(ds)

    def _name(self, ds: Any) -> str | None:
        from colles.datasets.sources.dicom_words import identity

        value = identity(ds, KEYWORDS[self._unit])
        return self._names.name(self._unit, value) if value else None


class FolderIds(StudyIds):
    """The folder that an image lies in, also inside a zip file or an object store."""

    def of(self, path: str, find: Find) -> str | None:
        return path.rpartition("/")[0] or "."


class TableIds(StudyIds):
    """A table of `path` and `study_id` (`patient_id` for bundles that judge patients); paths from its folder on."""

    def __init__(self, unit: str, table: Path) -> None:
        column = COLUMNS[unit]
        frame = read_table(table, ("path", column), as_text=True).drop_nulls("path")
        if frame["path"].is_duplicated().any():
            twice = frame.filter(frame["path"].is_duplicated())["path"][0]
            raise TableError(f"names {twice!r} twice", path=table, field="path", repair="Leave one row of each path")
        self._names = {
            _anchored(str(path), table.parent): None if name is None else known_id(str(name).strip(), numbered=True)
            for path, name in frame.select("path", column).iter_rows()
        }

    def of(self, path: str, find: Find) -> str | None:
        return self._names.get(_anchored(path, Path()))


def _anchored(path: str, folder: Path) -> str:
    return path if "://" in path else os.path.abspath(folder / path)


def study_ids(by: str, study: StudyMetadata, salt: Path) -> StudyIds:
    """Return the ids that `by` means: `dicom`, `folder`, or the path of a table.

    Raise `MissingExtraError` for `dicom` without pydicom, `UsageError` for a word that is none of these, `TableError`
    for a table without the columns.
    """
    if by == "dicom":
        return HeaderIds(study.unit, salt)
    if by == "folder":
        return FolderIds()
    if not Path(by).suffix:
        raise UsageError(f"{by!r} is no way to tell studies", field="--study-by", repair="Use dicom, folder or a table")
    return TableIds(study.unit, Path(by))
