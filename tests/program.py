"""The real program `colles serve` on a free port of the loopback, until the block ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Program:
    """A running server."""

    process: subprocess.Popen[str]
    address: str = ""
    said: list[str] = field(default_factory=list)
    """Lines of its standard error so far; all of them once it has ended."""

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def end(self, how: signal.Signals = signal.SIGINT, patience: float = 60) -> int:
        """Ask it to end, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(patience)


@contextmanager
def program(*arguments: str | Path, before: str = "") -> Iterator[Program]:
    """Start `colles serve --port 0` with arguments and wait until it listens; `before` is Python that runs first."""
    code = f"{before}\nfrom colles.cli.app import main; main()"
    command = [sys.executable, "-c", code, "serve", "--port", "0", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        started, errors = Program(process), process.stderr
        listener = threading.Thread(target=lambda: started.said.extend(errors), daemon=True)
        listener.start()
        try:
            line = process.stdout.readline()
            found = re.search(r"http://\S+", line)
            assert found, (line, started.said)
            started.address = found[0]
            yield started
        finally:
            try:
                started.end()
            except subprocess.TimeoutExpired:
                process.kill()
            listener.join(10)
