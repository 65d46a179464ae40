"""Find the image files of a folder, at any depth, without losing one silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from colles.core.errors import InputError, MissingInputError
from colles.core.files import existing_folder
from colles.core.progress import say
from colles.core.walk import is_packed, walk
from colles.imaging.dicom_mark import HEAD, has_mark
from colles.imaging.read import IMAGE_ENDINGS

_HEADS = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"II*\0", b"MM\0*", b"GIF8")  # JPEG, PNG, TIFF, GIF
_OTHER_PICTURES = frozenset({".jp2", ".j2k", ".heic", ".heif", ".avif", ".nii", ".nrrd", ".mha", ".pgm"})


def image_files(folder: Path) -> list[Path]:
    """List the files with an image's ending under a folder, sorted by path; raise `MissingInputError` for none.

    Pictures under another ending, or under none, are left out with a line, and so are archives.
    """
    files = files_below(folder, lambda path: True)
    found = [path for path in files if has_image_ending(path)]
    _say_left_out(folder, [path for path in files if not has_image_ending(path) and _is_picture(path)])
    _say_packed(folder, [path for path in files if is_packed(path)])
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


def yaml_texts(path: Path) -> Any:
    """Read YAML with every scalar as text: a class called `no` is not False; raise `ValueError` where it is none."""
    try:
        return yaml.load(path.read_text("utf-8"), yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:  # RecursionError: [[[[…
        raise ValueError("not valid YAML") from error


def has_image_ending(path: Path) -> bool:
    """Tell whether a file's name ends as that of an image that is read."""
    return path.suffix.lower() in IMAGE_ENDINGS


def _say_left_out(folder: Path, pictures: list[Path]) -> None:
    if pictures:
        counts = Counter(path.suffix or "none" for path in pictures)
        endings = ", ".join(f"{ending} {count}" for ending, count in sorted(counts.items()))
        known = (
            "; DICOM files are a source whatever their endings: colles init dicom=FOLDER"
            if begins_as_dicom(pictures[0])
            else ""
        )
        say(
            f"Left out under {folder}: {len(pictures)} pictures whose ending is not read ({endings}), such as "
            f"{pictures[0].relative_to(folder)}; rename or convert them to take them in{known}"
        )


def _say_packed(folder: Path, archives: list[Path]) -> None:
    if archives:
        name = archives[0].relative_to(folder)
        say(f"Left out under {folder}: {len(archives)} packed, such as {name}; unpack what holds images")


def _is_picture(path: Path) -> bool:
    if path.suffix.lower() in _OTHER_PICTURES:
        return True
    head = first_bytes(path)
    return head.startswith(_HEADS) or has_mark(head)


def begins_as_dicom(path: Path) -> bool:
    """Tell whether a file has DICOM's mark behind its preamble."""
    return has_mark(first_bytes(path))


def first_bytes(path: Path) -> bytes:
    """Return what tells a file's form; nothing where it is none that can be read."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return b""
        with path.open("rb") as stream:
            return stream.read(HEAD)
    except OSError:
        return b""


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
