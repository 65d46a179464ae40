"""A capture shows the picture, says what it was made of, and lies as its source does."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit

from colles.serving.bundle import Bundle
from colles.serving.dicom import answers
from colles.serving.dicom.answers import Judged
from drawn_dicom import CT, DX, MADE, SERIES, create_results, radiograph, spot

Judge = Callable[[Dataset], Judged]


def capture(image: Judged, bundle: Bundle) -> Any:
    """Return the one capture of an image."""
    (_, made) = create_results([image], bundle, made=MADE)
    return made


@pytest.mark.parametrize("size", [(64, 64), (63, 65), (65, 33)])
def test_the_pixels_are_those_of_the_picture(judge: Judge, locating_bundle: Bundle, size: tuple[int, int]) -> None:
    image = judge(radiograph(1, spot(*size, (8, 8, 24, 24))))
    made = capture(image, locating_bundle)
    assert image.picture is not None and image.picture.size == size
    assert np.array_equal(made.pixel_array, np.asarray(image.picture))
    assert (made.PhotometricInterpretation, made.BurnedInAnnotation) == ("RGB", "YES")
    assert len(made.PixelData) % 2 == 0


def test_it_names_its_source_and_what_was_done(judge: Judge, locating_bundle: Bundle) -> None:
    made = capture(judge(radiograph(1)), locating_bundle)
    (source,) = made.SourceImageSequence
    assert (source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID) == (DX, f"{SERIES}.1")
    assert locating_bundle.name in made.DerivationDescription
    assert "reduced" not in made.DerivationDescription
    assert made.ImageType[0] == "DERIVED"


def test_a_capture_has_the_number_of_its_image_in_the_report(judge: Judge, locating_bundle: Bundle) -> None:
    images = [judge(radiograph(number)) for number in (1, 2, 3)]
    images[1] = judge(radiograph(2, SOPClassUID=CT, Modality="CT"))
    _, *made = create_results(images, locating_bundle, made=MADE)
    assert [(ds.InstanceNumber, ds.SourceImageSequence[0].ReferencedSOPInstanceUID) for ds in made] == [
        (1, f"{SERIES}.1"),
        (3, f"{SERIES}.3"),
    ]


@pytest.mark.parametrize(
    ("stated", "copied"), [([2, 1], [2, 1]), ([1, 1], None), (["0", "1"], None), ([2], None), (None, None)]
)
def test_a_picture_of_oblong_pixels_is_shown_as_its_source_is(
    judge: Judge, locating_bundle: Bundle, stated: list[int] | None, copied: list[int] | None
) -> None:
    made = capture(judge(radiograph(1, PixelAspectRatio=stated)), locating_bundle)
    assert made.get("PixelAspectRatio") == copied


@pytest.mark.parametrize(("size", "longest"), [((640, 480), 4096), ((480, 640), 4096), ((640, 480), 320)])
def test_the_corners_in_the_picture_are_those_of_the_outline_in_the_report(
    judge: Judge, locating_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], longest: int
) -> None:
    monkeypatch.setattr(answers, "LONGEST", longest)
    image = judge(radiograph(1, spot(*size, (160, 120, 320, 280))))
    made = capture(image, locating_bundle)
    (place,) = image.prediction.boxes or ()
    share = made.Columns / size[0]
    rows, columns = np.nonzero((made.pixel_array == 255).all(axis=2)[: int(0.75 * made.Rows)])  # above the caption
    drawn = columns.min(), rows.min(), columns.max(), rows.max()
    box = place.box
    assert np.abs(np.array(drawn) - share * np.array([box.x1, box.y1, box.x2, box.y2])).max() <= 2  # half a line


def test_a_huge_picture_is_reduced_and_says_so(
    judge: Judge, locating_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "LONGEST", 40)
    made = capture(judge(radiograph(1, spot(80, 60, (8, 8, 24, 24)))), locating_bundle)
    assert (made.Columns, made.Rows) == (40, 30)
    assert made.DerivationDescription.endswith("reduced from 80 x 60 to 40 x 30 pixels")


def test_side_part_and_orientation_are_copied_where_they_are_lawful(judge: Judge, locating_bundle: Bundle) -> None:
    lawful = {"BodyPartExamined": "WRIST", "ImageLaterality": "L", "Laterality": "R", "PatientOrientation": ["L", "F"]}
    made = capture(judge(radiograph(1, **lawful)), locating_bundle)
    assert (made.BodyPartExamined, made.ImageLaterality, list(made.PatientOrientation)) == ("WRIST", "L", ["L", "F"])
    assert "Laterality" not in made
    broken = {"BodyPartExamined": "W" * 30, "ImageLaterality": "left", "PatientOrientation": ["up", "down"]}
    made = capture(judge(radiograph(1, **broken)), locating_bundle)
    assert "BodyPartExamined" not in made
    assert "ImageLaterality" not in made
    assert not made.Laterality
    assert not made.PatientOrientation


@pytest.mark.parametrize(
    ("stated", "copied"),
    [
        ({"Laterality": "R"}, {"Laterality": "R"}),
        ({"Laterality": "left"}, {"Laterality": None}),
        ({"Laterality": "L", "ImageLaterality": "B"}, {"ImageLaterality": "B"}),
        ({"ImageLaterality": "U"}, {"ImageLaterality": "U"}),
        ({"BodyPartExamined": "wrist"}, {"BodyPartExamined": "WRIST", "Laterality": None}),
        ({"BodyPartExamined": "W" * 17}, {"Laterality": None}),
        ({"PatientOrientation": ["PF", "H"]}, {"PatientOrientation": ["PF", "H"], "Laterality": None}),
    ],
)
def test_the_side_is_said_of_the_image_or_of_the_series_and_never_lost(
    judge: Judge, locating_bundle: Bundle, stated: dict[str, Any], copied: dict[str, Any]
) -> None:
    made = capture(judge(radiograph(1, **stated)), locating_bundle)
    keywords = ("BodyPartExamined", "ImageLaterality", "Laterality", "PatientOrientation")
    found = {keyword: made[keyword].value or None for keyword in keywords if keyword in made}
    assert found == {"PatientOrientation": None} | copied


def test_a_capture_says_what_it_is_and_when_it_was_made(judge: Judge, locating_bundle: Bundle) -> None:
    made = capture(judge(radiograph(1)), locating_bundle)
    assert (made.Modality, made.ConversionType, list(made.ImageType)) == ("OT", "WSD", ["DERIVED", "SECONDARY"])
    assert (made.SeriesNumber, made.SeriesDescription) == (9702, "colles: fracture detection, overlays")
    assert "not verified" in made.ImageComments and "not a medical device" in made.ImageComments
    for name in ("InstanceCreation", "Series", "Content"):
        assert (made[f"{name}Date"].value, made[f"{name}Time"].value) == ("20260304", "050607")
    assert (made.DateOfSecondaryCapture, made.TimeOfSecondaryCapture) == ("20260304", "050607")
    (purpose,) = made.SourceImageSequence[0].PurposeOfReferenceCodeSequence
    assert (purpose.CodeValue, purpose.CodingSchemeDesignator) == ("121322", "DCM")
    assert (made.Manufacturer, made.ManufacturerModelName) == ("colles", locating_bundle.name)


@pytest.mark.parametrize(
    ("elements", "stated"),
    [
        ({"LossyImageCompression": "00"}, "00"),
        ({"LossyImageCompression": "01"}, "01"),
        ({}, None),
        ({"LossyImageCompression": "yes"}, None),
    ],
)
def test_losses_of_the_source_are_told(
    judge: Judge, locating_bundle: Bundle, elements: dict[str, Any], stated: str | None
) -> None:
    made = capture(judge(radiograph(1, **elements)), locating_bundle)
    assert made.get("LossyImageCompression") == stated


@pytest.mark.parametrize(
    ("stated", "syntax"), [(None, JPEGBaseline8Bit), ("00", JPEGBaseline8Bit), (None, JPEGExtended12Bit)]
)
def test_a_source_in_lossy_jpeg_has_losses_whatever_it_says(
    judge: Judge, locating_bundle: Bundle, stated: str | None, syntax: str
) -> None:
    stream = io.BytesIO()
    Image.fromarray(spot()).save(stream, "JPEG")
    ds = radiograph(1, LossyImageCompression=stated)
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = encapsulate([stream.getvalue()])
    ds["PixelData"].VR = "OB"
    assert capture(judge(ds), locating_bundle).LossyImageCompression == "01"


def test_ratio_and_method_of_the_losses_are_copied_together(judge: Judge, locating_bundle: Bundle) -> None:
    lossy = {"LossyImageCompression": "01", "LossyImageCompressionRatio": "12.5"}
    both = lossy | {"LossyImageCompressionMethod": "ISO_10918_1"}
    made = capture(judge(radiograph(1, **both)), locating_bundle)
    assert (float(made.LossyImageCompressionRatio), made.LossyImageCompressionMethod) == (12.5, "ISO_10918_1")
    assert "LossyImageCompressionRatio" not in capture(judge(radiograph(1, **lossy)), locating_bundle)
    two = both | {"LossyImageCompressionRatio": ["12.5", "2"]}
    assert "LossyImageCompressionMethod" not in capture(judge(radiograph(1, **two)), locating_bundle)


def test_without_a_picture_there_is_no_capture(judge: Judge, locating_bundle: Bundle) -> None:
    image = replace(judge(radiograph(1)), picture=None)
    assert len(create_results([image], locating_bundle, made=MADE)) == 1
    odd = replace(image, picture=Image.new("RGB", (3, 3)))
    assert len(capture(odd, locating_bundle).PixelData) == 28
