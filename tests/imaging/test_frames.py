"""Pictures of a file are counted without reading them, and a damaged later one costs the first nothing."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import GifImagePlugin, Image, TiffImagePlugin

from colles.imaging.frames import count_frames
from colles.imaging.read import read_image, to_grey
from pictures import picture_bytes


def several(form: str, count: int, **options: object) -> bytes:
    frames = [Image.fromarray(np.full((20, 30), 10 * number, np.uint8)) for number in range(count)]
    return picture_bytes(frames[0], form, save_all=True, append_images=frames[1:], **options)


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize(("form", "options"), [("TIFF", {}), ("TIFF", {"big_tiff": True}), ("GIF", {"loop": 0})])
def test_pictures_are_counted_as_pillow_counts_them(form: str, options: dict, count: int) -> None:
    data = several(form, count, **options)
    image = Image.open(io.BytesIO(data))
    assert count_frames(image, data) == getattr(image, "n_frames", 1) == count


def big_endian(places: list[int], size: int, *, last: int = 0) -> bytes:
    """Return a TIFF of empty directories, each leading to the next and the last one to `last`."""
    data = bytearray(size)
    data[:8] = struct.pack(">2sHI", b"MM", 42, places[0])
    for place, after in zip(places, [*places[1:], last], strict=True):
        data[place : place + 6] = struct.pack(">HI", 0, after)
    return bytes(data)


def test_pages_in_a_ring_are_counted_once() -> None:
    image = Image.new("L", (1, 1))
    image.format = "TIFF"
    assert count_frames(image, big_endian([8, 20, 40], 60)) == 3
    assert count_frames(image, big_endian([8, 20, 40], 60, last=20)) == 3
    assert count_frames(image, big_endian([8, 20], 60)[:22]) == 1


def test_no_more_pages_are_counted_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colles.imaging.frames.MOST", 5)
    assert read_image(several("TIFF", 8)).frames == read_image(several("GIF", 8)).frames == 5


@pytest.mark.parametrize(
    ("form", "kind"), [("TIFF", TiffImagePlugin.TiffImageFile), ("GIF", GifImagePlugin.GifImageFile)]
)
def test_later_pictures_are_not_read(monkeypatch: pytest.MonkeyPatch, form: str, kind: type) -> None:
    monkeypatch.setattr(kind, "n_frames", property(lambda _: pytest.fail("went through all pictures")))
    assert read_image(several(form, 4)).frames == 4


def test_a_damaged_later_page_does_not_make_the_first_unreadable() -> None:
    data = bytearray(several("TIFF", 3))
    (first,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * entries, len(data) - 1)
    image = read_image(bytes(data))
    assert image.frames == 1 and (to_grey(image) == 0).all()
