"""Send results to one destination, in a thread of its own: one that is down holds up nobody else."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from colles.serving.dicom.delivery import BROKEN, Delivery, Unreachable
from colles.serving.dicom.events import Events
from colles.serving.dicom.peers import Destination
from colles.serving.dicom.spool import Spool
from colles.serving.dicom.timetable import Retries, Timetable

_DAY = 86_400.0
FIRST_WAIT, _LONGEST = 5.0, 600.0  # seconds


class Sender:
    """Bring every study's results to a destination, and try again until it accepts them."""

    def __init__(
        self,
        destination: Destination,
        spool: Spool,
        events: Events,
        aet: str,
        on_sent: Callable[[str], None],
        *,
        give_up_days: float | None = None,
        first_wait: float = FIRST_WAIT,
    ) -> None:
        """`on_sent` is given a study of which nothing is left to send here."""
        self._to, self._spool, self._events, self._on_sent = str(destination), spool, events, on_sent
        self._give_up = None if give_up_days is None else give_up_days * _DAY
        self._studies, self._retries = Timetable(), Retries(first_wait, _LONGEST)
        self._broke: Counter[str] = Counter()
        """How often it ended the association at a result: the others go before it."""
        self._stop = threading.Event()
        self._delivery = Delivery(destination, aet)
        self._thread = threading.Thread(target=self._run, name=f"sender {destination}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def add(self, study: str) -> None:
        """Send a study's results as soon as may be."""
        self._studies.put(study)

    def stop(self) -> None:
        """Ask to end after the result that is being sent."""
        self._stop.set()
        self._studies.close()

    def join(self, grace: float) -> None:
        """Wait for the end, then end the association."""
        self._thread.join(grace)
        if self._thread.is_alive():
            self._delivery.abort()

    @property
    def is_alive(self) -> bool:
        """Whether it works still."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while (study := self._studies.next()) is not None:
            try:
                self._take(study)
            except Exception as error:  # a damaged result, a full disk: the other studies go on
                self._postpone(study, type(error).__name__)

    def _take(self, study: str) -> None:
        state = self._spool.state(study)
        pending = sorted(state.pending(self._to), key=self._broke.__getitem__)
        if not pending:
            self._retries.succeeded(study)
            self._on_sent(study)
            return
        left = None
        try:
            with self._delivery.open([self._spool.result_path(study, state, name) for name in pending]) as send:
                for name in pending:
                    if self._stop.is_set():
                        return
                    refused = send(self._spool.result_path(study, state, name))
                    left = refused or left
                    if refused is None:
                        self._spool.mark_sent(study, self._to, name)
                        self._broke.pop(name, None)
                    elif refused in BROKEN:
                        self._broke[name] += 1
                        break
        except Unreachable as error:
            self._wait_for_it(study, str(error))
            return
        self._retries.succeeded("")
        if left is not None:
            self._postpone(study, left)
            return
        self._events.tell("sent", study=study, results=len(pending), to=self._to)
        self._studies.put(study)  # it may have been judged anew meanwhile

    def _wait_for_it(self, study: str, reason: str) -> None:
        """Wait before anything at all is sent there."""
        if not self._gives_up(study):
            self._studies.put(study)
        seconds = self._retries.failed("")
        self._events.tell("waits", to=self._to, reason=reason, studies=len(self._studies), seconds=seconds)
        self._stop.wait(seconds)

    def _postpone(self, study: str, reason: str) -> None:
        """Let other studies go first."""
        if not self._gives_up(study):
            seconds = self._retries.failed(study)
            self._events.tell("retries", study=study, to=self._to, reason=reason, seconds=seconds)
            self._studies.put(study, seconds)

    def _gives_up(self, study: str) -> bool:
        judged = self._spool.state(study).judged
        if self._give_up is None or judged is None or time.time() - judged < self._give_up:
            return False
        try:
            self._spool.give_up(study, self._to)
        except OSError:  # the disk is full: it is tried on
            return False
        self._events.tell("given_up", study=study, to=self._to)
        return True
