"""Small DICOM files of drawn pictures: of any form for tests of reading, lawful radiographs for tests of results."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom", reason="DICOM comes with colles[dicom]")

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian, generate_uid  # noqa: E402

MADE = datetime(2026, 3, 4, 5, 6, 7)
STUDY, SERIES = "1.2.826.0.1.3680043.8.498.11", "1.2.826.0.1.3680043.8.498.12"
DX, SC, CT = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.2"
PATIENT = {
    "PatientName": "Meier^Änne",
    "PatientID": "P-4711",
    "PatientBirthDate": "19470823",
    "PatientSex": "F",
    "SpecificCharacterSet": "ISO_IR 100",
    "StudyDate": "20240229",
    "StudyTime": "101500",
    "StudyID": "S1",
    "AccessionNumber": "A-99",
    "ReferringPhysicianName": "Roe^Rita",
    "StudyDescription": "Handgelenk",
}


def spot(width: int = 64, height: int = 64, at: tuple[int, int, int, int] = (16, 24, 32, 40)) -> np.ndarray:
    """Return (H, W) uint8: black, with one white box x1, y1, x2, y2."""
    pixels = np.zeros((height, width), np.uint8)
    x1, y1, x2, y2 = at
    pixels[y1:y2, x1:x2] = 255
    return pixels


def dicom(pixels: np.ndarray, *, bits: int = 12, photometric: str = "MONOCHROME2", **elements: Any) -> FileDataset:
    """Return a data set of a DX image; `pixels` is (H, W), (H, W, 3) or (frames, H, W) for `NumberOfFrames`."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = elements.get("SOPClassUID") or DX
    meta.MediaStorageSOPInstanceUID = elements.get("SOPInstanceUID") or generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.Modality, ds.PatientID, ds.PatientName = "DX", "4711-SECRET", "Doe^Jane"
    ds.StudyInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    several = "NumberOfFrames" in elements and pixels.ndim == 3
    ds.Rows, ds.Columns = pixels.shape[1:3] if several else pixels.shape[:2]
    colour = pixels.ndim == 3 and not several
    ds.SamplesPerPixel, ds.PhotometricInterpretation = (3, "RGB") if colour else (1, photometric)
    if colour:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = pixels.dtype.itemsize * 8
    ds.BitsStored, ds.HighBit = bits, bits - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    data = pixels.tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def radiograph(number: int = 1, pixels: np.ndarray | None = None, **elements: Any) -> FileDataset:
    """Return the `number`-th DX image of a study, with all that a lawful one has; an element None leaves it out."""
    lawful = {"SOPInstanceUID": f"{SERIES}.{number}", "StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES}
    values = PATIENT | lawful | {"SeriesNumber": 1, "InstanceNumber": number} | elements
    ds = dicom(spot() if pixels is None else pixels, bits=8, **values)
    for keyword in (keyword for keyword, value in values.items() if value is None):
        delattr(ds, keyword)
    return ds


def lut(values: list[int], first: int, bits: int) -> Dataset:
    """Return an item of a Modality or VOI LUT sequence."""
    item = Dataset()
    item.add_new(0x00283002, "US", [len(values), first, bits])
    item.add_new(0x00283006, "US", values)
    return item


def encoded(ds: Dataset) -> bytes:
    """Return the bytes of the file."""
    stream = io.BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def create_results(images: Any, bundle: Any, *, made: datetime = MADE) -> list[FileDataset]:
    """Return the results of one study as `colles dicom results` makes them, all in memory."""
    from colles.serving.dicom.answers import judge_study
    from colles.serving.dicom.arrangement import arrange
    from colles.serving.dicom.results import stream_results

    subjects = arrange(images)
    return list(stream_results(subjects, bundle, judge_study(subjects, bundle), made=made))


def texts(ds: Any) -> list[str]:
    """Return every text of a report."""
    found = [str(ds.TextValue)] if "TextValue" in ds else []
    return found + [text for item in ds.get("ContentSequence", []) for text in texts(item)]
