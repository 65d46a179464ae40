"""Run the program as a user does, in its own process or in this one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Colles = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def colles() -> Colles:
    """Return a function that runs `colles` with arguments and gives back its output and exit code."""

    def call(*arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "colles", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, input=stdin, timeout=900)

    return call


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory, colles: Colles) -> Path:
    """Return a folder of 80 small simulated radiographs."""
    folder = tmp_path_factory.mktemp("phantoms") / "data"
    done = colles("phantom", "--out", folder, "--images", "80", "--size", "96", "--seed", "3")
    assert done.returncode == 0, done.stderr
    return folder
