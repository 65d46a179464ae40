"""The report: a Comprehensive SR after TID 1500, a measurement group an image and another one a place in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from highdicom import sr
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ComprehensiveSRStorage

from colles import __version__
from colles.serving.decision import Decision, DecisionRule
from colles.serving.dicom import codes as ours
from colles.serving.dicom.arrangement import Subject
from colles.serving.dicom.headers import text_of
from colles.serving.dicom.objects import Study, ascii_only, finished, fitting, item, new_result
from colles.serving.dicom.radiographs import MAKER
from colles.serving.location import likeliest

if TYPE_CHECKING:
    from colles.imaging.heatmap import Candidate
    from colles.serving.bundle import Bundle
    from colles.serving.studies import StudyPrediction

SERIES_NUMBER, SERIES = 9701, "colles: fracture detection, report"
_SAID: dict[Decision, str] = {"fracture": "fracture", "no_fracture": "no fracture", "uncertain": "undetermined"}


def create_report(subjects: Sequence[Subject], bundle: Bundle, whole: StudyPrediction | None, study: Study) -> Dataset:
    """Return the report on a study's objects in their order; `whole` is the answer on all of them together."""
    ds = new_result(study, "report", ComprehensiveSRStorage, "SR", 1)
    ds.SeriesNumber, ds.SeriesDescription = SERIES_NUMBER, SERIES
    judged, due = _counted(subjects)
    ds.CompletionFlag = "COMPLETE" if len(judged) == due else "PARTIAL"
    ds.CompletionFlagDescription = fitting(f"{len(judged)} of {due} images judged", 64)
    ds.CodingSchemeIdentificationSequence = [
        item(
            CodingSchemeDesignator=ours.SCHEME,
            CodingSchemeName="Codes of colles, listed in its documentation",
            CodingSchemeResponsibleOrganization=MAKER,
        )
    ]
    ds.VerificationFlag, ds.PreliminaryFlag = "UNVERIFIED", "PRELIMINARY"
    ds.PerformedProcedureCodeSequence = []
    ds.ReferencedPerformedProcedureStepSequence = []
    shown = [subject for subject in subjects if subject.can_be_shown]
    ds.CurrentRequestedProcedureEvidenceSequence = [_evidence(shown, study.uid)]
    content = _content(subjects, bundle, whole, study)
    for element in content:
        ds[element.tag] = element
    return finished(ds)


def _counted(subjects: Sequence[Subject]) -> tuple[list[Subject], int]:
    """Return the images that were judged, and how many were to be."""
    return [each for each in subjects if each.reason is None], sum(not each.is_beside for each in subjects)


def _content(subjects: Sequence[Subject], bundle: Bundle, whole: StudyPrediction | None, study: Study) -> Dataset:
    groups: list[Any] = []
    algorithm = _algorithm(bundle, study)
    for number, subject in enumerate(subjects, 1):
        if subject.can_be_shown:
            groups += _groups(subject, number, bundle, study, algorithm)
    if whole is not None:
        groups.append(_of_study(subjects, whole, study))
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=_observer(bundle, study)),
        procedure_reported=ours.PLAIN_RADIOGRAPHY,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=sr.LanguageOfContentItemAndDescendants(
            sr.CodedConcept.from_code(ours.ENGLISH)
        ),
    )
    root = report[0]
    root.ContentSequence.append(_statements(subjects, bundle, whole, study))
    return Dataset(root)


def _observer(bundle: Bundle, study: Study) -> sr.ObserverContext:
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=study.device_uid,
        name=MAKER,
        manufacturer_name=MAKER,
        model_name=ascii_only(bundle.metadata.name),
        serial_number=ascii_only(study.bundle.rpartition("@")[2]),
    )
    return sr.ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)


def _algorithm(bundle: Bundle, study: Study) -> sr.AlgorithmIdentification:
    return sr.AlgorithmIdentification(
        name=ascii_only(bundle.metadata.name),
        version=ascii_only(study.bundle.rpartition("@")[2]),
        manufacturer=MAKER,
        parameters=list(map(ascii_only, _parameters(bundle, study))),
    )


