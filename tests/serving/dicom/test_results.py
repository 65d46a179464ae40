"""Results are whole and lawful, say what was answered and what was not, and depend on nothing else."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from highdicom.sr import srread
from pydicom import Dataset
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage

from colles.core.errors import UsageError
from colles.core.files import sha256_file
from colles.serving.bundle import Bundle
from colles.serving.decision import Decision
from colles.serving.dicom.answers import Judged
from colles.serving.dicom.objects import fitting
from drawn_dicom import CT, MADE, SC, SERIES, STUDY, create_results, radiograph, spot, texts

Judge = Callable[[Dataset], Judged]


def needs(program: str) -> None:
    """Skip where a program is not installed."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def saved(results: list[Any], folder: Path) -> list[Path]:
    """Write results and return their files."""
    paths = [folder / f"{number}.dcm" for number in range(len(results))]
    for ds, path in zip(results, paths, strict=True):
        ds.save_as(path, enforce_file_format=True)
    return paths


def test_a_report_and_a_capture_an_image_all_of_the_source_s_study(judge: Judge, locating_bundle: Bundle) -> None:
    images = [judge(radiograph(1)), judge(radiograph(2, spot(96, 48, (8, 8, 24, 24))))]
    report, *captures = create_results(images, locating_bundle, made=MADE)
    assert report.SOPClassUID == ComprehensiveSRStorage
    assert [ds.SOPClassUID for ds in captures] == [SecondaryCaptureImageStorage] * 2
    every = [report, *captures]
    assert {ds.StudyInstanceUID for ds in every} == {STUDY}
    assert len({ds.SOPInstanceUID for ds in every}) == 3
    assert len({ds.SeriesInstanceUID for ds in every} - {SERIES}) == 2
    assert (report.ContentDate, report.ContentTime) == ("20260304", "050607")
    assert all(ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID for ds in every)


