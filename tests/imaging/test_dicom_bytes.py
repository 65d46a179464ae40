"""What a DICOM file makes pydicom inflate, read and take apart has a limit, whatever the file looks like."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest

from colles.core.errors import UnreadableImageError
from colles.imaging.read import read_image
from colles.imaging.read_dicom import read_header
from drawn_dicom import dicom, encoded

pydicom = pytest.importorskip("pydicom", reason="DICOM comes with colles[dicom]")
PIXELS = np.arange(24 * 40, dtype=np.uint16).reshape(24, 40)
LIMIT = {"max_pixels": 24 * 40}


def element(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    long = vr in (b"OB", b"SQ")
    return struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr) + struct.pack("<xxL" if long else "<H", size) + value


def empty_items(count: int, *, stated: bool) -> bytes:
    items = struct.pack("<HHL", 0xFFFE, 0xE000, 0) * count
    end = b"" if stated else struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    return element(0x00081140, b"SQ", items, None if stated else 0xFFFFFFFF) + end


def deflated(extra: int = 0, *, before: bytes = b"", between: bytes = b"") -> bytes:
    """Return a deflated file with its preamble; `before` the transfer syntax and `between` meta and data set."""
    rest = encoded(dicom(PIXELS, TextComments="y" * extra))
    stream = io.BytesIO(rest)
    stream.seek(132)
    pydicom.filereader._read_file_meta_info(stream)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(rest[stream.tell() :]) + packer.flush()
    meta = before + element(0x00020010, b"UI", b"1.2.840.10008.1.2.1.99")
    return bytes(128) + b"DICM" + element(0x00020000, b"UL", struct.pack("<L", len(meta))) + meta + between + packed


LONG_META = element(0x00020102, b"OB", bytes(3000))
COMMAND = struct.pack("<HHLH", 0, 0x0100, 2, 1)
FORMS = {
    "usual": lambda extra: deflated(extra),
    "without a preamble": lambda extra: deflated(extra)[132:],
    "with a long meta group": lambda extra: deflated(extra, before=LONG_META),
    "with a command group": lambda extra: deflated(extra, between=COMMAND),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_deflated_bomb_is_refused_in_every_form(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    np.testing.assert_array_equal(read_image(FORMS[form](0)).pixels, PIXELS)
    assert read_header(FORMS[form](0)).Rows == 24
    monkeypatch.setattr("colles.imaging.read_dicom.INFLATED", 1_000_000)
    bomb = FORMS[form](3_000_000)
    for refused in (lambda: read_image(bomb, **LIMIT), lambda: read_header(bomb)):
        with pytest.raises(UnreadableImageError, match="inflates to more") as caught:
            refused()
        assert caught.value.status == "too_large"


def test_what_a_bomb_inflates_to_is_counted_and_not_kept() -> None:
    bomb = deflated(30_000_000)
    tracemalloc.start()
    with pytest.raises(UnreadableImageError, match="inflates"):
        read_image(bomb, max_pixels=5_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_a_deflated_header_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(deflated())
    assert read_header(tmp_path / "a.dcm").Rows == 24


@pytest.mark.timeout(20)
@pytest.mark.parametrize("behind", [b"", b"\0", bytes(100_000)], ids=["nothing", "a byte to make it even", "more"])
def test_what_stands_behind_a_deflated_film_does_not_hold_the_reader(behind: bytes) -> None:
    """Every second one ends in such a byte, and was read for ever where its last piece inflates to more than 64 KB."""
    data = deflated(200_000) + behind
    np.testing.assert_array_equal(read_image(data, max_pixels=1_000_000).pixels, PIXELS)
    assert read_header(data).Rows == 24


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("stated", [False, True])
def test_many_empty_items_are_refused_rather_than_taken_apart(
    monkeypatch: pytest.MonkeyPatch, packed: bool, stated: bool
) -> None:
    monkeypatch.setattr("colles.imaging.dicom_bytes.MOST", 20_000, raising=False)
    ds = dicom(PIXELS)
    if packed:
        ds.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    data = encoded(ds)
    place = data.index(b"\xe0\x7f\x10\0")
    for items in (1_000, 10_000):
        file = data[:place] + empty_items(items, stated=stated) + data[place:]
        if items == 1_000:
            np.testing.assert_array_equal(read_image(file).pixels, PIXELS)
            continue
        for refused in (read_image, read_header):
            with pytest.raises(UnreadableImageError, match="bytes beside its pixels") as caught:
                refused(file)
            assert caught.value.status == "too_large"
        with pytest.raises(UnreadableImageError, match="bytes beside its pixels"):
            read_image(data + empty_items(items, stated=stated))


def test_pixels_overlays_and_other_long_values_may_be_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colles.imaging.dicom_bytes.MOST", 2_000, raising=False)
    ds = dicom(PIXELS)
    ds.add_new(0x60003000, "OB", bytes(10_000))
    ds.add_new(0x00291010, "UN", bytes(10_000))
    np.testing.assert_array_equal(read_image(encoded(ds)).pixels, PIXELS)
    plain = dicom(PIXELS)
    plain.add_new(0x60003000, "OW", bytes(10_000))
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, plain, implicit_vr=True, little_endian=True, force_encoding=True)
    stream.seek(0)
    np.testing.assert_array_equal(
        read_image(stream.getvalue().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0")).pixels, PIXELS
    )
