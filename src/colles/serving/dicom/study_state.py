"""What a node knows of one study beside its objects: one small JSON file, replaced whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from pydantic import ConfigDict, Field

from colles.core.records import Record


class StudyState(Record):
    """The state of one study; without a file all of it is at its beginning."""

    model_config = ConfigDict(frozen=True, extra="ignore")  # another version's file must not mean judging again

    objects: tuple[str, ...] = ()
    """Names of the files that were judged."""
    results: tuple[str, ...] = ()
    """Names of the result files, the report first."""
    folder: str = ""
    """Where these lie in the study's folder."""
    judged: float | None = None
    """Seconds since 1970."""
    sent: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Result files that each destination has accepted."""
    done: float | None = None
    """When every destination had accepted all of them; seconds since 1970."""
    given_up: tuple[str, ...] = ()
    """Destinations that are not tried any more."""
    begun: int = 0
    """How often judging `begun_on` was begun and not ended: by a process that died of it."""
    begun_on: str = ""

    def pending(self, destination: str) -> tuple[str, ...]:
        """Return the results that a destination has not accepted."""
        sent = self.sent.get(destination, ())
        return tuple(name for name in self.results if name not in sent)


class Failure(Record):
    """Why a study is set aside."""

    study: str
    objects: str
    """Digest of the names of the files that it had; with others it is judged again."""
    reason: str
    """Name of the kind of error: its text may quote the file."""
    at: float
    """Seconds since 1970."""
    retried: bool = False
    """Whether a later start has tried again."""


def digest_of(names: Iterable[str]) -> str:
    """Return a digest of a set of names."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:16]
