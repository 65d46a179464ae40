"""Results in a folder, one a study: what `colles dicom results` does with files, folders and zip files."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from colles.core.errors import OutputExistsError, UnreadableImageError, UsageError
from colles.core.files import atomic_path, refuse_existing, remove, storage_errors
from colles.core.limits import MAX_BYTES
from colles.core.progress import track
from colles.serving.apart import assert_apart
from colles.serving.dicom.uids import derived_uid
from colles.serving.inputs import Found, ImageList
from colles.serving.pipeline import BatchSizes, in_order
from colles.serving.prediction import STATUSES

if TYPE_CHECKING:
    from colles.serving.dicom.answers import Judged
    from colles.serving.predictor import Predictor

REPORT = "sr.dcm"


@dataclass
class Studies:
    """The images of some inputs by study, and what belongs to none."""

    images: dict[str, list[Found]] = field(default_factory=dict)
    """By StudyInstanceUID, in the order in which they were found."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Reasons by path."""

    @property
    def count(self) -> int:
        """Images of all studies."""
        return sum(map(len, self.images.values()))


@dataclass(frozen=True, slots=True)
class Filed:
    """What was written of one study."""

    folder: str
    files: tuple[str, ...]
    """Names in the folder: the report, then the captures."""
    counts: dict[str, int]
    """Objects of the study by status: `ok` where the report has an answer; copies count once."""
    not_judged: dict[str, str]
    """Reasons by path."""
    decision: str | None
    """On the study as a whole, where the bundle has thresholds for studies."""


def find_studies(images: ImageList) -> Studies:
    """Read the headers of images and gather these by study; none of them raises for what it holds."""
    found, seen = Studies(), set()
    for image in track(images, "headers"):
        if (path := str(image)) in seen:
            continue
        seen.add(path)
        name, reason = _study_of(image)
        if reason is not None:
            found.left_out[path] = reason
        else:
            found.images.setdefault(name, []).append(image)
    return found


def _study_of(image: Found) -> tuple[str, str | None]:
    from colles.imaging.read_dicom import read_header
    from colles.serving.dicom.headers import text_of
    from colles.serving.dicom.radiographs import is_result
    from colles.serving.dicom.uids import is_uid

    if isinstance(image, Path) and not image.is_file():
        return "", "is not a file" if image.exists() else "there is no such file"
    if not isinstance(image, Path) and image.refusal:
        return "", image.refusal
    try:
        header = read_header(image if isinstance(image, Path) else image.read(MAX_BYTES))
    except UnreadableImageError as error:
        return "", f"{error.status}: {error.message}"
    except OSError as error:
        return "", f"cannot be opened ({error.strerror or type(error).__name__})"
    except Exception as error:  # one odd file among many must not end the run; no text of it, which may hold values
        return "", f"cannot be read ({type(error).__name__})"
    if header is None:
        return "", "is no DICOM file"
    if is_result(header):
        return "", "is a result of colles"
    name = text_of(header, "StudyInstanceUID")
    return name, None if is_uid(name) else "its StudyInstanceUID is missing or breaks its form"


def assert_free(out: Path, images: ImageList, *, overwrite: bool) -> None:
    """Raise `UsageError` where `out` lies in what is read or holds it, `OutputExistsError` where it holds anything.

    With `overwrite` it may hold something: `file_studies` replaces the folders of the same studies and nothing else.
    """
    for path in images.named():
        assert_apart(out, path, field="--out")
    if out.is_file() or not overwrite:
        refuse_existing(out)


def _assert_ours(folder: Path) -> None:
    """Raise `OutputExistsError` where a study's folder holds anything but results."""
    others = [path.name for path in folder.iterdir() if not _is_ours(path.name)] if folder.is_dir() else []
    if others or (folder.exists() and not folder.is_dir()):
        repair = "Choose another --out: --overwrite replaces results, and nothing else"
        raise OutputExistsError("holds other files than results", path=folder, repair=repair)


