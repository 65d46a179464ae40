"""A node in a process of its own, as a system service runs it, for tests."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from node_tools import LONG


class Process:
    """A node in a process of its own, and the events that it tells."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, "-m", "colles", "dicom", "node", *map(str, arguments), "--json"]
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.events: list[dict[str, Any]] = []
        self.new = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            with self.new:
                self.events.append(json.loads(line))
                self.new.notify_all()

    def wait(self, event: str, count: int = 1) -> dict[str, Any]:
        """Wait for an event; the process must not end meanwhile."""
        until = time.monotonic() + LONG
        with self.new:
            while len(found := [each for each in self.events if each["event"] == event]) < count:
                assert self.popen.poll() is None, self.popen.communicate()[1]
                assert time.monotonic() < until, self.events
                self.new.wait(0.1)
        return found[-1]

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; return the exit code and what was told on standard error."""
        self.popen.send_signal(number)
        self.popen.wait(LONG)
        self.reader.join(LONG)
        assert self.popen.stderr is not None
        return self.popen.returncode, self.popen.stderr.read()


@contextmanager
def process(*arguments: object) -> Iterator[Process]:
    """Run a node until the block ends."""
    started = Process(*arguments)
    try:
        yield started
    finally:
        if started.popen.poll() is None:
            started.popen.kill()
            started.popen.wait(LONG)
        for stream in (started.popen.stdout, started.popen.stderr):
            if stream is not None:
                started.reader.join(LONG)
                stream.close()