def _parameters(bundle: Bundle, study: Study) -> list[str]:
    metadata = bundle.metadata
    rule = DecisionRule.from_operating_points(metadata.operating_points)
    points = [
        f"{name}: {point.criterion}, chosen on {point.chosen_on}, digest {point.digest}"
        for name, point in metadata.operating_points.items()
        if {name, point.name} & set(rule.points)
    ]
    calibration = metadata.calibration
    fitted = "none, the probability is the score" if calibration is None else calibration.method
    return [
        f"program: colles {__version__}",
        f"decision: absent below score {rule.rule_out:.6f}, present from {rule.rule_in:.6f}, undetermined between",
        *(f"operating point {point}" for point in points),
        f"calibration: {fitted}",
        f"sha256 of manifest.json: {study.manifest}",
    ]


def _groups(subject: Subject, number: int, bundle: Bundle, study: Study, algorithm: Any) -> list[Any]:
    tracking = _tracking(study, f"image {number}", subject.uid)
    source = [sr.SourceImageForMeasurementGroup(subject.kind, subject.uid)]
    if subject.reason is not None:
        status = ours.FAILED if subject.prediction.status == "unreadable" else ours.NOT_ATTEMPTED
        group = sr.MeasurementsAndQualitativeEvaluations(
            tracking, qualitative_evaluations=[sr.QualitativeEvaluation(ours.SUMMARY, status)], source_images=source
        )
        return [_with_comment(group, f"{_named(subject, number)}: not judged: {subject.reason}.")]
    answer = subject.prediction
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking,
        finding_type=_finding(answer.decision),
        algorithm_id=algorithm,
        measurements=_measurements(answer.probability),
        qualitative_evaluations=[_presence(answer.decision), sr.QualitativeEvaluation(ours.SUMMARY, ours.SUCCEEDED)],
        source_images=source,
    )
    places = likeliest(answer) if bundle.metadata.model.get("map") == "location" else ()
    return [
        _with_comment(group, _image_sentence(subject, number, len(places))),
        *(_place(place, rank, subject, number, study) for rank, place in enumerate(places, 1)),
    ]


def _image_sentence(subject: Subject, number: int, places: int) -> str:
    answer = subject.prediction
    notes = [
        f"{places} place(s) outlined" if places else "",
        f"{subject.copies} more file(s) of this image were given" if subject.copies else "",
        answer.reason or "",  # why there is no picture of it
    ]
    said = f"{_named(subject, number)}: {_said(answer.decision, answer.probability)}"
    return ". ".join([said, *filter(None, notes)]) + "."


def _named(subject: Subject, number: int) -> str:
    # Viewers show these numbers, where UIDs are shown by none.
    shown = [text_of(subject.header, keyword) for keyword in ("SeriesNumber", "InstanceNumber")]
    numbers = f" (series {shown[0]}, image {shown[1]})" if all(each.isdecimal() for each in shown) else ""
    return f"Image {number}{numbers}"


def _place(place: Candidate, rank: int, subject: Subject, number: int, study: Study) -> Any:
    box = place.box
    # Pixel (0, 0) covers 0 to 1 in boxes of colles and in SCOORD alike (PS3.3, C.18.6.1.1); the outline is closed.
    corners = [(box.x1, box.y1), (box.x2, box.y1), (box.x2, box.y2), (box.x1, box.y2), (box.x1, box.y1)]
    decision = subject.prediction.decision
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        _tracking(study, f"image {number} place {rank}", subject.uid),
        referenced_region=sr.ImageRegion(
            sr.GraphicTypeValues.POLYLINE,
            np.array(corners, np.float64).round(2),
            sr.SourceImageForRegion(subject.kind, subject.uid),
        ),
        finding_type=_finding(decision),
        qualitative_evaluations=[_presence(decision)],
    )


def _of_study(subjects: Sequence[Subject], whole: StudyPrediction, study: Study) -> Any:
    sources = [sr.SourceImageForMeasurementGroup(each.kind, each.uid) for each in subjects if each.reason is None]
    tracking = _tracking(study, "study")
    if whole.status != "ok" or not sources:
        group = sr.MeasurementsAndQualitativeEvaluations(
            tracking, qualitative_evaluations=[sr.QualitativeEvaluation(ours.SUMMARY, ours.FAILED)]
        )
        return _with_comment(group, f"Study: not judged: {whole.reason or whole.status}.")
    status = ours.SUCCEEDED if whole.judged == whole.images else ours.PARTIALLY
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking,
        finding_type=_finding(whole.decision),
        measurements=_measurements(whole.probability),
        qualitative_evaluations=[_presence(whole.decision), sr.QualitativeEvaluation(ours.SUMMARY, status)],
        source_images=sources,
    )
    return _with_comment(group, _study_sentence(whole))


