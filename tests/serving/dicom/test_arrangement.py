"""The same images and bundle give the same results, in whatever order they come and however often."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, FileDataset

from colles.core.errors import UsageError
from colles.serving.bundle import Bundle
from colles.serving.dicom.answers import Judged, judge_file
from colles.serving.dicom.arrangement import arrange
from colles.serving.dicom.uids import derived_uid, is_uid
from colles.serving.predictor import Predictor
from drawn_dicom import CT, DX, MADE, SERIES, create_results, encoded, radiograph, spot, texts

Judge = Callable[[Dataset], Judged]


@pytest.fixture(scope="module")
def four(judge: Judge) -> list[Judged]:
    """Two radiographs, one without a fracture, and one that is not judged."""
    return [
        judge(radiograph(1)),
        judge(radiograph(2, spot(96, 48, (8, 8, 24, 24)), SeriesNumber=None)),
        judge(radiograph(3, spot(at=(0, 0, 0, 0)))),
        judge(radiograph(4, SOPClassUID=CT, Modality="CT")),
    ]


def uids(results: list[Any]) -> list[str]:
    """Return the SOP and series UIDs of results, and those in a report that colles derived."""
    return [str(uid) for ds in results for uid in (ds.SOPInstanceUID, ds.SeriesInstanceUID)]


@pytest.fixture(scope="module")
def usual(four: list[Judged], locating_bundle: Bundle) -> list[FileDataset]:
    return create_results(four, locating_bundle, made=MADE)


@pytest.mark.slow
@settings(max_examples=10)
@given(order=st.permutations(range(4)), repeated=st.lists(st.integers(0, 3), max_size=2))
def test_the_order_of_images_changes_nothing(
    four: list[Judged], locating_bundle: Bundle, usual: list[FileDataset], order: list[int], repeated: list[int]
) -> None:
    turned = create_results([four[number] for number in order], locating_bundle, made=MADE)
    assert [encoded(ds) for ds in turned] == [encoded(ds) for ds in usual]
    twice = create_results([*(four[number] for number in (*repeated, *order))], locating_bundle, made=MADE)
    assert uids(twice) == uids(usual)


def test_other_images_answers_or_bundles_give_other_uids(
    four: list[Judged], locating_bundle: Bundle, usual: list[FileDataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    fewer = create_results(four[:3], locating_bundle, made=MADE)
    other = replace(four[0], prediction=replace(four[0].prediction, decision="uncertain"))
    decided = create_results([other, *four[1:]], locating_bundle, made=MADE)
    metadata = locating_bundle.metadata.model_copy(update={"version": "ba9876543210"})
    renamed = [replace(each, prediction=replace(each.prediction, bundle=metadata.label)) for each in four]
    updated = create_results(renamed, replace(locating_bundle, metadata=metadata), made=MADE)
    corrected = [replace(each, header=copy.deepcopy(each.header)) for each in four]
    for each in corrected:
        each.header.PatientID = "P-4712"
    moved = create_results(corrected, locating_bundle, made=MADE)
    monkeypatch.setattr("colles.__version__", "99.0")  # whose words may be others
    later = create_results(four, locating_bundle, made=MADE)
    every = [uid for results in (usual, fewer, decided, updated, moved, later) for uid in {*uids(results)}]
    assert len(every) == len({*every})
    assert all(is_uid(uid) for uid in every)


def test_the_figures_of_a_reason_change_no_uid(four: list[Judged], locating_bundle: Bundle) -> None:
    refused = [
        replace(four[0], prediction=replace(four[0].prediction, status="refused", reason=f"distance {figure}"))
        for figure in ("0.142", "0.143")
    ]
    made = [create_results([each, *four[1:]], locating_bundle, made=MADE) for each in refused]
    assert uids(made[0]) == uids(made[1])


def test_answers_of_another_bundle_are_refused(four: list[Judged], locating_bundle: Bundle) -> None:
    strange = replace(four[0], prediction=replace(four[0].prediction, bundle="other@000000000000"))
    for images in ([strange], [strange, four[1]]):
        with pytest.raises(UsageError, match="not all of this bundle"):
            create_results(images, locating_bundle)


def test_a_copy_is_told_and_two_images_of_one_name_are_not_judged(judge: Judge, locating_bundle: Bundle) -> None:
    image, copy = judge(radiograph(1)), judge(radiograph(1))
    report, *captures = create_results([image, copy], locating_bundle, made=MADE)
    assert len(captures) == 1
    assert any("1 more file(s) of this image" in text for text in texts(report))
    other = judge(radiograph(1, spot(at=(0, 0, 0, 0))))
    report, *captures = create_results([image, other, judge(radiograph(2))], locating_bundle, made=MADE)
    assert any("2 different objects carry its SOPInstanceUID" in text for text in texts(report))
    assert [ds.SourceImageSequence[0].ReferencedSOPInstanceUID for ds in captures] == [f"{SERIES}.2"]


@pytest.mark.parametrize(
    "other", [{"SeriesInstanceUID": "1.2.3"}, {"SOPClassUID": f"{DX}.1"}, {"pixels": spot(128, 128, (32, 48, 64, 80))}]
)
def test_images_of_one_name_and_score_differ_by_series_kind_and_size(judge: Judge, other: dict[str, Any]) -> None:
    images = [judge(radiograph(1)), judge(radiograph(1, **other))]
    assert images[0].prediction.score == images[1].prediction.score
    (subject,) = arrange(images)
    assert (subject.reason, subject.picture) == ("2 different objects carry its SOPInstanceUID", None)


def test_images_are_numbered_by_series_then_by_instance(judge: Judge) -> None:
    numbers = [(2, 1), (1, 10), (1, 9), (None, 1)]
    images = [judge(radiograph(n, SeriesNumber=s, InstanceNumber=i)) for n, (s, i) in enumerate(numbers, 1)]
    assert [each.uid for each in arrange(images)] == [f"{SERIES}.{number}" for number in (3, 2, 1, 4)]


@pytest.mark.parametrize("last", [False, True])
def test_a_damaged_copy_costs_no_image_its_answer(
    judge: Judge, predictor: Predictor, locating_bundle: Bundle, last: bool
) -> None:
    image, cut = judge(radiograph(1)), judge_file(encoded(radiograph(1))[:-100], predictor)
    assert cut.prediction.status == "unreadable"
    report, *captures = create_results([image, cut] if last else [cut, image], locating_bundle, made=MADE)
    assert len(captures) == 1 and report.CompletionFlag == "COMPLETE"
    assert any("1 more file(s) of this image" in text for text in texts(report))


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ({}, {"SourceImageSequence": [f"{SERIES}.1"]}),
        ({"IrradiationEventUID": "1.2.9"}, {"IrradiationEventUID": "1.2.9"}),
        ({}, {}),
        ({"IrradiationEventUID": "1.2.9"}, {"IrradiationEventUID": "1.2.8", "SourceImageSequence": ["1.2.3"]}),
    ],
)
def test_an_exposure_for_processing_and_presentation_is_judged_once(
    judge: Judge, locating_bundle: Bundle, raw: dict[str, Any], shown: dict[str, Any]
) -> None:
    sources = [Dataset() for _ in shown.get("SourceImageSequence", [])]
    for source, uid in zip(sources, shown.get("SourceImageSequence", []), strict=True):
        source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = f"{DX}.1", uid
    images = [
        judge(radiograph(1, SOPClassUID=f"{DX}.1", **raw)),
        judge(radiograph(2, **shown | {"SourceImageSequence": sources})),
    ]
    report, *captures = create_results(images, locating_bundle, made=MADE)
    once = shown.get("IrradiationEventUID") == "1.2.9" or f"{SERIES}.1" in shown.get("SourceImageSequence", [])
    assert len(captures) == (1 if once else 2)
    assert report.CompletionFlag == "COMPLETE"
    assert any("the same exposure is judged" in text for text in texts(report)) == once
    unreadable = replace(images[1], prediction=replace(images[1].prediction, status="unreadable"))
    assert len(create_results([images[0], unreadable], locating_bundle, made=MADE)) == 2


def test_a_document_changes_neither_numbers_nor_uids(judge: Judge, locating_bundle: Bundle) -> None:
    document = radiograph(0, SOPClassUID="1.2.840.10008.5.1.4.1.1.11.1", Modality="PR", SeriesNumber=0)
    for keyword in ("Rows", "Columns", "PixelData"):
        del document[keyword]
    image = judge(radiograph(1))
    without = create_results([image], locating_bundle, made=MADE)
    beside = create_results([image, judge(document)], locating_bundle, made=MADE)
    assert [ds.SOPInstanceUID for ds in beside] == [ds.SOPInstanceUID for ds in without]
    assert encoded(beside[1]) == encoded(without[1])


def test_results_that_come_back_are_no_images_of_the_study(
    judge: Judge, locating_bundle: Bundle, predictor: Predictor
) -> None:
    image = judge(radiograph(1))
    results = create_results([image], locating_bundle, made=MADE)
    returned = [judge_file(encoded(ds), predictor) for ds in results]
    assert {each.prediction.status for each in returned} == {"refused"}
    again = create_results([*returned, image], locating_bundle, made=MADE)
    assert [encoded(ds) for ds in again] == [encoded(ds) for ds in results]


def test_without_an_image_there_is_no_result(judge: Judge, locating_bundle: Bundle) -> None:
    with pytest.raises(UsageError, match="no image"):
        create_results([], locating_bundle)
    with pytest.raises(UsageError, match="none of the study's objects"):
        create_results([judge(radiograph(1, SOPInstanceUID="1." * 40 + "1"))], locating_bundle)


@given(parts=st.lists(st.text(max_size=80), max_size=5))
def test_a_derived_uid_is_lawful_and_its_own(parts: list[str]) -> None:
    uid = derived_uid("kind", *parts)
    assert uid == derived_uid("kind", *parts)
    assert is_uid(uid) and uid.startswith("2.25.") and len(uid) <= 44
    assert uid != derived_uid("other", *parts)
