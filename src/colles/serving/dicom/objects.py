"""What all results have in common: file meta information, series, equipment, dates; and their last check."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from colles import __version__
from colles.core.errors import UsageError
from colles.serving.dicom.radiographs import MAKER
from colles.serving.dicom.uids import derived_uid


@dataclass(frozen=True, slots=True)
class Study:
    """What the results of one study share."""

    uid: str
    inherited: Dataset
    """Patient, study and character set of the images."""
    left_out: tuple[str, ...]
    """Keywords of attributes that the images have, and results do not."""
    bundle: str
    """As the answers name it."""
    manifest: str
    """sha256 of the bundle's manifest.json."""
    made: datetime
    basis: tuple[str, ...]
    """What the UIDs of the results rest on."""

    @property
    def device_uid(self) -> str:
        """UID of the observer: the bundle, to the last byte."""
        return derived_uid("device", self.bundle, self.manifest)

    def uid_of(self, kind: str, *parts: str) -> str:
        """Return the UID of one of the results."""
        return derived_uid(kind, *self.basis, *parts)


def ascii_only(text: str) -> str:
    """Return a text that every character set of DICOM holds, on one line, without what divides values."""
    letters = text.encode("ascii", "replace").decode().replace("\\", "/").replace("~", "-")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in letters).split())


def fitting(text: str, most: int) -> str:
    """Return a text of our own, cut to the characters that its attribute may have."""
    text = ascii_only(text)
    return text if len(text) <= most else text[: most - 3].rstrip() + "..."


def new_result(study: Study, kind: str, sop_class: str, modality: str, number: int, about: str = "") -> Dataset:
    """Return a data set with everything that results share; `kind` names its series, `about` what it is about."""
    ds = Dataset()
    ds.update(study.inherited)
    ds.set_original_encoding(False, True, study.inherited.original_character_set)
    ds.StudyInstanceUID = study.uid
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, study.uid_of(kind, about)
    ds.SeriesInstanceUID = study.uid_of(f"{kind} series")
    ds.Modality, ds.InstanceNumber = modality, number
    ds.Manufacturer, ds.ManufacturerModelName = MAKER, fitting(study.bundle, 64)
    ds.SoftwareVersions = [fitting(f"colles {__version__}", 64), fitting(study.bundle, 64)]
    date, time = study.made.strftime("%Y%m%d"), study.made.strftime("%H%M%S")
    ds.InstanceCreationDate, ds.InstanceCreationTime = date, time
    ds.SeriesDate, ds.SeriesTime = date, time
    ds.ContentDate, ds.ContentTime = date, time
    return ds


def finished(ds: Dataset) -> Dataset:
    """Return a data set as it is read back from its file, with file meta information.

    Raise `UsageError` where it cannot be written: nothing that is returned fails later.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(derived_uid("implementation"))
    meta.ImplementationVersionName = fitting(f"COLLES {__version__}", 16)
    ds.file_meta = meta
    stream = io.BytesIO()
    try:
        ds.save_as(stream, enforce_file_format=True)
        return dcmread(io.BytesIO(stream.getvalue()))
    except Exception as error:  # pydicom raises many kinds; their texts quote values
        text = f"a result cannot be written ({type(error).__name__})"
        raise UsageError(
            text, repair="Please report it with the kind of the images, without any of their values"
        ) from error


def item(**elements: Any) -> Dataset:
    """Return an item of a sequence."""
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made
