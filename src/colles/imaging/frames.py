"""How many pictures a file holds: of TIFF and GIF counted in its bytes, since Pillow reads every picture for that."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice

from PIL import Image

MOST = 1 << 16
"""Pictures of one file that are counted at most."""
_GIF_END, _GIF_EXTENSION, _GIF_IMAGE = 0x3B, 0x21, 0x2C


def count_frames(image: Image.Image, data: bytes) -> int:
    """Return the number of pictures in a file, at least 1; where it is damaged, those before the damage."""
    walk = {"TIFF": _tiff_pages, "GIF": _gif_images}.get(image.format or "")
    if walk is None:
        return int(getattr(image, "n_frames", 1))
    count = 0
    try:
        for _ in islice(walk(data), MOST):
            count += 1
    except (struct.error, IndexError, OverflowError):  # a place outside the file
        pass
    return max(1, count)


def _tiff_pages(data: bytes) -> Iterator[int]:
    """Yield the place of each image file directory (TIFF 6.0, section 2; BigTIFF has wider numbers)."""
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    number, entry, offset, head = ("Q", 20, "Q", 8) if big else ("H", 12, "I", 4)
    (place,) = struct.unpack_from(order + offset, data, head)
    seen: set[int] = set()
    while place and place not in seen:
        seen.add(place)
        (entries,) = struct.unpack_from(order + number, data, place)
        (after,) = struct.unpack_from(order + offset, data, place + struct.calcsize(number) + entry * entries)
        yield place
        place = after


def _gif_images(data: bytes) -> Iterator[int]:
    """Yield the place of each image descriptor (GIF89a, sections 15 to 27)."""
    place = 13 + _palette(data[10])
    while data[place] != _GIF_END:
        kind = data[place]
        if kind == _GIF_IMAGE:
            yield place
            place += 11 + _palette(data[place + 9])
        elif kind == _GIF_EXTENSION:
            place += 2
        else:
            place += 1
            continue
        while size := data[place]:
            place += 1 + size
        place += 1


def _palette(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
