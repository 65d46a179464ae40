"""Walk through a folder at any depth without losing a file silently."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import NoReturn

from colles.core.errors import InputError

# What file managers and network stores keep for themselves (thumbnails, what was deleted, earlier states).
_DEBRIS = frozenset(
    (
        *("@eadir", "@tmp", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "__macosx", "lost+found"),
        *("$recycle.bin", "recycler", "system volume information", "network trash folder", "temporary items"),
        *("thumbs.db", "desktop.ini"),
    )
)
_PACKED = frozenset({".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"})


def is_packed(path: PurePath) -> bool:
    """Tell by the ending whether a file is an archive."""
    return path.suffix.lower() in _PACKED and not path.name.lower().endswith(".nii.gz")


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder of this name is none of its owner's: hidden, or kept by a system for itself."""
    return name.startswith(".") or name.lower() in _DEBRIS


def walk(folder: Path, on_loop: Callable[[Path], object] | None = None) -> Iterator[Path]:
    """Yield the files under a folder, those of each folder by name before its folders; what `is_hidden` does not count.

    Linked folders are entered, loops of them are not: `on_loop` is given such a link, below which no other file lies.
    Raise `InputError` for a folder that may not be read.
    """
    # The folders above each one, by device and number: entering one of them again would never end.
    above = {str(folder): frozenset({_identity(str(folder))})}
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        line = above.pop(parent)
        entered = []
        for name in sorted(folders):
            path = os.path.join(parent, name)
            if is_hidden(name):
                continue
            identity = _identity(path)
            if identity in line:
                if on_loop is not None:
                    on_loop(Path(path))
                continue
            above[path] = line | {identity}
            entered.append(name)
        folders[:] = entered
        yield from (Path(parent, name) for name in sorted(files) if not is_hidden(name))


def _identity(folder: str) -> tuple[int, int]:
    try:
        about = os.stat(folder)
    except OSError as error:
        _refuse(error)
    return about.st_dev, about.st_ino


def _refuse(error: OSError) -> NoReturn:
    repair = "Give yourself the right to read it (chmod u+rx), or leave it out"
    raise InputError(f"the folder cannot be read ({error.strerror})", path=error.filename, repair=repair) from error
