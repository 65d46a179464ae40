"""Look into a compressed frame (JPEG, JPEG-LS, JPEG 2000) without decoding it: its size, its scans, its end."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from itertools import islice

from colles.imaging.raw import unreadable

# SOF markers (ITU-T T.81, table B.1; JPEG-LS: T.87). C4, C8 and CC mark tables and extensions.
_FRAME_MARKERS = (set(range(0xC0, 0xD0)) | {0xF7}) - {0xC4, 0xC8, 0xCC}
_STANDALONE = {0x01, *range(0xD0, 0xDA)} - {0xD9}
_JPEG, _J2K, _JP2 = b"\xff\xd8", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "
_END, _SCAN = 0xD9, 0xDA
# After a scan's header its data follow, where FF stands before 00 (JPEG-LS: before anything below 80) or a restart.
_MARKER = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
SCANS = 100
"""Scans of a JPEG at most, as in libtiff: encoders write about ten, and each is decoded over the whole picture."""
Size = tuple[int, int, int]


def frame_size(frame: bytes) -> Size | None:
    """Return width, height and channels that the codestream states; None where it is of another kind or damaged."""
    try:
        if frame.startswith(_JP2):
            frame = _boxed(frame)
        if frame.startswith(_J2K):
            # SIZ (ITU-T T.800, A.5.1): length, capabilities, the reference grid, the image's offset in it, the tiles.
            right, bottom, left, top, channels = struct.unpack(">4I16xH", frame[8:42])
            return right - left, bottom - top, channels
        return _jpeg_size(frame) if frame.startswith(_JPEG) else None
    except (struct.error, IndexError, ValueError):
        return None


def _boxed(frame: bytes) -> bytes:
    """Return the codestream of a JP2 file, which is a row of boxes (ITU-T T.800, I.4)."""
    place = 0
    while True:
        length, kind = struct.unpack_from(">I4s", frame, place)
        head = 16 if length == 1 else 8
        if kind == b"jp2c":
            return frame[place + head :]
        if length == 1:
            (length,) = struct.unpack_from(">Q", frame, place + 8)
        if not head <= length <= len(frame) - place:
            raise ValueError("a box that ends outside the file, or is the last")
        place += length


def _segments(frame: bytes) -> Iterator[tuple[int, int]]:
    """Yield marker and place of each segment of a JPEG's header, up to where none stands."""
    place = 2
    while frame[place] == 0xFF:
        marker = frame[place + 1]
        if marker == 0xFF:  # fill byte
            place += 1
            continue
        yield marker, place
        (length,) = struct.unpack(">H", frame[place + 2 : place + 4])
        place += 2 if marker in _STANDALONE else 2 + length


def _jpeg_size(frame: bytes) -> Size | None:
    for marker, place in _segments(frame):
        if marker in _FRAME_MARKERS:
            height, width, channels = struct.unpack(">2HB", frame[place + 5 : place + 10])
            return width, height, channels
    return None


def assert_few_scans(frame: bytes, name: str | None) -> None:
    """Raise `UnreadableImageError` (`too_large`) for a JPEG of more than `SCANS` scans; other kinds have few."""
    if frame.startswith(_JPEG) and sum(1 for _ in islice(_scans(frame), SCANS + 1)) > SCANS:
        raise unreadable("too_large", f"goes over its picture in more than {SCANS} scans", name)


def _scans(frame: bytes) -> Iterator[int]:
    place = 2
    while found := _MARKER.search(frame, place):
        marker, place = frame[found.start() + 1], found.end()
        if marker == _END:
            return
        if marker == _SCAN:
            yield place
        place += 0 if marker in _STANDALONE else int.from_bytes(frame[place : place + 2], "big")


def is_cut(frame: bytes) -> bool:
    """Tell whether a JPEG or JPEG 2000 codestream lacks its end marker: decoders fill the rest with grey."""
    if not frame.startswith((_JPEG, _J2K)):
        return False
    return not frame.rstrip(b"\0").endswith(b"\xff\xd9")
