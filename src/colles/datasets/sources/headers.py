"""Patient and study of DICOM files that class folders or a table name: they stand in the files' own headers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from colles.core.errors import CollesError
from colles.core.identity import one_spelling
from colles.datasets.pseudonyms import Pseudonyms
from colles.datasets.sources import dicom_words as words
from colles.datasets.sources.files import first_bytes
from colles.imaging.dicom_mark import is_dicom
from colles.imaging.read import DICOM_ENDINGS
from colles.imaging.read_dicom import read_header


class HeaderIds:
    """Read them under salted names, as the dicom source does; without a salt nothing is read."""

    def __init__(self, salt: str | Path | None) -> None:
        self._salt = salt
        self._names: Pseudonyms | None = None

    def prepare(self, paths: Iterable[Path]) -> None:
        """Make the salt where one of these files will need it: it is part of what the rows come from."""
        if self._salt is not None and self._names is None and any(map(_is_dicom, paths)):
            self._names = Pseudonyms.load(self._salt)

    def of(self, path: Path) -> dict[str, str | None]:
        """Return patient_id, study_id, id_scope and group_id; nothing where the file is no DICOM or names nobody."""
        if self._salt is None or not _is_dicom(path):
            return {}
        self._names = self._names or Pseudonyms.load(self._salt)
        try:
            ds = read_header(path)
        except (CollesError, OSError, ImportError):
            return {}  # the catalog names what is wrong with the file
        return {} if ds is None else salted_ids(ds, self._names)


def salted_ids(ds: Any, names: Pseudonyms) -> dict[str, str | None]:
    """Return patient_id, study_id, id_scope and group_id of a header under salted names; nothing where it names nobody.

    The group is the patient, or the study where the patient is not known. One PatientID that two archives spell
    differently is one patient. Who issued it is not asked: files of one patient may name the issuer or not, and no
    patient may be torn apart, while two who share an id may well stay together.
    """
    patient, study = words.identity(ds, "PatientID"), words.identity(ds, "StudyInstanceUID")
    if not (patient or study):
        return {}
    patient_id = names.name("patient", one_spelling(patient)) if patient else None
    study_id = names.name("study", study) if study else None
    group_id = f"{names.scope}:{patient_id or study_id}"
    return {"patient_id": patient_id, "study_id": study_id, "id_scope": names.scope, "group_id": group_id}


def is_named_dicom(path: Path) -> bool:
    """Tell by its ending whether a file says that it is DICOM."""
    return path.suffix.lower() in DICOM_ENDINGS


def _is_dicom(path: Path) -> bool:
    # By its bytes as well, as it is decoded: archives write no ending, and people others.
    return is_named_dicom(path) or is_dicom(first_bytes(path))
