"""From the answers on one study to the DICOM objects that carry them: a report, then a picture of each answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from colles.core.errors import UsageError
from colles.core.extras import require
from colles.serving.predictor import answers_as
from colles.serving.studies import StudyPrediction

if TYPE_CHECKING:
    from colles.serving.bundle import Bundle
    from colles.serving.dicom.arrangement import Subject


def stream_results(
    subjects: Sequence[Subject],
    bundle: Bundle,
    study: StudyPrediction | None = None,
    *,
    made: datetime | None = None,
) -> Iterator[Any]:
    """Yield the results of one study, complete pydicom data sets: the report, then the captures.

    `subjects` are the study's objects (`arrange`), `study` the bundle's answer on the whole of it (`judge_study`), and
    `made` the moment that they tell, now by default. The same images, answers and bundle give the same UIDs, in
    whatever order they came. Raise `UsageError` where the PatientID breaks its form, where the answers are not this
    bundle's, or where there is no image that a report could refer to; `MissingExtraError` without highdicom.
    """
    require("highdicom", "dicom")
    from colles import __version__
    from colles.imaging.dicom_bytes import quieten
    from colles.serving.dicom.capture import create_capture
    from colles.serving.dicom.headers import text_of
    from colles.serving.dicom.inherited import inherit
    from colles.serving.dicom.objects import Study
    from colles.serving.dicom.report import create_report

    quieten()
    named = _bundle_of(subjects, bundle, study)
    inherited, left_out = inherit(next((each for each in subjects if each.reason is None), subjects[0]).header)
    if "PatientID" in left_out:
        text = "the images' PatientID breaks its form (64 characters, one value): a result without it could be misfiled"
        raise UsageError(text, field="PatientID", repair="Have the sender mend it")
    if not any(subject.can_be_shown for subject in subjects):
        text = "none of the study's objects is an image that a report could refer to"
        raise UsageError(text, repair="Give its radiographs")
    uid = text_of(subjects[0].header, "StudyInstanceUID")
    # Not the reasons: their figures may differ in the last digit on another processor.
    # Nor documents and the like: one that comes later would make a second set of results that say the same.
    answers = [
        f"{each.uid} {each.prediction.decision if each.reason is None else f'not judged {each.prediction.status}'}"
        for each in subjects
        if not each.is_beside
    ]
    whole = "" if study is None else f"{study.status} {study.decision}"
    basis = (uid, text_of(subjects[0].header, "PatientID"), named, __version__, whole, *sorted(answers))
    shared = Study(uid, inherited, left_out, named, bundle.manifest_sha256, made or datetime.now(), basis)
    yield create_report(subjects, bundle, study, shared)
    for number, each in enumerate(subjects, 1):
        if each.picture is not None:
            yield create_capture(each, shared, number)


def _bundle_of(subjects: Sequence[Subject], bundle: Bundle, study: StudyPrediction | None) -> str:
    named = {each.prediction.bundle for each in subjects} | ({study.bundle} if study else set())
    if len(named) > 1 or not named <= {answers_as(bundle, "fp32"), answers_as(bundle, "int8")}:
        raise UsageError("the answers are not all of this bundle", field="bundle", repair="Judge the images again")
    return named.pop()
