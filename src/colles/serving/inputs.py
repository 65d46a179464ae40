"""Files, folders, patterns, zip files and a list on standard input, in order, to the images that they hold.

The images are found while they are asked for, so that a list of a million names is never held in memory.
"""

from __future__ import annotations

import glob
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from colles.core.errors import MissingInputError, UsageError
from colles.core.progress import say
from colles.core.walk import is_hidden, walk
from colles.imaging.dicom_mark import HEAD
from colles.serving.archive import ZipMember, is_any_archive, is_archive, zip_members
from colles.serving.kinds import LOOKED_FOR, is_image
from colles.serving.remote import RemoteFile, is_uri, remote_images

STDIN = "-"
Source = str | Path | ZipMember | RemoteFile
Found = Path | ZipMember | RemoteFile
_IN_MEMORY = 16 << 20  # bytes of a list from standard input before it goes to a temporary file
_CHUNK = 1 << 16  # bytes of it that are looked at together


@dataclass(frozen=True)
class ImageList:
    """The images of some inputs; each pass over it finds them anew."""

    inputs: tuple[str | Path | PathList, ...]

    def __iter__(self) -> Iterator[Found]:
        for item in self.inputs:
            yield from item if isinstance(item, PathList) else _expand(item)

    def named(self) -> Iterator[Path]:
        """Yield the files and folders that the inputs name, without those of object stores; no folder is opened."""
        for item in self.inputs:
            names = item.names() if isinstance(item, PathList) else _matches(item)
            yield from (Path(name) for name in names if not is_uri(name))

    def unopened(self) -> list[Path]:
        """Return the archives that lie in named folders, and are not named themselves: they were passed over."""
        named = dict.fromkeys(self.named())
        inside = (file for path in named if os.path.isdir(path) for file in walk(path) if is_any_archive(file))
        return [file for file in dict.fromkeys(inside) if file not in named]