def test_the_report_holds_answer_place_and_probability(judge: Judge, locating_bundle: Bundle, tmp_path: Path) -> None:
    image = judge(radiograph(1, spot(101, 70, (25, 25, 50, 50))))
    assert image.prediction.decision == "fracture"
    report = srread(saved(create_results([image], locating_bundle, made=MADE), tmp_path)[0])
    (group,) = report.content.get_image_measurement_groups()
    assert group.source_images[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == f"{SERIES}.1"
    assert group.finding_type.meaning == "Fracture"
    said = {each.name.value: each.value.value for each in group.get_qualitative_evaluations()}
    assert said["125605004"] == "52101004"
    (certainty,) = group.get_measurements()
    assert certainty.value == pytest.approx(100 * image.prediction.probability, abs=0.005)
    (place,) = report.content.get_planar_roi_measurement_groups()
    (box,) = image.prediction.boxes
    expected = [(box.box.x1, box.box.y1), (box.box.x2, box.box.y1), (box.box.x2, box.box.y2), (box.box.x1, box.box.y2)]
    assert np.allclose(place.roi.value, [*expected, expected[0]], atol=0.005)


@pytest.mark.parametrize("size", [(64, 64), (128, 64), (100, 200)])
def test_the_outline_lies_around_a_planted_place(
    judge: Judge, locating_bundle: Bundle, tmp_path: Path, size: tuple[int, int]
) -> None:
    width, height = size
    side = max(size) // 4
    planted = (side, side, 2 * side, 2 * side)
    image = judge(radiograph(1, spot(width, height, planted)))
    report = srread(saved(create_results([image], locating_bundle, made=MADE), tmp_path)[0])
    (place,) = report.content.get_planar_roi_measurement_groups()
    corners = np.asarray(place.roi.value)
    x1, y1, x2, y2 = *corners.min(axis=0), *corners.max(axis=0)
    cell = max(size) / 8  # of the drawn bundle, in pixels of the image
    assert np.abs(np.array([x1, y1, x2, y2]) - planted).max() <= cell / 2 + 0.01
    assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height


def test_the_report_is_understood_without_the_pictures(judge: Judge, locating_bundle: Bundle) -> None:
    images = [judge(radiograph(7)), judge(radiograph(8, SeriesNumber=None, SOPClassUID=CT, Modality="CT"))]
    report, _ = create_results(images, locating_bundle, made=MADE)
    percent = f"{100 * images[0].prediction.probability:.2f}"
    assert [text for text in texts(report) if text.startswith("Image")] == [
        f"Image 1 (series 1, image 7): fracture; probability of a fracture {percent} %. 1 place(s) outlined.",
        "Image 2: not judged: neither CR, DX nor a digitised film (CT Image Storage).",
    ]
    assert "1 of 2 images judged: fracture on 1." in texts(report)
    assert any("not verified by anybody" in text and "not a medical device" in text for text in texts(report))


def test_an_answer_without_a_fracture_has_neither_finding_nor_place(judge: Judge, locating_bundle: Bundle) -> None:
    image = judge(radiograph(1, spot(at=(0, 0, 0, 0))))
    assert image.prediction.decision == "no_fracture"
    (report, capture) = create_results([image], locating_bundle, made=MADE)
    written = report.to_json()
    assert "272519000" in written  # absent
    assert "121071" not in written  # finding
    assert "SCOORD" not in written
    assert capture.Rows == 64


@pytest.mark.parametrize("decision", ["fracture", "no_fracture", "uncertain"])
def test_a_probability_is_never_taken_for_the_certainty_of_the_decision(
    judge: Judge, locating_bundle: Bundle, tmp_path: Path, decision: Decision
) -> None:
    image = judge(radiograph(1))
    told = replace(image, prediction=replace(image.prediction, decision=decision, probability=0.02))
    report, _ = create_results([told], locating_bundle, made=MADE)
    (group,) = srread(saved([report], tmp_path)[0]).content.get_image_measurement_groups()
    (number,) = group.get_measurements()
    assert (number.name.meaning, number.name.scheme_designator) == ("Probability of fracture", "99COLLES")
    assert report.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99COLLES"
    assert "111012" not in report.to_json()  # certainty of finding: "absent, 2 %" would be no firm absence


def test_an_open_answer_has_places_and_no_finding(judge: Judge, locating_bundle: Bundle) -> None:
    image = judge(radiograph(1))
    answer = replace(image.prediction, decision="uncertain")
    report, _ = create_results([replace(image, prediction=answer)], locating_bundle, made=MADE)
    written = report.to_json()
    assert "373068000" in written  # undetermined
    assert "121071" not in written  # finding
    assert "SCOORD" in written


@pytest.mark.parametrize("kind", [None, "class_activation"])
def test_a_bundle_without_a_location_map_marks_no_places(
    judge: Judge, locating_bundle: Bundle, kind: str | None
) -> None:
    metadata = locating_bundle.metadata.model_copy(update={"model": {"name": "drawn", "map": kind}})
    report, _ = create_results([judge(radiograph(1))], replace(locating_bundle, metadata=metadata), made=MADE)
    assert "SCOORD" not in report.to_json()


@pytest.mark.parametrize(("probability", "shown"), [(0.0, 0.01), (1.0, 99.99), (0.12345, 12.35)])
def test_no_probability_is_certain(
    judge: Judge, locating_bundle: Bundle, tmp_path: Path, probability: float, shown: float
) -> None:
    image = judge(radiograph(1))
    told = replace(image, prediction=replace(image.prediction, probability=probability))
    report = srread(saved(create_results([told], locating_bundle, made=MADE), tmp_path)[0])
    (group,) = report.content.get_image_measurement_groups()
    assert group.get_measurements()[0].value == shown


def test_an_8_bit_answer_is_told_as_such(judge: Judge, locating_bundle: Bundle) -> None:
    image = judge(radiograph(1))
    answer = replace(image.prediction, bundle=f"{locating_bundle.name}+int8", reason="no picture (ValueError)")
    report, *_ = create_results([replace(image, prediction=answer)], locating_bundle, made=MADE)
    assert report.ManufacturerModelName.endswith("+int8")
    assert any("no picture (ValueError)" in text for text in texts(report))


def test_the_report_names_the_manifest_that_lies_in_the_bundle(judge: Judge, locating_bundle: Bundle) -> None:
    report, _ = create_results([judge(radiograph(1))], locating_bundle, made=MADE)
    assert any(sha256_file(locating_bundle.folder / "manifest.json") in text for text in texts(report))
    assert any("operating point rule_in: drawn, chosen on val" in text for text in texts(report))


def test_what_was_not_judged_is_named_with_its_reason(judge: Judge, locating_bundle: Bundle) -> None:
    images = [
        judge(radiograph(1)),
        judge(radiograph(2, SOPClassUID=CT, Modality="CT")),
        judge(radiograph(3, SOPClassUID=SC, Modality="OT", Manufacturer="somebody")),
        judge(radiograph(4, NumberOfFrames=1, PixelData=b"\0" * 10)),
        judge(radiograph(5, NumberOfFrames=2, PixelData=b"\0" * 64 * 64 * 2)),
        judge(radiograph(6, SOPInstanceUID="1." * 35 + "1")),
    ]
    report, *captures = create_results(images, locating_bundle, made=MADE)
    said = "\n".join(texts(report))
    assert len(captures) == 1
    assert "1 of 6 images judged" in said
    for reason in ("CT Image Storage", "modality OT", "truncated", "2 frames", "UIDs are missing"):
        assert reason in said
    assert (report.CompletionFlag, report.VerificationFlag) == ("PARTIAL", "UNVERIFIED")
    (series,) = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    named = [f"{SERIES}.{number}" for number in range(1, 6)]
    assert [item.ReferencedSOPInstanceUID for item in series.ReferencedSOPSequence] == named
    assert {each.value for each in report.iterall() if each.keyword == "ReferencedSOPInstanceUID"} == {*named}


def test_a_study_of_which_nothing_was_judged_failed(judge: Judge, locating_bundle: Bundle) -> None:
    (report,) = create_results([judge(radiograph(1, SOPClassUID=CT, Modality="CT"))], locating_bundle, made=MADE)
    summary = report.ContentSequence[-1].ContentSequence[0].ConceptCodeSequence[0]
    assert (summary.CodeValue, report.CompletionFlag) == ("111224", "PARTIAL")  # failed


@pytest.mark.parametrize(
    "kind", ["88.67", "11.1", "88.59", "104.1", "9.1.1"], ids=["dose", "presentation", "key", "pdf", "ecg"]
)
def test_a_document_beside_the_images_is_named_and_makes_no_report_partial(
    judge: Judge, locating_bundle: Bundle, kind: str
) -> None:
    document = radiograph(2, SOPClassUID=f"1.2.840.10008.5.1.4.1.1.{kind}", Modality="SR")
    for keyword in ("Rows", "Columns", "PixelData"):
        del document[keyword]
    report, _ = create_results([judge(radiograph(1)), judge(document)], locating_bundle, made=MADE)
    assert (report.CompletionFlag, report.CompletionFlagDescription) == ("COMPLETE", "1 of 1 images judged")
    assert "1 of 1 images judged: fracture on 1." in texts(report)
    assert any(text.startswith("Not judged: object 2, neither CR, DX nor a digitised film (") for text in texts(report))
    assert "111223" not in report.to_json()  # partially succeeded
    referenced = {each.value for each in report.iterall() if each.keyword == "ReferencedSOPInstanceUID"}
    assert referenced == {f"{SERIES}.1"}  # a report refers to images alone


def test_no_program_finds_fault_with_the_results(judge: Judge, locating_bundle: Bundle, tmp_path: Path) -> None:
    needs("dciodvfy")
    images = [judge(radiograph(1)), judge(radiograph(2, SOPClassUID=CT, Modality="CT")), judge(radiograph(3))]
    for path in saved(create_results(images, locating_bundle, made=MADE), tmp_path):
        done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, encoding="latin-1")
        assert "Error" not in done.stderr + done.stdout, done.stderr
        assert done.returncode == 0


