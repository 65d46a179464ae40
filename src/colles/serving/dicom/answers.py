"""One DICOM object of a study and a bundle's answer on it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from colles.core.errors import UnreadableImageError
from colles.core.extras import require
from colles.core.limits import MAX_BYTES
from colles.serving.archive import ZipMember
from colles.serving.decode import Rejected
from colles.serving.location import draw_heat
from colles.serving.prediction import Prediction
from colles.serving.predictor import Predictor
from colles.serving.remote import RemoteFile

if TYPE_CHECKING:
    from colles.serving.bundle import Bundle
    from colles.serving.dicom.arrangement import Subject
    from colles.serving.studies import StudyPrediction

LONGEST = 4096
"""Pixels of the longer side of a picture: a larger one is reduced."""
_NOTE = "made by a program, verified by nobody"


@dataclass(frozen=True, slots=True)
class Judged:
    """One object of a study and the answer on it."""

    header: Any
    """pydicom's data set of everything but the pixels; empty where the file is no DICOM file."""
    prediction: Prediction
    """`refused` where it is of no kind that is judged."""
    picture: Image.Image | Path | None
    """RGB, as `colles predict --overlays` draws it, with a note that nobody verified it, and of `LONGEST` pixels at
    most; None where none could be drawn. The file (`.npy`) that holds its pixels, where it was put aside."""


def judge_file(source: Path | bytes | ZipMember | RemoteFile, predictor: Predictor) -> Judged:
    """Judge one file, or its bytes; it is read once, and never raises for what it holds.

    Raise `MissingExtraError` without pydicom.
    """
    require("pydicom", "dicom")
    started = time.perf_counter()
    path = None if isinstance(source, bytes) else str(source)
    header, data, rejected = _read(source)
    if rejected is not None:
        return Judged(header, _answer(predictor, replace(rejected, seconds=time.perf_counter() - started), path), None)
    return _judge(header, data, predictor, path)


def put_aside(image: Judged, file: Path) -> Judged:
    """Return an answer whose picture lies in a new file (`.npy`): hundreds in memory would take gigabytes.

    The file has to stay until the capture is made, and is the caller's to remove.
    """
    if not isinstance(image.picture, Image.Image):
        return image
    np.save(file, np.asarray(image.picture.convert("RGB")))  # (H, W, 3)
    return replace(image, picture=file)


def judge_study(subjects: Sequence[Subject], bundle: Bundle) -> StudyPrediction | None:
    """Judge a study by the answers on its objects (`arrange`); None where the bundle has no thresholds for studies.

    One SOP instance counts once, and none that the report does not give an answer on. While an image was not judged, no
    study is without a fracture, but `uncertain`.
    """
    from colles.serving.studies import judge_studies

    settings = bundle.metadata.study
    if settings is None or settings.unit != "study":
        return None
    rows = []
    for number, subject in enumerate(each for each in subjects if not each.is_beside):
        row = subject.prediction.row() | {"path": str(number)}
        if subject.reason is not None:
            row |= {"score": None, "status": "unreadable" if row["status"] == "unreadable" else "refused"}
        rows.append(("study", row))
    whole = next(judge_studies(rows, bundle), None)
    if whole is not None and whole.decision == "no_fracture" and whole.judged < whole.images:
        return replace(whole, decision="uncertain")
    return whole


def _read(source: Path | bytes | ZipMember | RemoteFile) -> tuple[Any, bytes, Rejected | None]:
    from pydicom import Dataset

    from colles.imaging.read_dicom import read_header
    from colles.serving.dicom.radiographs import why_not

    header: Any = Dataset()
    try:
        data = _bytes(source)
        found = read_header(data)
    except UnreadableImageError as error:
        return header, b"", Rejected("unreadable", f"{error.status}: {error.message}", 0.0)
    except OSError as error:
        return header, b"", Rejected("unreadable", f"cannot be opened ({error.strerror or type(error).__name__})", 0.0)
    except Exception as error:  # one odd file of a study must not end the rest; no text of it, which may hold values
        return header, b"", Rejected("unreadable", f"unreadable: {type(error).__name__}", 0.0)
    if found is None:
        return header, data, Rejected("unreadable", "unsupported: is no DICOM file", 0.0)
    reason = why_not(found)
    return found, data, None if reason is None else Rejected("refused", reason, 0.0)


def _bytes(source: Path | bytes | ZipMember | RemoteFile) -> bytes:
    from colles.imaging.read import read_bytes, unreadable

    if isinstance(source, ZipMember | RemoteFile):
        if source.refusal:
            raise unreadable("unsupported", source.refusal, str(source))
        return source.read(MAX_BYTES)
    return source if isinstance(source, bytes) else read_bytes(source, MAX_BYTES)


def _judge(header: Any, data: bytes, predictor: Predictor, path: str | None) -> Judged:
    answer, sample = predictor.explain(data, longest=LONGEST)
    answer = replace(answer, path=path)
    try:
        picture = draw_heat(answer, sample, kind=predictor.bundle.metadata.model.get("map"), note=_NOTE)
    except Exception as error:  # the answer stands without its picture
        return Judged(header, replace(answer, heat=None, reason=f"no picture ({type(error).__name__})"), None)
    return Judged(header, replace(answer, heat=None), picture)


def _answer(predictor: Predictor, rejected: Rejected, path: str | None) -> Prediction:
    return replace(predictor.judge.reject(rejected), path=path)
