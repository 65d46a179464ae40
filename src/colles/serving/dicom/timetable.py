"""Names, each with the moment at which it is its turn: studies that wait for quiet, or to be sent once more."""

from __future__ import annotations

import threading
import time


class Timetable:
    """A queue in which each name stands once; threads may share it."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._changed = threading.Condition()
        self._closed = False

    def put(self, name: str, wait: float = 0.0) -> None:
        """Let it be a name's turn in `wait` seconds, in place of whenever that would have been."""
        with self._changed:
            self._due[name] = time.monotonic() + wait
            self._changed.notify_all()

    def next(self) -> str | None:
        """Wait for the next name and take it out; None once the table is closed."""
        with self._changed:
            while not self._closed:
                name = min(self._due, key=self._due.__getitem__, default=None)
                left = None if name is None else self._due[name] - time.monotonic()
                if name is not None and left is not None and left <= 0:
                    del self._due[name]
                    return name
                self._changed.wait(None if left is None else min(left, threading.TIMEOUT_MAX))
        return None

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._due)


class Retries:
    """How long to wait after failures: each time twice as long, up to a bound."""

    def __init__(self, first: float, longest: float) -> None:
        """Both in seconds."""
        self._first, self._longest = first, longest
        self._failures: dict[str, int] = {}

    def failed(self, name: str) -> float:
        """Count a failure; return the seconds to wait."""
        failures = self._failures[name] = self._failures.get(name, 0) + 1
        return min(self._longest, self._first * 2.0 ** min(failures - 1, 30))

    def succeeded(self, name: str) -> None:
        """Forget its failures."""
        self._failures.pop(name, None)
