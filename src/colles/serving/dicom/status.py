"""What lies in a node's spool: waiting, judged, sent, failed. Reads the files alone, beside a running node too."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from colles.serving.dicom.spool import Spool

LATE = 3600.0
"""Seconds after which waiting is a fault."""


@dataclass(frozen=True, slots=True)
class StudyStatus:
    """One study."""

    study: str
    objects: int
    stage: str
    """`waiting` to be judged, `sending`, `done`, or `failed`."""
    reason: str | None
    """Why it failed."""
    pending: dict[str, int]
    """Results that each destination has not accepted."""
    seconds: float
    """Since its last object came, or since it was judged."""

    @property
    def is_late(self) -> bool:
        """Whether it waits for too long."""
        return self.stage in ("waiting", "sending") and self.seconds > LATE


def read_status(spool: Spool) -> list[StudyStatus]:
    """Return every study's status."""
    named = spool.settings().get("destinations", [])
    destinations = [str(each) for each in named] if isinstance(named, list) else []
    return [_status(spool, study, destinations) for study in spool.studies()]


def _status(spool: Spool, study: str, destinations: list[str]) -> StudyStatus:
    state, failure, objects = spool.state(study), spool.failure(study), spool.objects(study)
    pending = {each: len(left) for each in destinations if (left := state.pending(each))}
    stage, reason, since = "done", None, state.judged
    if failure is not None:
        stage, reason, since = "failed", failure.reason, failure.at
    elif objects != state.objects:
        stage, since = "waiting", spool.arrived(study)
    elif given_up := [each for each in state.given_up if each in pending]:
        stage, reason = "failed", f"given up: {', '.join(given_up)}"
    elif pending:
        stage = "sending"
    return StudyStatus(study, len(objects), stage, reason, pending, round(time.time() - (since or time.time()), 1))


def summary(studies: list[StudyStatus]) -> dict[str, Any]:
    """Count studies by stage, results that each destination still waits for, and those that are late."""
    stages = {stage: sum(each.stage == stage for each in studies) for stage in ("waiting", "sending", "done", "failed")}
    pending: dict[str, int] = {}
    for each in studies:
        for destination, count in each.pending.items():
            pending[destination] = pending.get(destination, 0) + count
    return {**stages, "late": sum(each.is_late for each in studies), "pending": pending}
