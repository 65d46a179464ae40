"""The folder that a node keeps: what it received, what came of it, and how far that has been sent.

    DIR/studies/STUDY/objects/OBJECT.dcm    as received, byte for byte behind the file header
    DIR/studies/STUDY/results-…/000-….dcm   the results, the report first
    DIR/studies/STUDY/study.json            `StudyState`
    DIR/failed/STUDY.json                   `Failure`
    DIR/node.json                           what the node was told that was started last
    DIR/salt                                the secret that names are made with
    DIR/incoming, DIR/trash                 what is half received, and half removed

Names are salted digests of UIDs: nothing of a peer or a patient is in them. What is to be judged follows from the
files alone, so a kill at any moment loses nothing: objects are there or were never acknowledged.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from colles.core.errors import CollesError, TableError, UsageError
from colles.core.files import read_json, remove, sha256_file, storage_errors
from colles.datasets.pseudonyms import Pseudonyms
from colles.serving.dicom.durable import (
    Piece,
    make_folder,
    sync_folder,
    write_durable,
    write_json_durable,
    write_synced,
)
from colles.serving.dicom.study_state import Failure, StudyState, digest_of

SETTINGS, SALT = "node.json", "salt"
_FOLDERS = ("studies", "failed", "incoming", "trash")


@dataclass(frozen=True, slots=True)
class Stored:
    """Where an object lies now."""

    study: str
    how: Literal["new", "same", "other"]
    """`same`: these bytes were here; `other`: other bytes of this SOPInstanceUID were here, and both are kept."""


class Spool:
    """One node's folder; threads may share it."""

    def __init__(self, root: str | Path) -> None:
        """Open it, made where it is missing. Raise `StorageError` where that cannot be, `UsageError` in a folder where
        another program keeps files under the same names: a spool is swept."""
        self.root = Path(root)
        self._lock = threading.RLock()
        with storage_errors(self.root):
            _assert_ours(self.root)
            for name in _FOLDERS:
                make_folder((self.root / name).absolute())
            self.names = Pseudonyms.load(self.root / SALT)
            sync_folder(self.root)

    def sweep(self) -> None:
        """Remove what a killed process left half received or half removed; only the one that owns the lock may."""
        for left in [*(self.root / "incoming").iterdir(), *(self.root / "trash").iterdir()]:
            remove(left)
        for study in self.studies():
            self._remove_other_results(study, self.state(study).folder)

    def store(self, study_uid: str, instance_uid: str, pieces: Sequence[Piece]) -> Stored:
        """Keep an object; when this returns it is on the disk. Raise `OSError` where it cannot be."""
        study, stem = self.names.name("study", study_uid), self.names.name("image", instance_uid)
        temporary = self.root / "incoming" / uuid.uuid4().hex
        digest = write_synced(temporary, pieces)
        try:
            with self._lock:
                folder = self.root / "studies" / study / "objects"
                make_folder(folder)
                target, how = _place(folder, stem, temporary, digest)
                if how != "same":
                    os.replace(temporary, target)
                sync_folder(folder)
                return Stored(study, how)
        finally:
            temporary.unlink(missing_ok=True)

    def studies(self) -> list[str]:
        """Return the names of all studies."""
        return sorted(path.name for path in (self.root / "studies").iterdir() if path.is_dir())

    def objects(self, study: str) -> tuple[str, ...]:
        """Return the names of a study's files in a fixed order; none where it is gone."""
        with suppress(FileNotFoundError):
            return tuple(sorted(path.name for path in self._study(study, "objects").iterdir()))
        return ()

    def object_path(self, study: str, name: str) -> Path:
        """Return where an object lies."""
        return self._study(study, "objects") / name

    def arrived(self, study: str) -> float:
        """Return when its last object came, in seconds since 1970; now where it is gone."""
        with suppress(FileNotFoundError):  # a node removes it meanwhile
            return max(
                (self.object_path(study, name).stat().st_mtime for name in self.objects(study)), default=time.time()
            )
        return time.time()

    def state(self, study: str) -> StudyState:
        """Return a study's state; a damaged file counts as none, and the study is judged again."""
        with suppress(CollesError, ValidationError):
            return StudyState.model_validate(read_json(self._study(study, "study.json")))
        return StudyState()

    def update(self, study: str, **changes: object) -> StudyState:
        """Change parts of a study's state."""
        with self._lock:
            return self._save(study, self.state(study).model_copy(update=changes))

    def mark_sent(self, study: str, destination: str, result: str) -> StudyState:
        """Note that a destination has accepted a result."""
        with self._lock:
            state = self.state(study)
            if result not in state.results:  # judged anew meanwhile
                return state
            sent = {**state.sent, destination: (*state.sent.get(destination, ()), result)}
            given_up = tuple(name for name in state.given_up if name != destination)
            return self._save(study, state.model_copy(update={"sent": sent, "given_up": given_up}))

    def is_waiting(self, study: str) -> bool:
        """Tell whether a study has objects that no results are of."""
        return self.objects(study) != self.state(study).objects

    def save_results(self, study: str, objects: Sequence[str], results: Iterable[tuple[str, bytes]]) -> StudyState:
        """Keep (SOPInstanceUID, bytes of the file) of each result; those of an earlier round are replaced.

        One with the UID of an earlier result stays as it was, and is not sent twice: a UID has one content.
        """
        before, folder = self.state(study), f"results-{digest_of(objects)}"
        names = self._write_results(study, before, folder, results)
        with self._lock:
            sent = {to: tuple(name for name in known if name in names) for to, known in self.state(study).sent.items()}
            state = StudyState(objects=tuple(objects), results=names, folder=folder, judged=time.time(), sent=sent)
            self.forget_failure(study)  # before: a kill between the two must not leave a judged study that failed
            self._save(study, state)
            self._remove_other_results(study, folder)
        return state

    def _write_results(
        self, study: str, before: StudyState, folder: str, results: Iterable[tuple[str, bytes]]
    ) -> tuple[str, ...]:
        place, names = self._study(study, folder), []
        make_folder(place)
        try:
            for number, (uid, data) in enumerate(results):
                names.append(f"{number:03d}-{self.names.name('image', uid)}.dcm")
                earlier = self.result_path(study, before, names[-1])
                write_durable(place / names[-1], earlier.read_bytes() if names[-1] in before.results else data)
        except BaseException:
            self._remove_other_results(study, before.folder)
            raise
        return tuple(names)

    def result_path(self, study: str, state: StudyState, name: str) -> Path:
        """Return where a result of a state lies; nowhere any more once the study was judged anew."""
        return self._study(study, state.folder) / name

    def give_up(self, study: str, destination: str) -> None:
        """Note that a destination is not tried any more."""
        with self._lock:
            self.update(study, given_up=tuple({*self.state(study).given_up, destination}))

    def finish(self, study: str, destinations: Sequence[str]) -> bool:
        """Note that all destinations have all results, where they have; tell whether it is so now."""
        with self._lock:
            state = self.state(study)
            if state.judged is None or any(state.pending(each) for each in destinations):
                return False
            if state.done is None:
                self.update(study, done=time.time())
            return True

    def is_open(self, study: str, destinations: Sequence[str]) -> bool:
        """Tell whether a judged study is not done with; one that was becomes so for a destination that came later."""
        with self._lock:
            state = self.state(study)
            if state.done is not None and any(state.pending(each) for each in destinations):
                state = self.update(study, done=None)
            return state.judged is not None and state.done is None

    def set_aside(self, study: str, objects: Sequence[str], reason: str, *, retried: bool) -> None:
        """Note that a study cannot be judged with these objects."""
        failure = Failure(study=study, objects=digest_of(objects), reason=reason, at=time.time(), retried=retried)
        write_json_durable(self._failure(study), failure.model_dump(mode="json"))

    def failure(self, study: str) -> Failure | None:
        """Return why a study is set aside; None where it is not, or has got other objects since."""
        try:
            found = Failure.model_validate(read_json(self._failure(study)))
        except (CollesError, ValidationError):
            return None
        return found if found.objects == digest_of(self.objects(study)) else None

    def forget_failure(self, study: str) -> None:
        """Take the note away."""
        self._failure(study).unlink(missing_ok=True)

    def remove_done(self, study: str) -> bool:
        """Remove a study whose results every destination has accepted; not one that has got objects since."""
        gone = self.root / "trash" / uuid.uuid4().hex
        with self._lock:
            if self.state(study).done is None or self.is_waiting(study):
                return False
            self.forget_failure(study)
            os.replace(self.root / "studies" / study, gone)
        shutil.rmtree(gone, ignore_errors=True)
        return True

    def settings(self) -> dict[str, object]:
        """Return what the node that was started last was told; empty where there was none."""
        with suppress(CollesError):
            return dict(read_json(self.root / SETTINGS))
        return {}

    def _save(self, study: str, state: StudyState) -> StudyState:
        write_json_durable(self._study(study, "study.json"), state.model_dump(mode="json"))
        return state

    def _study(self, study: str, part: str) -> Path:
        return self.root / "studies" / study / part

    def _failure(self, study: str) -> Path:
        return self.root / "failed" / f"{study}.json"

    def _remove_other_results(self, study: str, kept: str) -> None:
        for folder in (self.root / "studies" / study).glob("results-*"):
            if folder.name != kept:
                remove(folder)


def _place(folder: Path, stem: str, arrived: Path, digest: str) -> tuple[Path, Literal["new", "same", "other"]]:
    first, second = folder / f"{stem}.dcm", folder / f"{stem}-{digest[:16]}.dcm"
    if not first.exists():
        return first, "new"
    if second.exists() or (first.stat().st_size == arrived.stat().st_size and sha256_file(first) == digest):
        return second, "same"
    return second, "other"


def _is_spool(root: Path) -> bool:
    # Either file: a salt that was lost or damaged can be deleted, and another is made.
    return (root / "studies").is_dir() and any((root / name).is_file() for name in (SALT, SETTINGS))


def _assert_ours(root: Path) -> None:
    if _is_spool(root):
        return
    for folder in (root / name for name in _FOLDERS):
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            text = f"is no spool of a node, and holds {folder.name} of something else"
            raise UsageError(text, path=root, field="--spool", repair="Name a folder of its own for it")


def existing_spool(root: str | Path) -> Spool:
    """Open a spool that is there; raise `TableError` where the folder is none."""
    if not _is_spool(Path(root)):
        raise TableError("is no spool of a node", path=root, field="--spool", repair="colles dicom node makes one")
    return Spool(root)
