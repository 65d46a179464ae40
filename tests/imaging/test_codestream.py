"""What a compressed frame says of its size is found where a decoder finds it."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from colles.imaging.codestream import frame_size


@pytest.fixture
def jp2() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 24)).save(stream, "JPEG2000")
    return stream.getvalue()


def test_the_size_of_a_jp2_is_that_of_its_own_codestream(jp2: bytes) -> None:
    place = jp2.index(b"\xff\x4f\xff\x51")
    decoy = bytearray(jp2[place : place + 60])
    decoy[40:42] = struct.pack(">H", 1)
    box = struct.pack(">I4s", 68, b"free") + decoy
    assert frame_size(jp2) == (40, 24, 3)
    assert frame_size(jp2[place:]) == (40, 24, 3)
    assert frame_size(jp2[:12] + box + jp2[12:]) == (40, 24, 3)


def test_a_jp2_without_a_codestream_has_no_size(jp2: bytes) -> None:
    for data in (jp2[:12], jp2[:50], jp2[:12] + bytes(100), jp2[:12] + struct.pack(">I4sQ", 1, b"free", 2**63)):
        assert frame_size(data) is None
