"""Debian's Chromium for tests of pages (`apt-get install --no-install-recommends chromium`); they skip without it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

PATIENCE = 180_000
"""Milliseconds; a busy machine takes its time."""
_PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_ARGUMENTS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync",
              "--no-first-run", "--disable-gpu")  # fmt: skip
MARKS = (
    pytest.mark.slow,
    pytest.mark.skipif(_PROGRAM is None, reason="no chromium: apt-get install --no-install-recommends chromium"),
)


@contextmanager
def chromium() -> Iterator[Any]:
    """Start a browser without a window, and end it."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=_PROGRAM, args=list(_ARGUMENTS))
        yield started
        started.close()
