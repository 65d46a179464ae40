"""The capture: a Secondary Capture of one image with its map, decision and probability drawn on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.uid import UID, SecondaryCaptureImageStorage

from colles.serving.dicom.arrangement import Subject
from colles.serving.dicom.headers import text_of
from colles.serving.dicom.objects import Study, finished, fitting, item, new_result

SERIES_NUMBER, SERIES = 9702, "colles: fracture detection, overlays"
_LOSSY = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, *range(100, 109)))
"""Transfer syntaxes that always lose something: JPEG baseline and extended, MPEG. Others may or may not."""
_DIRECTIONS = frozenset("LRAPHF")


def create_capture(subject: Subject, study: Study, number: int) -> Dataset:
    """Return the capture of a judged image, which is the `number`-th of the report."""
    assert subject.picture is not None  # a judged image without one has no capture
    pixels = _pixels(subject.picture)
    ds = new_result(study, "capture", SecondaryCaptureImageStorage, "OT", number, subject.uid)
    ds.SeriesNumber, ds.SeriesDescription = SERIES_NUMBER, SERIES
    ds.ConversionType = "WSD"  # made on a workstation (PS3.3, C.8.6.1)
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.DerivationDescription = fitting(_derivation(subject, study, *pixels.shape[:2]), 1024)
    # The caption is drawn into the pixels; of the patient nothing is, but what the source has burned in stays.
    ds.BurnedInAnnotation = "YES"
    ds.ImageComments = "Made by a program, not verified; research software, not a medical device."
    ds.SourceImageSequence = [_source(subject)]
    ds.DateOfSecondaryCapture, ds.TimeOfSecondaryCapture = ds.ContentDate, ds.ContentTime
    _place(ds, subject.header)
    _loss(ds, subject.header)
    _oblong(ds, subject.header)
    _fill(ds, pixels)
    return finished(ds)


def _derivation(subject: Subject, study: Study, height: int, width: int) -> str:
    text = f"Map of {study.bundle}, its decision and probability, drawn over the image; research only, not verified"
    stored = [text_of(subject.header, keyword) for keyword in ("Columns", "Rows")]
    if stored == [str(width), str(height)]:
        return text
    return f"{text}; reduced from {stored[0]} x {stored[1]} to {width} x {height} pixels"


def _source(subject: Subject) -> Dataset:
    purpose = item(
        CodeValue="121322", CodingSchemeDesignator="DCM", CodeMeaning="Source image for image processing operation"
    )  # CID 7202
    return item(
        ReferencedSOPClassUID=subject.kind,
        ReferencedSOPInstanceUID=subject.uid,
        PurposeOfReferenceCodeSequence=[purpose],
    )


def _place(ds: Dataset, header: Any) -> None:
    """Copy body part, side and orientation where they are lawful: the picture lies as its source does."""
    part = text_of(header, "BodyPartExamined")
    if part and len(part) <= 16 and part.isascii() and part.replace("_", "").replace(" ", "").isalnum():
        ds.BodyPartExamined = part.upper()
    # Of the image where it is said, else of the series, empty where nobody says it: never both (PS3.3, C.7.3.1).
    of_image, of_series = text_of(header, "ImageLaterality"), text_of(header, "Laterality")
    if of_image in ("R", "L", "U", "B"):
        ds.ImageLaterality = of_image
    else:
        ds.Laterality = of_series if of_series in ("R", "L") else None
    directions = text_of(header, "PatientOrientation").split("\\")
    if len(directions) == 2 and all(each and len(each) <= 3 and set(each) <= _DIRECTIONS for each in directions):
        ds.PatientOrientation = directions
    else:
        ds.PatientOrientation = None


def _loss(ds: Dataset, header: Any) -> None:
    """Say whether the source was ever compressed with losses: the picture is made of what was left."""
    stated = text_of(header, "LossyImageCompression")
    syntax = str(getattr(getattr(header, "file_meta", None), "TransferSyntaxUID", ""))
    if stated == "01" or UID(syntax) in _LOSSY:
        ds.LossyImageCompression = "01"
        ratios = text_of(header, "LossyImageCompressionRatio").split("\\")
        methods = text_of(header, "LossyImageCompressionMethod").split("\\")
        if len(ratios) == len(methods) and all(map(_is_ratio, ratios)) and all(map(_is_method, methods)):
            ds.LossyImageCompressionRatio, ds.LossyImageCompressionMethod = ratios, methods
    elif stated == "00":
        ds.LossyImageCompression = "00"


def _oblong(ds: Dataset, header: Any) -> None:
    ratio = text_of(header, "PixelAspectRatio").split("\\")  # vertical, horizontal
    if len(ratio) == 2 and len({*ratio}) == 2 and all(each.isdecimal() and 0 < int(each) < 1000 for each in ratio):
        ds.PixelAspectRatio = ratio


def _is_ratio(text: str) -> bool:
    return len(text) <= 16 and text.replace(".", "", 1).isdecimal()


def _is_method(text: str) -> bool:
    return 0 < len(text) <= 16 and text.isascii() and text.replace("_", "").isalnum() and text == text.upper()


def _pixels(picture: Image.Image | Path) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3), from its file where it was put aside."""
    return np.asarray(np.load(picture) if isinstance(picture, Path) else picture.convert("RGB"), np.uint8)


def _fill(ds: Dataset, pixels: NDArray[np.uint8]) -> None:
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    data = pixels.tobytes()
    ds.add_new("PixelData", "OB", data + b"\0" * (len(data) % 2))