class PathList:
    """Paths from a stream, divided by zero bytes where it has any, else by lines; kept to be read again."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - lives as long as the list
        self._lock = threading.Lock()
        shutil.copyfileobj(stream, self._file)
        self._file.seek(0)
        self._separator = (
            b"\0" if any(b"\0" in chunk for chunk in iter(lambda: self._file.read(1 << 20), b"")) else b"\n"
        )

    def __iter__(self) -> Iterator[Found]:
        for text in self.names():
            yield from [RemoteFile(text)] if is_uri(text) else _existing(Path(text))

    def names(self) -> Iterator[str]:
        """Yield what is listed, as it is."""
        return map(os.fsdecode, self._lines())

    def _lines(self) -> Iterator[bytes]:
        # Two passes may take turns (a resumed run does that), so each remembers its own place in the file.
        place, rest = 0, b""
        while chunk := self._read(place):
            place += len(chunk)
            *whole, rest = (rest + chunk).split(self._separator)
            yield from (name for name in map(self._clean, whole) if name)
        if self._clean(rest):
            yield self._clean(rest)

    def _read(self, place: int) -> bytes:
        with self._lock:
            self._file.seek(place)
            return self._file.read(_CHUNK)

    def _clean(self, name: bytes) -> bytes:
        return name.rstrip(b"\r") if self._separator == b"\n" else name


def find_images(inputs: Iterable[str | Path]) -> ImageList:
    """Take inputs in the order given: a file is itself, a folder or zip file its images by name, a pattern its matches.

    `-` is a list of paths on standard input; `s3://…` and the like are files or prefixes of an object store. A file is
    taken whatever its ending, and also where it is not there (the table then says so), so that no input is lost. In
    folders, at any depth and through links, in zip files and below prefixes, files with an image's ending count and
    DICOM files without one; hidden ones do not. Going over the list raises `MissingInputError` for a folder, a zip file
    or a pattern that gives nothing, `InputError` for a folder that may not be read. Raise `UsageError` for an empty
    path, `MissingInputError` where nothing of what is named is there.
    """
    inputs = list(inputs)
    if any(str(item) == "" for item in inputs):
        # Path("") is the folder that one happens to be in: what `predict "$UNSET"` would judge.
        raise UsageError("an empty path", field="PATH", repair="Name a file or folder; . is this one")
    if inputs and all(_is_missing(item) for item in inputs):
        raise MissingInputError("no such file or folder", path=inputs[0], repair="Check the path")
    return ImageList(tuple(PathList(sys.stdin.buffer) if item == STDIN else item for item in inputs))


def _is_missing(item: str | Path) -> bool:
    text = str(item)
    return not (text == STDIN or is_uri(item) or glob.has_magic(text) or os.path.lexists(text))


def say_unopened(images: ImageList) -> None:
    """Print a line where archives beside the images were passed over, or a text file is taken for an image."""
    if text_file := next(filter(_is_text_file, images.inputs), None):
        say(f"{text_file} is taken for an image: a list of paths goes to standard input (- < {text_file})")
    found = images.unopened()
    if found:
        counted = "1 archive in folders was" if len(found) == 1 else f"{len(found)} archives in folders were"
        text = f"{counted} not opened, such as {found[0]}"
        say(f"{text}: name zip files themselves ('*.zip'), unpack others")


def _is_text_file(item: str | Path | PathList) -> bool:
    return not isinstance(item, PathList) and not is_uri(item) and Path(item).suffix.lower() == ".txt"


def _expand(item: str | Path) -> Iterator[Found]:
    if is_uri(item):
        yield from remote_images(str(item))
        return
    path, matches = Path(item), _matches(item)
    if matches == [item]:
        yield from _existing(path)
        return
    if not matches:
        raise MissingInputError("the pattern matches nothing", path=path, repair="Check the pattern")
    yield from _not_empty(_matched(matches), path, "the pattern matches no images")


def _matches(item: str | Path) -> list[str | Path]:
    # A file may have brackets in its name.
    if os.path.lexists(item) or not glob.has_magic(str(item)):
        return [item]
    found = sorted(glob.glob(str(item), recursive=True))
    return [match for match in found if not _in_debris(Path(match), Path(item))]


def _in_debris(match: Path, pattern: Path) -> bool:
    # What begins with a dot was asked for: else glob leaves it out.
    parts = set(match.parts).difference(pattern.parts)
    return any(is_hidden(part) for part in parts if not part.startswith("."))


def _existing(path: Path) -> Iterator[Found]:
    # Path.is_dir raises where a name is too long, or a folder above may not be entered: that is one row, not the end.
    if os.path.isdir(path):
        yield from _not_empty(_images(path), path, "no images in the folder", _archives_below)
    elif is_archive(path):
        yield from _not_empty(zip_members(path), path, "no images in the zip file")
    else:
        yield path


def _matched(matches: Iterable[str | Path]) -> Iterator[Found]:
    # `**` matches a folder and everything below it; each file is to be taken once.
    seen: set[str] = set()
    for match in matches:
        for found in _images(Path(match)) if os.path.isdir(match) else [Path(match)]:
            if str(found) not in seen:
                seen.add(str(found))
                yield from _existing(found)


def _not_empty(
    images: Iterator[Found], path: Path, otherwise: str, hint: Callable[[Path], str] = lambda _: ""
) -> Iterator[Found]:
    empty = True
    for image in images:
        empty = False
        yield image
    if empty:
        raise MissingInputError(otherwise, path=path, repair=f"Looked for {LOOKED_FOR}{hint(path)}")


def _archives_below(folder: Path) -> str:
    """Say how to have the archives of a folder opened, where it holds some."""
    found = next((path for path in walk(folder) if is_any_archive(path)), None)
    if found is None:
        return ""
    if is_archive(found):
        return f"; zip files in a folder are not opened: name them, as in '{found.with_name(f'*{found.suffix}')}'"
    return f"; archives such as {found.name} are not opened: unpack it"


def _images(folder: Path) -> Iterator[Path]:
    return (path for path in walk(folder) if is_image(path.name, partial(_head, path)))


def _head(path: Path) -> bytes | None:
    # A pipe would block, so only plain files are opened.
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as stream:
            return stream.read(HEAD)
    except OSError:
        return None