def _study_sentence(whole: StudyPrediction) -> str:
    said = f"Study: {_said(whole.decision, whole.probability)}"
    return f"{said}, by {whole.aggregation} of the scores of {whole.judged} of {whole.images} images."


def _tracking(study: Study, name: str, *about: str) -> sr.TrackingIdentifier:
    return sr.TrackingIdentifier(uid=study.uid_of(f"tracking {name}", *about), identifier=f"colles {name}")


def _finding(decision: Decision | None) -> Any:
    # A finding is written only where it is one: a reader of findings alone must not count what is absent or open.
    return ours.FRACTURE if decision == "fracture" else None


def _presence(decision: Decision | None) -> sr.QualitativeEvaluation:
    assert decision is not None  # every answer that is ok has one
    return sr.QualitativeEvaluation(ours.FRACTURE, ours.PRESENCE[decision])


def _measurements(probability: float | None) -> list[sr.Measurement]:
    return [] if probability is None else [sr.Measurement(ours.PROBABILITY, _percent(probability), ours.PERCENT)]


def _percent(probability: float) -> float:
    # 0 and 100 would claim what no model knows.
    return round(min(max(100 * probability, 0.01), 99.99), 2)


def _said(decision: Decision | None, probability: float | None) -> str:
    assert decision is not None
    told = "unknown" if probability is None else f"{_percent(probability):.2f} %"
    return f"{_SAID[decision]}; probability of a fracture {told}"


def _with_comment(group: Any, text: str) -> Any:
    group[0].ContentSequence.append(_text(ours.COMMENT, text))
    return group


def _text(name: Any, text: str) -> sr.TextContentItem:
    return sr.TextContentItem(name, ascii_only(text), sr.RelationshipTypeValues.CONTAINS)


def _statements(subjects: Sequence[Subject], bundle: Bundle, whole: StudyPrediction | None, study: Study) -> Any:
    """Return what is said of the study as a whole, so that the report can be read without the captures."""
    judged, due = _counted(subjects)
    status = ours.SUCCEEDED if len(judged) == due else ours.PARTIALLY if judged else ours.FAILED
    container = sr.ContainerContentItem(ours.QUALITATIVE, relationship_type=sr.RelationshipTypeValues.CONTAINS)
    container.ContentSequence = sr.ContentSequence([
        sr.CodeContentItem(ours.SUMMARY, status, sr.RelationshipTypeValues.CONTAINS),
        _text(ours.CONCLUSION, _conclusion(judged, due, whole)),
        *(_text(ours.COMMENT, line) for line in _remarks(subjects, bundle, whole, study)),
    ])  # fmt: skip
    return container


def _conclusion(judged: Sequence[Subject], due: int, whole: StudyPrediction | None) -> str:
    counts = {said: sum(each.prediction.decision == name for each in judged) for name, said in _SAID.items()}
    told = ", ".join(f"{said} on {count}" for said, count in counts.items() if count)
    images = f"{len(judged)} of {due} images judged{': ' + told if told else ''}."
    return images if whole is None or whole.status != "ok" else f"{_study_sentence(whole)} {images}"


def _remarks(subjects: Sequence[Subject], bundle: Bundle, whole: StudyPrediction | None, study: Study) -> list[str]:
    remarks = [
        f"Made by a program, colles {__version__} with the bundle {study.bundle}, and not verified by anybody. "
        f"{bundle.metadata.intended_use}"
    ]
    if whole is None:
        remarks.append("There is no answer on the study as a whole: each image was judged by itself.")
    remarks += [
        f"Not judged: object {number}, {subject.reason}."
        for number, subject in enumerate(subjects, 1)
        if subject.reason is not None
    ]
    if study.left_out:
        named = ", ".join(study.left_out)
        remarks.append(f"Left out of the patient and study data, since the images' values break their form: {named}.")
    return remarks


def _evidence(shown: Sequence[Subject], study: str) -> Dataset:
    series: dict[str, list[Dataset]] = {}
    for subject in shown:
        reference = item(ReferencedSOPClassUID=subject.kind, ReferencedSOPInstanceUID=subject.uid)
        series.setdefault(subject.series, []).append(reference)
    return item(
        StudyInstanceUID=study,
        ReferencedSeriesSequence=[
            item(SeriesInstanceUID=uid, ReferencedSOPSequence=references) for uid, references in series.items()
        ],
    )
