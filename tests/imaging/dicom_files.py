"""Small DICOM files made by pydicom, for tests."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom", reason="DICOM comes with colles[dicom]")

from pydicom.dataset import FileDataset, FileMetaDataset  # noqa: E402
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid  # noqa: E402


def dicom(pixels: np.ndarray, *, bits: int = 12, photometric: str = "MONOCHROME2", **elements: Any) -> FileDataset:
    """Return a data set of a DX image; `pixels` is (H, W), (H, W, 3) or (frames, H, W) for `NumberOfFrames`."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = elements.pop("SOPInstanceUID", None) or generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.Modality, ds.PatientID, ds.PatientName = "DX", "4711-SECRET", "Doe^Jane"
    ds.StudyInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    several = "NumberOfFrames" in elements
    ds.Rows, ds.Columns = pixels.shape[1:3] if several else pixels.shape[:2]
    colour = pixels.ndim == 3 and not several
    ds.SamplesPerPixel, ds.PhotometricInterpretation = (3, "RGB") if colour else (1, photometric)
    if colour:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = pixels.dtype.itemsize * 8
    ds.BitsStored, ds.HighBit = bits, bits - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def lut(values: list[int], first: int, bits: int) -> pydicom.Dataset:
    """Return an item of a Modality or VOI LUT sequence."""
    item = pydicom.Dataset()
    item.add_new(0x00283002, "US", [len(values), first, bits])
    item.add_new(0x00283006, "US", values)
    return item


def encoded(ds: pydicom.Dataset) -> bytes:
    """Return the bytes of the file."""
    stream = io.BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
