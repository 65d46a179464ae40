"""What a node tells while it runs: one line an event, with salted names of studies and nothing of a patient."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any


class Events:
    """Write events: words on standard error, or JSON lines on standard output. Threads may share it."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json
        self._lock = threading.Lock()

    def tell(self, event: str, **values: Any) -> None:
        """Write an event; a reader that has gone away stops nobody."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self._as_json:
            line, stream = json.dumps({"time": now, "event": event, **values}), sys.stdout
        else:
            line, stream = (
                " ".join([now, event, *(f"{key}={_word(value)}" for key, value in values.items())]),
                sys.stderr,
            )
        with self._lock, suppress(OSError, ValueError):
            stream.write(line + "\n")
            stream.flush()

    @contextmanager
    def in_place_of_tracebacks(self) -> Iterator[None]:
        """Tell only the kind of an error that ends a thread: its text and its traceback may quote a data set."""
        before = threading.excepthook
        threading.excepthook = lambda args: self.tell("defect", reason=args.exc_type.__name__)
        try:
            yield
        finally:
            threading.excepthook = before


def _word(value: Any) -> str:
    return repr(value) if isinstance(value, str) and " " in value else str(value)


def printable(text: str) -> str:
    """Return an AE title as a peer gave it, at most 16 characters, without any that would break a line."""
    return "".join(letter if " " < letter <= "~" else "?" for letter in text.strip()[:16])
