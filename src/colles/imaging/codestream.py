"""Look into a compressed frame (JPEG, JPEG-LS, JPEG 2000) without decoding it: its size, and whether it ends."""

from __future__ import annotations

import struct

# SOF markers (ITU-T T.81, table B.1; JPEG-LS: T.87). C4, C8 and CC mark tables and extensions.
_FRAME_MARKERS = (set(range(0xC0, 0xD0)) | {0xF7}) - {0xC4, 0xC8, 0xCC}
_STANDALONE = {0x01, *range(0xD0, 0xDA)} - {0xD9}
_JPEG, _J2K, _JP2 = b"\xff\xd8", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "


def frame_size(frame: bytes) -> tuple[int, int] | None:
    """Return width and height that the codestream states; None where it is of another kind or damaged."""
    try:
        if frame.startswith(_JP2):
            frame = frame[frame.index(_J2K) :]
        if frame.startswith(_J2K):
            # SIZ (ITU-T T.800, A.5.1): length, capabilities, then the reference grid and the image's offset in it.
            right, bottom, left, top = struct.unpack(">4I", frame[8:24])
            return right - left, bottom - top
        return _jpeg_size(frame) if frame.startswith(_JPEG) else None
    except (struct.error, IndexError, ValueError):
        return None


def _jpeg_size(frame: bytes) -> tuple[int, int] | None:
    place = 2
    while frame[place] == 0xFF:
        marker = frame[place + 1]
        if marker == 0xFF:  # fill byte
            place += 1
            continue
        if marker in _FRAME_MARKERS:
            height, width = struct.unpack(">2H", frame[place + 5 : place + 9])
            return width, height
        (length,) = struct.unpack(">H", frame[place + 2 : place + 4])
        place += 2 if marker in _STANDALONE else 2 + length
    return None


def is_cut(frame: bytes) -> bool:
    """Tell whether a JPEG or JPEG 2000 codestream lacks its end marker: decoders fill the rest with grey."""
    if not frame.startswith((_JPEG, _J2K)):
        return False
    return not frame.rstrip(b"\0").endswith(b"\xff\xd9")