def _is_ours(name: str) -> bool:
    return name == REPORT or (name.endswith("_capture.dcm") and name.removesuffix("_capture.dcm").isdecimal())


def folder_of(study: str) -> str:
    """Return the name of a study's folder: 16 hexadecimal digits, the same for the same StudyInstanceUID."""
    return uuid.UUID(int=int(derived_uid("folder", study).removeprefix("2.25."))).hex[:16]


def file_studies(studies: Studies, predictor: Predictor, out: Path, *, overwrite: bool = False) -> Iterator[Filed]:
    """Judge studies and write their results, a folder each; those that cannot be filed are added to what is left out.

    Raise `OutputExistsError` before anything is judged where the folder of a study holds other files, or without
    `overwrite` any.
    """
    from colles.serving.dicom.headers import text_of

    for folder in (out / folder_of(study) for study in studies.images):
        _assert_ours(folder)
        if not overwrite:
            refuse_existing(folder)
    if not studies.images:
        return
    with _scratch(out) as scratch, closing(_judged(studies, predictor, scratch)) as judged:
        for study, rows in groupby(track(judged, "images", total=studies.count), key=lambda row: row[0]):
            answers = []
            for _, image, answer in rows:
                if text_of(answer.header, "StudyInstanceUID") == study:
                    answers.append(answer)
                else:
                    studies.left_out[str(image)] = "it changed while it was read"
            try:
                if answers:
                    yield _file(answers, predictor, out / folder_of(study))
            except UsageError as error:
                studies.left_out = dict.fromkeys(map(str, studies.images[study]), error.message) | studies.left_out
            remove(scratch / folder_of(study))


@contextmanager
def _scratch(out: Path) -> Iterator[Path]:
    """Make a hidden folder in `out` for pictures that wait for their captures, and remove it at the end."""
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".pictures.", dir=out, ignore_cleanup_errors=True) as folder:
            yield Path(folder)


def _judged(studies: Studies, predictor: Predictor, scratch: Path) -> Generator[tuple[str, Found, Judged], None, None]:
    """Yield each image with its study and its answer, whose picture lies in `scratch`."""
    from colles.serving.dicom.answers import judge_file, put_aside

    def work(jobs: list[tuple[str, Path, Found]]) -> list[tuple[str, Found, Judged]]:
        return [(study, image, put_aside(judge_file(image, predictor), file)) for study, file, image in jobs]

    def jobs() -> Iterator[tuple[str, Path, Found]]:
        for study, images in studies.images.items():
            folder = scratch / folder_of(study)
            folder.mkdir()
            yield from ((study, folder / f"{number}.npy", image) for number, image in enumerate(images))

    return in_order(jobs(), work, BatchSizes(1), predictor.workers)


def _file(answers: Sequence[Judged], predictor: Predictor, folder: Path) -> Filed:
    from colles.serving.dicom.answers import judge_study
    from colles.serving.dicom.arrangement import arrange
    from colles.serving.dicom.results import stream_results

    subjects = arrange(answers)
    whole = judge_study(subjects, predictor.bundle)
    files = save_results(stream_results(subjects, predictor.bundle, whole), folder)
    statuses = [each.prediction.status if each.prediction.status != "ok" or each.reason is None else "refused"
                for each in subjects]  # fmt: skip
    counts = {str(name): statuses.count(name) for name in STATUSES}
    reasons = {str(each.prediction.path): each.reason for each in subjects if each.reason is not None}
    return Filed(folder.name, tuple(files), counts, reasons, None if whole is None else whole.decision)


def save_results(results: Iterable[Any], folder: Path) -> list[str]:
    """Write the results of a study into a folder that appears when it is complete; return the names of the files.

    A folder that is there is replaced. Raise `StorageError` for a full or read-only disk.
    """
    names: list[str] = []
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        for ds in results:
            names.append(f"{int(ds.InstanceNumber):02d}_capture.dcm" if names else REPORT)
            ds.save_as(temporary / names[-1], enforce_file_format=True)
    return names
