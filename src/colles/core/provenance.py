"""Say what made an artefact: versions, machine, command, digests. No host name, user or patient data."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = (
    "colles",
    "numpy",
    "polars",
    "scikit-learn",
    "opencv-python-headless",
    "pillow",
    "onnxruntime",
    "torch",
    "torchvision",
    "timm",
    "pytorch-lightning",
)


def collect_provenance(digests: Mapping[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Collect what a reader needs to repeat a result.

    `digests` names inputs and their sha256; further keywords are stored as they are (JSON values).
    """
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command_line(),
        "versions": package_versions(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu_count": os.cpu_count(),
        "digests": dict(digests or {}),
        **more,
    }


def package_versions() -> dict[str, str]:
    """Return the installed versions of the packages that decide results."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def command_line() -> str:
    """Return the command as typed, with the program's name instead of its path."""
    program = os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] else "python"
    # a training restarts itself as `python -m colles` (see cli/relaunch.py); the reader typed `colles`
    program = "colles" if program == "__main__.py" else program
    return shlex.join([program, *sys.argv[1:]])
