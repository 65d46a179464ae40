"""Judge studies that are whole, one after the other, in a thread of its own: receiving and sending go on beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from colles.core.errors import OutputError, UsageError
from colles.serving.dicom.answering import Answering, Stopped
from colles.serving.dicom.events import Events
from colles.serving.dicom.spool import Spool
from colles.serving.dicom.study_state import Failure, digest_of
from colles.serving.dicom.timetable import Timetable
from colles.serving.predictor import Predictor

_CRASHES = 3
"""Judgings that a process died in before their study is set aside."""
_DISK_WAIT = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class _Begun:
    study: str
    objects: tuple[str, ...]
    before: int
    """`begun` of its state before."""
    failure: Failure | None
    """Why it was set aside, where it is tried once more."""


class Judging:
    """A thread that takes quiet studies, writes their results into the spool, and hands their names on."""

    def __init__(
        self,
        spool: Spool,
        quiet: Timetable,
        predictor: Predictor,
        events: Events,
        on_judged: Callable[[str], None],
        *,
        capture: bool = True,
    ) -> None:
        self._spool, self._quiet, self._events, self._on_judged = spool, quiet, events, on_judged
        self._stop = threading.Event()
        self._bundle = predictor.judge.name
        self._answering = Answering(spool, predictor, capture=capture, stopped=self._stop.is_set)
        self._again: set[str] = set()
        self._at: _Begun | None = None
        self._thread = threading.Thread(target=self._run, name="judging", daemon=True)

    def start(self, wait: float) -> None:
        """Queue what an earlier run left, once more also what it set aside, for in `wait` seconds; and begin."""
        for study in self._spool.studies():
            failure = self._spool.failure(study)
            if failure is not None and not failure.retried:
                self._again.add(study)
            if self._spool.is_waiting(study) and (failure is None or study in self._again):
                self._quiet.put(study, wait)
        self._thread.start()

    def stop(self) -> None:
        """Ask to end after the image that is being judged, or the result that is being made."""
        self._stop.set()
        self._quiet.close()

    def join(self, grace: float) -> None:
        """Wait for the end; a stop that comes before it is no crash."""
        self._thread.join(grace)
        if self._thread.is_alive():
            with suppress(OSError):
                self._as_before()

    @property
    def is_alive(self) -> bool:
        """Whether it works still."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while (study := self._quiet.next()) is not None:
            try:
                self._take(study)
            except (OSError, OutputError) as error:  # the spool's disk: nothing is wrong with the study
                self._events.tell("postponed", study=study, reason=type(error).__name__, seconds=_DISK_WAIT)
                self._quiet.put(study, _DISK_WAIT)
            self._at = None

    def _take(self, study: str) -> None:
        objects = self._spool.objects(study)
        state, failure = self._spool.state(study), self._spool.failure(study)
        again = study in self._again
        if objects and objects == state.objects and state.done is None:
            self._on_judged(study)
        if not objects or objects == state.objects or (failure is not None and not again):
            return
        digest = digest_of(objects)
        begun = state.begun if state.begun_on == digest else 0
        if begun >= _CRASHES and not again:
            self._set_aside(study, objects, "ProcessDied", retried=True)
            return
        self._at = _Begun(study, objects, begun, failure)
        self._spool.update(study, begun=begun + 1, begun_on=digest)
        if failure is not None:  # before: a process that dies of it must not try at every start
            self._spool.set_aside(study, objects, failure.reason, retried=True)
        try:
            self._judge(study, objects)
        except Stopped:
            self._as_before()
            return
        except (OSError, OutputError):
            self._as_before()
            raise
        except UsageError as error:  # what no result can be made of; these texts quote no value
            self._set_aside(study, objects, error.message, retried=again)
        except Exception as error:  # no study may stop the others; the kind alone is told, the text may quote the file
            self._set_aside(study, objects, type(error).__name__, retried=again)
        self._again.discard(study)

    def _as_before(self) -> None:
        """Count the judging that was begun as none."""
        at = self._at
        if at is not None:
            self._spool.update(at.study, begun=at.before)
            if at.failure is not None:
                self._spool.set_aside(at.study, at.objects, at.failure.reason, retried=False)

    def _set_aside(self, study: str, objects: Sequence[str], reason: str, *, retried: bool) -> None:
        self._spool.set_aside(study, objects, reason, retried=retried)
        self._spool.update(study, begun=0)
        self._events.tell("failed", study=study, objects=len(objects), reason=reason)

    def _judge(self, study: str, objects: Sequence[str]) -> None:
        begun = time.monotonic()
        counts = self._answering.answer(study, objects)
        results, seconds = len(self._spool.state(study).results), round(time.monotonic() - begun, 3)
        self._events.tell("judged", study=study, **counts, results=results, seconds=seconds, bundle=self._bundle)
        self._on_judged(study)
