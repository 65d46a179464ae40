"""Every stored form becomes the pixels that a viewer shows, and every broken one an error with a status."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from colles.core.errors import UnreadableImageError
from colles.imaging.read import RawImage, read_image, to_grey
from pictures import picture_bytes

# What EXIF orientation k asks a viewer to do with the stored array (EXIF 2.32, tag 274).
_SHOWN = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.T,
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).T,
    8: np.rot90,
}


def _status(source) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        read_image(source)
    return caught.value.status


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("depth", [8, 16])
def test_exif_orientation_is_applied(draw, orientation: int, depth: int) -> None:
    stored = draw(12, 7) if depth == 8 else draw(12, 7).astype(np.uint16) * 257
    exif = Image.Exif()
    exif[274] = orientation
    image = read_image(picture_bytes(Image.fromarray(stored), "PNG", exif=exif))
    np.testing.assert_array_equal(image.pixels, _SHOWN[orientation](stored))
    assert (image.height, image.width) == _SHOWN[orientation](stored).shape


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_keep_their_range(form: str) -> None:
    stored = np.array([[0, 1, 255, 256], [4095, 32768, 65534, 65535]], np.uint16)
    image = read_image(picture_bytes(Image.fromarray(stored), form))
    assert (image.pixels.dtype, image.bit_depth, image.channels) == (np.uint16, 16, 1)
    np.testing.assert_array_equal(image.pixels, stored)
    np.testing.assert_array_equal(to_grey(image), np.rint(stored / 65535 * 255))


def test_twelve_bits_in_sixteen_use_the_whole_grey_range() -> None:
    stored = np.linspace(100, 4095, 64, dtype=np.uint16).reshape(8, 8)
    grey = to_grey(read_image(picture_bytes(Image.fromarray(stored), "PNG")))
    assert (grey.min(), grey.max()) == (0, 255)
    assert (np.diff(grey.ravel().astype(int)) > 0).all()


def test_float_tiff_is_read() -> None:
    stored = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    image = read_image(picture_bytes(Image.fromarray(stored), "TIFF"))
    np.testing.assert_array_equal(image.pixels, stored)
    assert image.bit_depth == 32


def test_grey_of_eight_bits_is_untouched(draw) -> None:
    stored = draw()
    image = read_image(picture_bytes(Image.fromarray(stored), "PNG"))
    assert (image.mode, image.channels, image.bit_depth) == ("L", 1, 8)
    np.testing.assert_array_equal(to_grey(image), stored)


def test_colour_becomes_rec_601_luma() -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    np.testing.assert_array_equal(to_grey(colours), [[76, 150, 29, 255]])
    np.testing.assert_allclose(to_grey(RawImage(colours, "RGB")), np.rint(colours @ [0.299, 0.587, 0.114]), atol=1)


def test_cmyk_palette_and_alpha_become_grey_or_rgb(draw) -> None:
    grey = draw()
    cmyk = Image.fromarray(np.dstack([np.zeros_like(grey)] * 3 + [255 - grey]), "CMYK")
    np.testing.assert_allclose(to_grey(read_image(picture_bytes(cmyk, "TIFF"))), grey, atol=1)
    assert read_image(picture_bytes(cmyk, "JPEG", quality=95)).channels == 3
    palette = Image.fromarray(grey).convert("P")
    np.testing.assert_array_equal(
        to_grey(read_image(picture_bytes(palette, "PNG"))), to_grey(np.asarray(palette.convert("RGB")))
    )
    alpha = np.full_like(grey, 255)
    alpha[:, :8] = 0
    clear = Image.merge("RGBA", [Image.fromarray(grey)] * 3 + [Image.fromarray(alpha)])
    shown = to_grey(read_image(picture_bytes(clear, "PNG")))
    assert (shown[:, :8] == 0).all()
    np.testing.assert_array_equal(shown[:, 8:], grey[:, 8:])
    bits = Image.fromarray(grey > 90)
    np.testing.assert_array_equal(to_grey(read_image(picture_bytes(bits, "PNG"))), np.where(grey > 90, 255, 0))


def test_the_first_frame_of_an_animation_counts(draw) -> None:
    frames = [Image.fromarray(draw(seed=seed)) for seed in (1, 2)]
    image = read_image(picture_bytes(frames[0], "TIFF", save_all=True, append_images=frames[1:]))
    np.testing.assert_array_equal(image.pixels, draw(seed=1))


@pytest.mark.parametrize(
    ("form", "options"), [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("TIFF", {})]
)
def test_half_a_file_is_truncated(draw, form: str, options: dict) -> None:
    data = picture_bytes(Image.fromarray(draw(200, 160)), form, **options)
    read_image(data)
    if form == "TIFF":  # its directory stands at the end: cut the pixels' end instead
        reordered = io.BytesIO()
        Image.fromarray(draw(200, 160)).save(reordered, "TIFF", compression="tiff_lzw")
        data = reordered.getvalue()
        assert _status(data[: len(data) // 2]) in {"truncated", "unreadable"}
        return
    assert _status(data[: len(data) // 2]) == "truncated"


def test_zero_bytes_text_and_a_missing_file_have_their_status(tmp_path: Path) -> None:
    empty, text = tmp_path / "empty.jpg", tmp_path / "text.jpg"
    empty.touch()
    text.write_text("no image")
    assert _status(empty) == "empty"
    assert _status(b"") == "empty"
    assert _status(text) == "unreadable"
    assert _status(tmp_path / "none.jpg") == "unreadable"
    assert _status(tmp_path) == "unreadable"
    with pytest.raises(UnreadableImageError, match=r"empty\.jpg: the file is empty\. Replace"):
        read_image(empty)


def _bomb(side: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_001, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("was decoded"))
    assert _status(_bomb(side)) == "too_large"


def test_the_limits_are_the_callers(draw, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(draw(20, 10)).save(path)
    assert read_image(path, max_pixels=200).width == 20
    for limit in ({"max_pixels": 199}, {"max_bytes": path.stat().st_size - 1}):
        with pytest.raises(UnreadableImageError, match="above the limit") as caught:
            read_image(path, **limit)
        assert caught.value.status == "too_large"


def test_reading_equals_opencv_on_png(draw) -> None:
    data = picture_bytes(Image.fromarray(draw(33, 21)), "PNG")
    np.testing.assert_array_equal(read_image(data).pixels, cv2.imdecode(np.frombuffer(data, np.uint8), -1))


def test_shapes_that_are_no_image_are_unsupported() -> None:
    with pytest.raises(UnreadableImageError) as caught:
        to_grey(np.zeros((4, 4, 2), np.uint8))
    assert caught.value.status == "unsupported"


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 2000), flip=st.integers(0, 2000), value=st.integers(0, 255))
def test_damaged_bytes_never_raise_another_error(cut: int, flip: int, value: int) -> None:
    data = bytearray(picture_bytes(Image.fromarray((np.arange(1600) % 251).astype(np.uint8).reshape(40, 40)), "PNG"))
    data[flip % len(data)] = value
    try:
        image = read_image(bytes(data[: max(1, len(data) - cut % len(data))]))
    except UnreadableImageError as error:
        assert error.status in {"truncated", "unreadable", "too_large"}
    else:
        assert image.pixels.ndim in (2, 3)