def test_dcmtk_reads_the_results(judge: Judge, locating_bundle: Bundle, tmp_path: Path) -> None:
    needs("dsr2html")
    report, capture = saved(create_results([judge(radiograph(1))], locating_bundle, made=MADE), tmp_path)
    page = subprocess.run(["dsr2html", report], capture_output=True, encoding="latin-1", check=True)
    assert not page.stderr
    assert "probability of a fracture" in page.stdout
    assert "not verified by anybody" in page.stdout
    dump = subprocess.run(["dcmdump", capture], capture_output=True, encoding="latin-1", check=True)
    assert f"{SERIES}.1" in dump.stdout


def test_images_of_two_studies_or_patients_are_refused(judge: Judge, locating_bundle: Bundle) -> None:
    with pytest.raises(UsageError, match="several studies"):
        create_results([judge(radiograph(1)), judge(radiograph(2, StudyInstanceUID="1.2.3"))], locating_bundle)
    with pytest.raises(UsageError, match="several patients") as told:
        create_results([judge(radiograph(1)), judge(radiograph(2, PatientID="other"))], locating_bundle)
    assert "other" not in str(told.value)


@pytest.mark.parametrize(
    ("other", "one"),
    [
        ({"PatientName": "MEIER ^Änne^^"}, True),
        ({"PatientName": "Meier^Änne=Maier^Aenne"}, True),
        ({"PatientName": None, "PatientBirthDate": None}, True),
        ({"PatientName": "Other^Name"}, False),
        ({"PatientBirthDate": "19470824"}, False),
        ({"PatientID": "P-1"}, False),
    ],
)
def test_without_a_patient_id_the_name_and_birth_date_tell_patients_apart(
    judge: Judge, locating_bundle: Bundle, other: dict[str, str | None], one: bool
) -> None:
    images = [judge(radiograph(1, PatientID="")), judge(radiograph(2, **{"PatientID": "", **other}))]
    if one:
        assert len(create_results(images, locating_bundle, made=MADE)) == 3
        return
    with pytest.raises(UsageError, match="several patients"):
        create_results(images, locating_bundle, made=MADE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("größer – a\\b~c\n\x01d\x7f", "gr??er ? a/b-c d"), ("x" * 80, "x" * 61 + "..."), ("plain", "plain")],
)
def test_own_texts_fit_every_character_set_and_their_attribute(text: str, expected: str) -> None:
    assert fitting(text, 64) == expected
