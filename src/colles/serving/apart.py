"""Pictures are drawn where no image is read: there they would be judged as radiographs next, or replace one."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from colles.core.errors import UsageError


def assert_apart(pictures: Path, read: str | Path, *, field: str = "--overlays") -> None:
    """Raise `UsageError` where a folder for pictures lies in a folder that is read, or holds what is read."""
    there, path = _real(pictures), Path(read)
    if _real(path.parent).is_relative_to(there):
        text, repair = f"holds {read}, which is read: a picture could replace it", "Choose a folder without images"
    elif os.path.isdir(path) and there.is_relative_to(_real(path)):
        text, repair = f"lies in {read}, which is read: its pictures would be judged next time", "Choose one outside"
    else:
        return
    raise UsageError(text, path=pictures, field=field, repair=repair)


def _real(folder: Path) -> Path:
    return _resolved(os.path.abspath(folder))


@lru_cache(maxsize=1024)
def _resolved(folder: str) -> Path:
    return Path(os.path.realpath(folder))
