"""List the licence of every package in requirements.lock: `python scripts/licences.py` writes docs/licences.md."""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK, PAGE = ROOT / "requirements.lock", ROOT / "docs" / "licences.md"
HEAD = """# Licences

colles itself is under the Apache License 2.0. These are the packages of `requirements.lock`, all extras included, with
the licence that each states in its own metadata. Written by `scripts/licences.py`; packages for other systems than the
one it ran on are listed as not installed.

| package | version | licence |
|---|---|---|
"""


def locked(lock: Path = LOCK) -> dict[str, list[str]]:
    """Return the packages of a lock file and their versions, several where they differ by Python or system."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9][\w.\-]*)==([^\s;\\]+)", lock.read_text("utf-8"), re.M):
        found.setdefault(name, []).append(version)
    return found


def licence_of(name: str) -> str | None:
    """Return what a package states (SPDX expression, classifiers or licence field); None where it is not installed."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    return _stated(found) or "not stated"


def _stated(found: Distribution) -> str:
    metadata = found.metadata
    expression = metadata.get("License-Expression")
    if expression:
        return str(expression)
    classifiers = [
        line.split(" :: ")[-1] for line in metadata.get_all("Classifier") or [] if line.startswith("License")
    ]
    named = [line for line in classifiers if line != "OSI Approved"]
    if named:
        return ", ".join(named)
    lines = [line.strip() for line in str(metadata.get("License") or "").splitlines() if line.strip()]
    return lines[0][:80] if lines and lines[0] != "UNKNOWN" else ""


def page(packages: dict[str, list[str]]) -> str:
    """Return the page."""
    rows = [
        f"| {name} | {', '.join(versions)} | {licence_of(name) or 'not installed here'} |"
        for name, versions in packages.items()
    ]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(locked()), encoding="utf-8")
    print(f"{len(locked())} packages in {PAGE}", file=sys.stderr)
