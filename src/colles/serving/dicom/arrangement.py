"""The images of one study in an order of their own, copies told from images that only share a name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from colles.core.errors import UsageError
from colles.serving.dicom.answers import Judged
from colles.serving.dicom.headers import text_of
from colles.serving.dicom.radiographs import DX_RAW, DX_SHOWN, exposures, is_document, is_picture, is_result, why_not
from colles.serving.dicom.uids import is_uid
from colles.serving.prediction import Prediction

_EVENT = "IrradiationEventUID"
_LAST = 1 << 31  # where an object has no number


@dataclass(frozen=True, slots=True)
class Subject:
    """One object of a study that a report tells about."""

    header: Any
    prediction: Prediction
    picture: Image.Image | Path | None
    """As `Judged` has it; None where it was not judged."""
    uid: str
    """SOPInstanceUID; empty where there is none that could be referred to."""
    kind: str
    """SOPClassUID."""
    series: str
    """SeriesInstanceUID."""
    reason: str | None
    """Why it was not judged; None where it was."""
    copies: int = 0
    """Further files of the same image."""
    is_beside: bool = False
    """Whether no answer is due: a document, or data for processing of an image that is judged as it is shown."""

    @property
    def can_be_shown(self) -> bool:
        """Whether a report may refer to it as an image."""
        return bool(self.uid) and is_picture(self.header)


def arrange(images: Sequence[Judged]) -> list[Subject]:
    """Return the objects of one study, by number of series and instance, documents last; the order in which they come
    is nothing.

    Files with one SOPInstanceUID are one image where the answers on those that can be read agree, and not judged where
    they do not. What colles made earlier is left out. Raise `UsageError` where there is no object, or where they are
    not of one study and patient.
    """
    kept = [image for image in images if not is_result(image.header)]
    if not kept:
        raise UsageError("no image of a study was given", repair="Give at least one")
    _assert_one(kept, "StudyInstanceUID", "of several studies")
    _assert_one_patient(kept)
    if not is_uid(text_of(kept[0].header, "StudyInstanceUID")):
        text = "the images have no StudyInstanceUID, or one that is none: no result can be filed with them"
        raise UsageError(text, field="StudyInstanceUID", repair="Have the sender mend it")
    return sorted(_once_an_exposure(_merged(map(_subject, kept))), key=_place)


def _assert_one_patient(images: Sequence[Judged]) -> None:
    what = "of one study, but of several patients"
    _assert_one(images, "PatientID", what)
    if not text_of(images[0].header, "PatientID"):
        for keyword in ("PatientName", "PatientBirthDate"):
            _assert_one([image for image in images if text_of(image.header, keyword)], keyword, what, _plain)


def _assert_one(images: Sequence[Judged], keyword: str, what: str, form: Callable[[str], str] = str) -> None:
    if len({form(text_of(image.header, keyword)) for image in images}) > 1:
        raise UsageError(f"the images are {what}", field=keyword, repair="Give those of one study alone")


def _plain(text: str) -> str:
    """Return what all ways to write a name have in common: capitals, blanks and empty components are nothing."""
    alphabetic = text.partition("=")[0] or text
    return "^".join(part.strip() for part in alphabetic.split("^")).rstrip("^").casefold()


def _subject(image: Judged) -> Subject:
    uids = [text_of(image.header, f"{name}UID") for name in ("SOPInstance", "SOPClass", "SeriesInstance")]
    uid, kind, series = uids if all(map(is_uid, uids)) else ("", "", "")
    reason = why_not(image.header)
    if reason is None and image.prediction.status != "ok":
        reason = image.prediction.reason or image.prediction.status
    if reason is None and not uid:
        reason = "its UIDs are missing or break their form, so that nothing can refer to it"
    picture = image.picture if reason is None else None
    beside = is_document(image.header)
    return Subject(image.header, image.prediction, picture, uid, kind, series, reason, is_beside=beside)


def _merged(subjects: Iterable[Subject]) -> Iterable[Subject]:
    named: dict[str, list[Subject]] = {}
    for number, subject in enumerate(sorted(subjects, key=_place)):
        named.setdefault(subject.uid or f"none {number}", []).append(subject)
    for same in named.values():
        whole = [each for each in same if each.prediction.status != "unreadable"] or same
        first = whole[0]
        reason = first.reason
        if any(_answer(each) != _answer(first) for each in whole):
            reason = f"{len(whole)} different objects carry its SOPInstanceUID"
        picture = first.picture if reason is None else None
        yield replace(first, picture=picture, reason=reason, copies=len(same) - 1)


def _once_an_exposure(subjects: Iterable[Subject]) -> list[Subject]:
    """Return the subjects, those for processing not judged where the same exposure is judged for presentation."""
    found = list(subjects)
    shown = [exposures(each.header) for each in found if each.kind == DX_SHOWN and each.reason is None]
    named = set[str]().union(*shown)
    reason = "for processing, and the same exposure is judged as it is for presentation"
    return [
        replace(each, reason=reason, picture=None, is_beside=True)
        if each.kind == DX_RAW and each.reason is None and named & {each.uid, text_of(each.header, _EVENT)}
        else each
        for each in found
    ]


def _answer(subject: Subject) -> tuple[Any, ...]:
    size = text_of(subject.header, "Rows"), text_of(subject.header, "Columns")
    return subject.prediction.score, subject.prediction.status, subject.kind, subject.series, *size


def _place(subject: Subject) -> tuple[Any, ...]:
    numbers = (_number(subject.header, "SeriesNumber"), _number(subject.header, "InstanceNumber"))
    # What no answer is due on comes last: the images keep their numbers when it comes later than they.
    return subject.is_beside, *numbers, subject.uid, subject.prediction.score or 0.0, subject.reason or ""


def _number(header: Any, keyword: str) -> int:
    text = text_of(header, keyword)
    return int(text) if text.isdecimal() and len(text) <= 12 else _LAST
