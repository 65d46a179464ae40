"""Files, folders and patterns to an ordered list of image paths."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from colles.core.errors import MissingInputError
from colles.imaging.read import IMAGE_ENDINGS


def list_images(inputs: Iterable[str | Path]) -> list[Path]:
    """Expand inputs in the order given: a file is itself, a folder its images by name, a pattern its matches by name.

    A file is taken whatever its ending, and also where it is not there (the table then says so), so that no input is
    lost. In folders, at any depth, files with an image's ending count; hidden ones do not. Raise `MissingInputError`
    for a folder or a pattern that gives nothing.
    """
    return [path for item in inputs for path in _expand(item)]


def _expand(item: str | Path) -> list[Path]:
    path = Path(item)
    if path.is_dir():
        return _folder(path)
    if os.path.lexists(path) or not glob.has_magic(str(item)):
        return [path]
    matches = sorted(glob.glob(str(item), recursive=True))
    if not matches:
        raise MissingInputError("the pattern matches nothing", path=path, repair="Check the pattern")
    # `**` matches a folder and everything below it; each file is to be taken once.
    found = (
        image for match in matches for image in ([Path(match)] if not os.path.isdir(match) else _walk(Path(match)))
    )
    return list(dict.fromkeys(found))


def _folder(folder: Path) -> list[Path]:
    found = _walk(folder)
    if not found:
        endings = ", ".join(sorted(IMAGE_ENDINGS))
        raise MissingInputError("no images in the folder", path=folder, repair=f"Looked for {endings}")
    return found


def _walk(folder: Path) -> list[Path]:
    found = []
    for parent, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith("."))
        found += [Path(parent) / name for name in sorted(files) if _is_image(name)]
    return found


def _is_image(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_ENDINGS
