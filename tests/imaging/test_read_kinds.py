"""Kinds of files as other programs write them (Pillow, OpenCV, libtiff), down to the last grey level."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from colles.imaging.read import RawImage, read_image, to_grey
from pictures import picture_bytes


def _by_opencv(pixels: np.ndarray, ending: str, *options: int) -> bytes:
    done, data = cv2.imencode(ending, pixels, list(options))
    assert done
    return data.tobytes()


@pytest.fixture
def deep() -> np.ndarray:
    """Return 16-bit grey with both ends of the range: a clamp at 255 or 32767 would show."""
    stored = np.random.default_rng(0).integers(0, 65536, (40, 56), dtype=np.uint16)
    stored[0, :2] = 0, 65535
    return stored


@pytest.mark.parametrize("ending", [".png", ".tiff"])
@pytest.mark.parametrize("compression", [1, 5, 32946])  # libtiff: none, LZW, deflate; PNG takes another key
def test_opencvs_sixteen_bits_keep_their_range(deep, ending: str, compression: int) -> None:
    options = (cv2.IMWRITE_TIFF_COMPRESSION, compression) if ending == ".tiff" else ()
    image = read_image(_by_opencv(deep, ending, *options))
    np.testing.assert_array_equal(image.pixels, deep)
    assert (image.bit_depth, to_grey(image).min(), to_grey(image).max()) == (16, 0, 255)


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_both_byte_orders_of_tiff(deep, order: str) -> None:
    mode = "I;16" if order == "<u2" else "I;16B"
    stored = Image.frombytes(mode, deep.shape[::-1], deep.astype(order).tobytes())
    np.testing.assert_array_equal(read_image(picture_bytes(stored, "TIFF")).pixels, deep)


def test_white_at_zero_is_inverted_at_every_depth_of_a_tiff(deep) -> None:
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory[262] = 0  # WhiteIsZero
    turned = read_image(picture_bytes(Image.fromarray(deep), "TIFF", tiffinfo=directory))
    np.testing.assert_array_equal(turned.pixels, 65535 - deep)
    eight = (deep >> 8).astype(np.uint8)  # Pillow inverts these both on writing and on reading
    np.testing.assert_array_equal(
        read_image(picture_bytes(Image.fromarray(eight), "TIFF", tiffinfo=directory)).pixels, eight
    )


@pytest.mark.parametrize("ending", [".png", ".tiff"])
def test_deep_colour_spans_the_grey_range(deep, ending: str) -> None:
    grey = to_grey(read_image(_by_opencv(np.dstack([deep] * 3), ending)))
    np.testing.assert_allclose(grey, deep / 257.0, atol=1.5)


def test_signed_and_wide_integers_of_tiff(deep) -> None:
    wide = deep.astype(np.int32) * 1000 - 5
    image = read_image(picture_bytes(Image.fromarray(wide), "TIFF"))
    assert image.bit_depth == 32
    assert (to_grey(image).min(), to_grey(image).max()) == (0, 255)
    np.testing.assert_array_equal(np.argsort(image.pixels, axis=None), np.argsort(wide.astype(np.float32), axis=None))


def test_opencvs_float_tiff_with_gaps() -> None:
    stored = np.linspace(-1000, 3000, 35, dtype=np.float32).reshape(5, 7)
    stored[0, 0], stored[0, 1], stored[0, 2] = np.nan, np.inf, -np.inf
    image = read_image(_by_opencv(stored, ".tiff"))
    assert image.pixels.dtype == np.float32 and np.isfinite(image.pixels).all()
    np.testing.assert_allclose(image.pixels[1:], stored[1:])


def test_one_bit_of_png_tiff_and_fax() -> None:
    bits = np.random.default_rng(0).random((20, 37)) > 0.5
    for form, options in (("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "group4"})):
        image = read_image(picture_bytes(Image.fromarray(bits), form, **options))
        np.testing.assert_array_equal(to_grey(image), np.where(bits, 255, 0))
        assert (image.mode, image.bit_depth) == ("1", 8)


def test_grey_with_alpha_keeps_its_grey_and_clear_palettes_are_black(draw) -> None:
    grey = draw()
    with_alpha = Image.merge("LA", [Image.fromarray(grey), Image.new("L", (64, 48), 255)])
    np.testing.assert_array_equal(to_grey(read_image(picture_bytes(with_alpha, "PNG"))), grey)
    palette = Image.fromarray(grey // 64 * 64).quantize(4)
    index = palette.getpixel((0, 0))
    shown = to_grey(read_image(picture_bytes(palette, "GIF", transparency=index)))
    assert (shown[np.asarray(palette) == index] == 0).all()


def test_cmyk_jpeg_looks_like_its_grey(draw) -> None:
    grey = draw()
    image = read_image(picture_bytes(Image.fromarray(grey).convert("CMYK"), "JPEG", quality=98))
    assert (image.mode, image.channels) == ("CMYK", 3)
    np.testing.assert_allclose(to_grey(image).astype(int), grey.astype(int), atol=12)
    assert np.corrcoef(to_grey(image).ravel(), grey.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_animations_give_their_first_frame_and_their_number(draw, form: str) -> None:
    frames = [Image.fromarray(draw(seed=seed)).convert("RGB") for seed in (1, 2, 3)]
    options = {"lossless": True} if form == "WEBP" else {}
    image = read_image(picture_bytes(frames[0], form, save_all=True, append_images=frames[1:], **options))
    assert image.frames == 3
    np.testing.assert_allclose(to_grey(image).astype(int), draw(seed=1).astype(int), atol=4)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF"])
def test_the_bytes_say_what_a_file_is(draw, tmp_path, form: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(picture_bytes(Image.fromarray(draw()), form))
    assert read_image(path).file_format == form


def test_a_plain_array_has_no_file(draw) -> None:
    image = RawImage(draw(), "L")
    assert (image.file_format, image.frames, image.orientation, image.tables) == (None, 1, 1, ())
