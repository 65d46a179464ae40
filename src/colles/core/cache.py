"""Where colles keeps what it can make or fetch again: the variable COLLES_CACHE, else ~/.cache/colles."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "COLLES_CACHE"


def cache_folder() -> Path:
    """Return the folder for caches."""
    return Path(os.environ.get(VARIABLE) or Path.home() / ".cache" / "colles").expanduser()
