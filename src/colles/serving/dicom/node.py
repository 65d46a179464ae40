"""A node beside a PACS: receive, judge a study when it is whole, send the results back. No study is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from colles.core.files import alone, storage_errors
from colles.serving.dicom.durable import write_json_durable
from colles.serving.dicom.events import Events
from colles.serving.dicom.judging import Judging
from colles.serving.dicom.peers import Destination
from colles.serving.dicom.radiographs import is_result
from colles.serving.dicom.sender import FIRST_WAIT, Sender
from colles.serving.dicom.spool import SETTINGS, Spool
from colles.serving.dicom.storage_scp import RESERVE, Address, StorageSCP
from colles.serving.dicom.timetable import Timetable
from colles.serving.predictor import Predictor

_DAY, _TIDYING = 86_400.0, 60.0  # seconds
_POLL = 0.1
_GRACE = 5.0  # that each of receiving and the rest has to end what it is at


@dataclass(frozen=True, slots=True)
class Settings:
    """What a node is told."""

    spool: Path
    address: Address
    destinations: tuple[Destination, ...] = ()
    quiet: float = 30.0
    """Seconds without an object of a study after which it is judged."""
    keep_days: float | None = 1.0
    """How long a study stays in the spool once all its results are accepted; None for ever."""
    give_up_days: float | None = None
    """How long a destination is tried; None for ever."""
    capture: bool = True
    """Whether pictures are sent beside the report."""
    first_wait: float = FIRST_WAIT
    """Seconds after a first failure to send."""
    reserve: int = RESERVE
    """Bytes of the disk that are left free."""


class Node:
    """One running node."""

    def __init__(self, settings: Settings, predictor: Predictor, events: Events) -> None:
        """Prepare; raise `StorageError` where the spool cannot be written."""
        self._settings, self._events, self._bundle = settings, events, predictor.judge.name
        self.spool = spool = Spool(settings.spool)
        self._quiet = Timetable()
        self._scp = StorageSCP(
            settings.address,
            spool,
            events,
            lambda stored: self._quiet.put(stored.study, settings.quiet),
            is_own=is_result,
            reserve=settings.reserve,
        )
        self._judging = Judging(spool, self._quiet, predictor, events, self._judged, capture=settings.capture)
        self._senders = [
            Sender(
                each,
                spool,
                events,
                settings.address.aet,
                self._sent,
                give_up_days=settings.give_up_days,
                first_wait=settings.first_wait,
            )
            for each in settings.destinations
        ]

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._scp.port

    def run(self, stopped: Callable[[], bool]) -> None:
        """Work until asked to stop. Raise `OutputExistsError` where another node has the spool, `StorageError` where
        its disk is full, `UsageError` where the port cannot be had."""
        with alone(self.spool.root, "node"), self._events.in_place_of_tracebacks():
            try:
                self._start()
                self._wait(stopped)
            finally:
                self._close()

    def _start(self) -> None:
        self.spool.sweep()
        self._scp.start()
        self._note_settings()
        self._judging.start(self._settings.quiet)
        for sender in self._senders:
            sender.start()
        for study in self.spool.studies():
            if self.spool.is_open(study, self._named()):
                self._judged(study)
        address = self._settings.address
        self._events.tell("listening", aet=address.aet, host=address.host, port=self.port, bundle=self._bundle)

    def _wait(self, stopped: Callable[[], bool]) -> None:
        tidied = 0.0
        while not stopped():
            if not (self._judging.is_alive and all(sender.is_alive for sender in self._senders)):
                raise RuntimeError("a thread of the node has ended; what it received is kept, start it again")
            if time.monotonic() - tidied >= _TIDYING or not tidied:
                with suppress(OSError):  # it comes again
                    self._tidy()
                tidied = time.monotonic()
            time.sleep(_POLL)

    def _close(self) -> None:
        self._events.tell("stopping")
        workers: list[Judging | Sender] = [self._judging, *self._senders]
        for worker in workers:
            worker.stop()
        self._scp.close(_GRACE)
        until = time.monotonic() + _GRACE
        for worker in workers:
            if worker.is_alive:
                worker.join(max(0.0, until - time.monotonic()))
        self._events.tell("stopped")

    def _judged(self, study: str) -> None:
        for sender in self._senders:
            sender.add(study)
        if not self._senders:
            self._sent(study)

    def _sent(self, study: str) -> None:
        if self.spool.finish(study, self._named()) and self._settings.keep_days == 0:
            self._remove(study)

    def _tidy(self) -> None:
        keep = self._settings.keep_days
        if keep is None:
            return
        for study in self.spool.studies():
            done = self.spool.state(study).done
            if done is not None and time.time() - done >= keep * _DAY:
                self._remove(study)

    def _remove(self, study: str) -> None:
        if self.spool.remove_done(study):
            self._events.tell("removed", study=study)

    def _named(self) -> list[str]:
        return [str(each) for each in self._settings.destinations]

    def _note_settings(self) -> None:
        address = self._settings.address
        told = {"aet": address.aet, "host": address.host, "port": self.port, "destinations": self._named()}
        told |= {"bundle": self._bundle}
        with storage_errors(self.spool.root):
            write_json_durable(self.spool.root / SETTINGS, told)
