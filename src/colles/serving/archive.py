"""Images inside zip files, read in memory: nothing is ever unpacked to a disk."""

from __future__ import annotations

import lzma
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from colles.core.walk import is_hidden, is_packed
from colles.imaging.dicom_mark import HEAD
from colles.imaging.read import unreadable
from colles.serving.kinds import is_image

ENDING = ".zip"
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_ENCRYPTED = 0x1  # general purpose bit 0 (APPNOTE.TXT 4.4.4)
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, RuntimeError)


@dataclass(frozen=True, slots=True)
class ZipMember:
    """One file of an archive."""

    archive: Path
    name: str
    """As stored, with `/` between folders."""
    source: zipfile.ZipFile | None
    """The open archive; None where it cannot be read at all."""
    info: zipfile.ZipInfo | None
    copy: int = 1
    """Which of the members of this name it is: an archive may hold one name twice."""

    def __str__(self) -> str:
        shown = f"{self.archive}!/{self.name}" if self.name else str(self.archive)
        return shown if self.copy == 1 else f"{shown} ({self.copy})"

    @property
    def refusal(self) -> str | None:
        """Why the member is not even looked at, or None."""
        pure = PurePosixPath(self.name.replace("\\", "/"))
        if pure.is_absolute() or ".." in pure.parts or self.name[1:2] == ":":
            return "its name leads out of the archive"
        if is_packed(pure):
            return "an archive inside an archive is not opened"
        return None

    def read(self, max_bytes: int) -> bytes:
        """Return the bytes; raise `UnreadableImageError` for a damaged, encrypted or too large member."""
        if self.source is None or self.info is None:
            raise unreadable("unreadable", "is not a zip file that can be read", str(self))
        if self.info.flag_bits & _ENCRYPTED:
            raise unreadable("unsupported", "is encrypted", str(self))
        if self.info.compress_type not in _METHODS:
            raise unreadable("unsupported", "is packed by an unknown method", str(self))
        if self.info.file_size > max_bytes:
            raise unreadable("too_large", f"{self.info.file_size} bytes are above the limit of {max_bytes}", str(self))
        try:
            # The declared size may lie, so no more than the limit is ever unpacked.
            with self.source.open(self.info) as stream:
                return stream.read(max_bytes + 1)
        except _DAMAGED as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise unreadable("unreadable", f"cannot be unpacked ({reason})", str(self)) from error

    def head(self) -> bytes | None:
        """Return what tells DICOM from other files; None where it cannot be unpacked."""
        if self.source is None or self.info is None:
            return None
        try:
            with self.source.open(self.info) as stream:
                return stream.read(HEAD)
        except _DAMAGED:
            return None


def is_archive(path: Path) -> bool:
    """Tell by the ending whether a file is read as an archive."""
    return path.suffix.lower() == ENDING and os.path.isfile(path)


def is_unopened(path: Path) -> bool:
    """Tell by the ending whether a file is an archive of a kind that is not opened."""
    return path.suffix.lower() != ENDING and is_packed(path)


def is_any_archive(path: Path) -> bool:
    """Tell by the ending whether a file is an archive, of whatever kind."""
    return is_packed(path) and path.is_file()


def zip_members(archive: Path) -> Iterator[ZipMember]:
    """Yield the images of an archive by name, and what is refused; one member without a name where it is no archive.

    Hidden files and folders do not count, as in folders on a disk.
    """
    try:
        opened = zipfile.ZipFile(archive)
    except _DAMAGED:
        yield ZipMember(archive, "", None, None)
        return
    for info, copy in _numbered(opened):
        member = ZipMember(archive, info.filename, opened, info, copy)
        if not info.is_dir() and (member.refusal or _is_image(member)):
            yield member


def member_of(archive: Path, name: str, place: int) -> ZipMember:
    """Return a member by its name and the place of its header in the file.

    The archive stays open for the next call. It is one that cannot be read where it lacks the member.
    """
    opened = _open(archive)
    found = opened and opened[1].get((name, place))
    return ZipMember(archive, name, opened[0], *found) if opened and found else ZipMember(archive, name, None, None)


@lru_cache(maxsize=4)
def _open(archive: Path) -> tuple[zipfile.ZipFile, dict[tuple[str, int], tuple[zipfile.ZipInfo, int]]] | None:
    try:
        opened = zipfile.ZipFile(archive)
    except _DAMAGED:
        return None
    return opened, {(info.filename, info.header_offset): (info, copy) for info, copy in _numbered(opened)}


def _numbered(opened: zipfile.ZipFile) -> Iterator[tuple[zipfile.ZipInfo, int]]:
    """Yield the members by name, and those of one name by their place, each with its number among them."""
    seen: Counter[str] = Counter()
    for info in sorted(opened.infolist(), key=lambda each: (each.filename, each.header_offset)):
        seen[info.filename] += 1
        yield info, seen[info.filename]


def _is_image(member: ZipMember) -> bool:
    parts = PurePosixPath(member.name).parts
    hidden = any(map(is_hidden, parts))
    return not hidden and is_image(member.name, member.head)
