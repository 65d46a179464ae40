"""Find the image files of a folder, at any depth, without losing one silently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from colles.core.errors import InputError, MissingInputError
from colles.core.files import existing_folder
from colles.core.progress import say
from colles.core.walk import walk
from colles.imaging.read import IMAGE_ENDINGS


def image_files(folder: Path) -> list[Path]:
    """List the files with an image's ending under a folder, sorted by path; raise `MissingInputError` for none."""
    found = files_below(folder, _has_image_ending)
    if not found:
        raise MissingInputError(
            "holds no images", path=folder, repair=f"Endings read: {', '.join(sorted(IMAGE_ENDINGS))}"
        )
    return found


def files_below(folder: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    """List the wanted files under a folder, sorted by path; hidden files and folders do not count.

    Linked folders are entered, loops of them are not. A link that leads nowhere is listed, so that the catalog names
    it. Raise `InputError` for a folder that may not be read and for a name that is not UTF-8: no table could hold it.
    """
    existing_folder(folder)
    found = sorted(path for path in walk(folder, _say_loop) if wanted(path))
    strange = next((path for path in found if not _is_text(str(path))), None)
    if strange is not None:
        shown = str(strange).encode("utf-8", "backslashreplace").decode("utf-8")
        raise InputError("the file's name is not UTF-8", path=shown, repair="Rename it, for example with convmv")
    return found


def _say_loop(link: Path) -> None:
    say(f"{link} links back to a folder that holds it; left out")


def _has_image_ending(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_ENDINGS


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
