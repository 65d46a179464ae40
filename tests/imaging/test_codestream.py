"""What a compressed frame says of itself is found where a decoder finds it, and before one does."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from colles.core.errors import UnreadableImageError
from colles.imaging.codestream import frame_size
from colles.imaging.read import read_image
from pictures import picture_bytes


@pytest.fixture
def jp2() -> bytes:
    return picture_bytes(Image.new("RGB", (40, 24)), "JPEG2000")


def test_the_size_of_a_jp2_is_that_of_its_own_codestream(jp2: bytes) -> None:
    place = jp2.index(b"\xff\x4f\xff\x51")
    decoy = bytearray(jp2[place : place + 60])
    decoy[40:42] = struct.pack(">H", 1)
    box = struct.pack(">I4s", 68, b"free") + decoy
    assert frame_size(jp2) == (40, 24, 3)
    assert frame_size(jp2[place:]) == (40, 24, 3)
    assert frame_size(jp2[:12] + box + jp2[12:]) == (40, 24, 3)


def test_a_picture_that_begins_inside_its_grid_and_a_filled_up_marker_have_their_size(jp2: bytes) -> None:
    place = jp2.index(b"\xff\x4f\xff\x51")
    shifted = jp2[place : place + 8] + struct.pack(">4I", 48, 30, 8, 6) + jp2[place + 24 :]
    assert frame_size(shifted) == (40, 24, 3)
    jpeg = picture_bytes(Image.new("L", (40, 24)), "JPEG")
    frame = jpeg.index(b"\xff\xc0")
    assert frame_size(jpeg[:frame] + b"\xff\xff" + jpeg[frame:]) == (40, 24, 1)


def test_a_jp2_without_a_codestream_has_no_size(jp2: bytes) -> None:
    for data in (jp2[:12], jp2[:50], jp2[:12] + bytes(100), jp2[:12] + struct.pack(">I4sQ", 1, b"free", 2**63)):
        assert frame_size(data) is None


def rescanned(times: int) -> bytes:
    """Return a progressive JPEG whose last scan follows again and again."""
    data = picture_bytes(Image.effect_noise((64, 48), 50), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xc4", 0, data.rindex(b"\xff\xda")) : -2]
    return data[:-2] + scan * times + b"\xff\xd9"


def test_a_jpeg_of_very_many_scans_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    # What follows the end is another program's: phones put a film there.
    assert read_image(rescanned(50) + b"\xff\xda\0\2" * 500).width == 64
    monkeypatch.setattr("colles.imaging.read._load", lambda *_: pytest.fail("was decoded"))
    with pytest.raises(UnreadableImageError, match="more than 100 scans") as caught:
        read_image(rescanned(150))
    assert caught.value.status == "too_large"


def test_a_dicom_file_with_a_jpeg_of_very_many_scans_is_refused() -> None:
    pydicom = pytest.importorskip("pydicom", reason="DICOM comes with colles[dicom]")
    from drawn_dicom import dicom, encoded

    ds = dicom(np.zeros((48, 64), np.uint8), bits=8)
    ds.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
    ds.PixelData = pydicom.encaps.encapsulate([rescanned(150)])
    with pytest.raises(UnreadableImageError, match="more than 100 scans"):
        read_image(encoded(ds))
