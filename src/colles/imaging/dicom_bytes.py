"""From the bytes of a DICOM file to pydicom's data set, within limits: inflated piece by piece, counted while read."""

from __future__ import annotations

import io
import logging
import warnings
import zlib
from typing import Any, BinaryIO

from colles.imaging.raw import unreadable

MOST = 4 << 20
"""Bytes beside the pixels and other values that stay as stored: pydicom takes seconds for so many of elements."""
_PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_DEFLATED, _EXPLICIT = b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.1\0\0\0"
_PIECE = 1 << 16
_RAW = frozenset({"OB", "OD", "OF", "OL", "OV", "OW"})
_UNDEFINED = 0xFFFFFFFF


def quieten() -> None:
    """Silence pydicom: its warnings and log lines quote values of the file, such as a patient's name or study."""
    warnings.filterwarnings("ignore", module=r"pydicom\b")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)


def data_set(stream: BinaryIO, name: str | None, most: int, *, pixels: bool = True, last: int = 0xFFFFFFFF) -> Any:
    """Read pydicom's data set from a file, with or without its pixels, up to the tag `last`.

    Raise `UnreadableImageError` (`too_large`) where a deflated one inflates to more than `most` bytes, or where there
    are more than `MOST` beside the pixels; whatever pydicom raises where it is damaged.
    """
    from pydicom.filereader import read_partial

    file: Any = _Counted(_inflated(stream, name, most), name)

    def stop(tag: int, vr: str | None, length: int) -> bool:
        file.free = _stays_as_stored(tag, vr, length)
        return tag > last or (tag in _PIXELS and not pixels)

    try:
        return read_partial(file, stop, force=True)
    except Exception:
        file.check()  # pydicom makes another error of one that is raised inside a sequence
        raise


class _Counted:
    """A file whose bytes are counted while they are read."""

    def __init__(self, stream: BinaryIO, name: str | None) -> None:
        self._stream, self._name, self._left = stream, name, MOST
        self.seek, self.tell = stream.seek, stream.tell
        self.free = False
        """Whether a value is being read that stays as it is stored."""

    def read(self, size: int = -1) -> bytes:
        if self.free:
            found = self._stream.read(size)
            self._left -= min(len(found), 8)  # so that millions of short ones count too
        else:
            found = self._stream.read(self._left + 1 if size < 0 else min(size, self._left + 1))
            self._left -= len(found)
        self.check()
        return found

    def check(self) -> None:
        if self._left < 0:
            raise unreadable("too_large", f"holds more than {MOST} bytes beside its pixels", self._name)


def _stays_as_stored(tag: int, vr: str | None, length: int) -> bool:
    if length == _UNDEFINED:
        return tag in _PIXELS and vr in (None, "OB", "OW")
    if vr in _RAW or tag >> 16 & 1:  # nobody asks for the private ones of odd groups
        return True
    # Where no type is stated (Implicit VR) the tag says it: pixels, or an overlay (PS3.6, 60xx,3000).
    return vr in (None, "UN") and (tag in _PIXELS or tag & 0xFF00FFFF == 0x60003000)


def _inflated(stream: BinaryIO, name: str | None, most: int) -> BinaryIO:
    """Return a file as if it had never been deflated (PS3.5, A.5): pydicom would inflate it whole, however large."""
    from pydicom import filereader

    # The place is found as pydicom finds it: a preamble or none, the file meta group, perhaps a command group.
    counted: Any = _Counted(stream, name)
    filereader.read_preamble(counted, force=True)
    meta = filereader._read_file_meta_info(counted)
    if meta.get("TransferSyntaxUID") != _DEFLATED.decode():
        stream.seek(0)
        return stream
    filereader._read_command_set_elements(counted)
    start = stream.tell()
    size = _inflated_size(stream, name, most)
    packed = stream.tell() - start
    stream.seek(0)
    head = stream.read(start).replace(_DEFLATED, _EXPLICIT)
    return io.BytesIO(head + zlib.decompress(stream.read(packed), -zlib.MAX_WBITS, size))


def _inflated_size(stream: BinaryIO, name: str | None, most: int) -> int:
    inflater, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while not inflater.eof and (piece := stream.read(_PIECE)):
        while piece and not inflater.eof:  # what comes behind the end (PS3.5, A.5: a byte to make it even) stays a tail
            size += len(inflater.decompress(piece, _PIECE))
            if size > most:
                raise unreadable("too_large", f"inflates to more than {most} bytes", name)
            piece = inflater.unconsumed_tail
    return size
