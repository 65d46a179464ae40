"""The same radiograph gives the same grey levels however many bits, channels and signs its file keeps them in."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin
from test_read import _SHOWN, _status

from colles.core.errors import UnreadableImageError
from colles.imaging.read import read_image, to_grey
from colles.serving.checks import look_at
from colles.serving.decode import decode
from pictures import picture_bytes


def _tiff(values: np.ndarray, *, photometric: int = 1, extra: int | None = None, planes: bool = False) -> bytes:
    """Write an uncompressed TIFF 6.0 of any kind of samples, (H, W) or (H, W, C)."""
    height, width, *channels = values.shape
    count = channels[0] if channels else 1
    form = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    body = (np.moveaxis(values, 2, 0) if planes else values).tobytes()
    bits, place = values.dtype.itemsize * 8, 8
    many = struct.pack(f"<{count}H", *[bits] * count)
    pieces = [place + len(many) + len(body) // count * index for index in range(count if planes else 1)]
    sizes = [len(body) // len(pieces)] * len(pieces)
    lists = struct.pack(f"<{2 * len(pieces)}I", *pieces, *sizes) if len(pieces) > 1 else b""
    after = place + len(many) + len(body)
    tags = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, count, bits if count == 1 else place), (259, 3, 1, 1),
        (262, 3, 1, photometric), (273, 4, len(pieces), after if lists else pieces[0]), (277, 3, 1, count),
        (278, 4, 1, height), (279, 4, len(pieces), after + 4 * len(pieces) if lists else sizes[0]),
        (284, 3, 1, 2 if planes else 1), *([] if extra is None else [(338, 3, 1, extra)]), (339, 3, 1, form),
    ]  # fmt: skip
    start = after + len(lists)
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<2H2I", *tag) for tag in tags) + bytes(4)
    return struct.pack("<2sHI", b"II", 42, start) + many + body + lists + directory


def _turned(png: bytes, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    body = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
    return png[:33] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + png[33:]


def _png(values: np.ndarray) -> bytes:
    order = [2, 1, 0, 3][: values.shape[2]]
    return cv2.imencode(".png", values[..., order])[1].tobytes()


@pytest.fixture
def grey(draw) -> np.ndarray:
    """Return a radiograph that spans 0 to 255, so that a stretch changes nothing."""
    values = draw()
    values = np.rint((values - values.min()) * (255.0 / np.ptp(values))).astype(np.uint8)
    values[-1, -2:] = 0, 255
    return values


@pytest.fixture
def colours() -> np.ndarray:
    """Return (H, W, 3) of 16 bits."""
    return np.random.default_rng(0).integers(0, 65536, (21, 34, 3), dtype=np.uint16)


@pytest.mark.parametrize("factor", [1, 16, 257])
def test_twelve_bits_in_colours_of_sixteen_came_out_nearly_black(grey: np.ndarray, factor: int) -> None:
    deep = np.dstack([grey.astype(np.uint16) * factor] * 3)
    opaque = np.dstack([deep, np.full(grey.shape, 65535, np.uint16)])
    for data in (_png(deep), _png(opaque), _tiff(deep, photometric=2), _tiff(opaque, photometric=2, extra=2)):
        image = read_image(data)
        assert (image.bit_depth, image.channels) == (16, 3)
        np.testing.assert_allclose(to_grey(image), grey, atol=1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_colours_turn_as_the_file_says(colours: np.ndarray, orientation: int) -> None:
    shown = np.dstack([_SHOWN[orientation](channel) for channel in np.moveaxis(colours, 2, 0)])
    image = read_image(_turned(_png(colours), orientation))
    np.testing.assert_array_equal(image.pixels, shown)
    assert image.orientation == orientation
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory[274] = orientation
    small = Image.fromarray((colours >> 8).astype(np.uint8))
    np.testing.assert_array_equal(read_image(picture_bytes(small, "TIFF", tiffinfo=directory)).pixels, shown >> 8)


def test_alpha_of_sixteen_bits_is_laid_on_black(colours: np.ndarray) -> None:
    alpha = np.random.default_rng(1).integers(0, 65536, colours.shape[:2], dtype=np.uint16)
    colours[0, 0], alpha[0, 0] = 0, 65535
    laid = np.rint(colours / 65535 * alpha[..., None])
    stored = np.dstack([colours, alpha])
    np.testing.assert_array_equal(read_image(_png(stored)).pixels, laid)
    np.testing.assert_array_equal(read_image(_tiff(stored, photometric=2, extra=2)).pixels, laid)
    np.testing.assert_array_equal(read_image(_tiff(stored, photometric=2, extra=1)).pixels, colours)  # laid already
    np.testing.assert_array_equal(read_image(_tiff(stored, photometric=2, extra=0)).pixels, colours)  # no alpha


def test_a_clear_border_of_sixteen_bits_does_not_stretch_the_rest(grey: np.ndarray) -> None:
    stored = np.dstack([grey.astype(np.uint16) * 20 + 60_000] * 3 + [np.full(grey.shape, 65535, np.uint16)])
    stored[:, :9] = 0
    shown = grey.copy()
    shown[:, :9] = 0
    np.testing.assert_array_equal(to_grey(read_image(_png(stored))), shown)
    assert not to_grey(read_image(_png(stored * 0))).any()


def test_deep_colours_in_planes_were_noise_and_are_refused(colours: np.ndarray) -> None:
    assert _status(_tiff(colours, photometric=2, planes=True)) == "unsupported"
    eight = (colours >> 8).astype(np.uint8)
    np.testing.assert_array_equal(read_image(_tiff(eight, photometric=2, planes=True)).pixels, eight)


def test_a_bitmap_of_sixteen_bits_a_pixel_is_none_of_them() -> None:
    # 5, 6 and 5 bits of a pixel: red, green, blue, white.
    body = struct.pack("<4H", 0xF800, 0x07E0, 0x001F, 0xFFFF)
    masks = struct.pack("<3I", 0xF800, 0x07E0, 0x001F)
    head = struct.pack("<I2i2H6I", 40, 4, -1, 1, 16, 3, len(body), 0, 0, 0, 0)
    data = struct.pack("<2sI2HI", b"BM", 66 + len(body), 0, 0, 66) + head + masks + body
    np.testing.assert_array_equal(read_image(data).pixels[0], np.vstack([np.eye(3), np.ones(3)]) * 255)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_deep_colours_of_a_cut_file_are_truncated(colours: np.ndarray, share: float) -> None:
    for data in (_png(colours), _tiff(colours, photometric=2)):
        cut = data[: int(len(data) * share)]
        assert _status(cut) in ("truncated", "unreadable")


def test_deep_colours_may_be_a_colour_picture(colours: np.ndarray) -> None:
    image, eight = read_image(_png(colours)), read_image(_png((colours >> 8).astype(np.uint8)))
    found, told = (look_at(each, to_grey(each)).colour for each in (image, eight))
    assert found == pytest.approx(told, abs=0.02) and found > 0.5
    luma = colours @ np.array([0.299, 0.587, 0.114])  # Rec. 601, as of 8 bits
    expected = 255 * (luma - luma.min()) / np.ptp(luma)
    np.testing.assert_allclose(to_grey(image), expected, atol=0.51)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_grey_with_alpha_was_not_laid_on_black_as_colours_are(grey: np.ndarray, form: str) -> None:
    alpha = np.full_like(grey, 255)
    alpha[:, :8], alpha[:, 8:16] = 0, 128
    both = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])
    if form == "WEBP":
        both = both.convert("RGBA")
    image = read_image(picture_bytes(both, form, **({"lossless": True, "exact": True} if form == "WEBP" else {})))
    assert image.channels == (3 if form == "WEBP" else 1)
    np.testing.assert_allclose(to_grey(image), grey * (alpha / 255), atol=0.5)


@pytest.mark.parametrize("mode", ["La", "RGBa", "PA"])
def test_a_pillow_image_with_its_alpha_in_the_grey_was_unreadable_or_lost_it(grey: np.ndarray, mode: str) -> None:
    alpha = np.linspace(0, 255, grey.size).astype(np.uint8).reshape(grey.shape)
    both = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])
    found = decode(both.convert("RGBA").convert(mode) if mode == "RGBa" else both.convert(mode), _recipe())
    wanted = decode(both if mode != "PA" else both.convert("PA").convert("RGBA"), _recipe())
    np.testing.assert_allclose(found.canvas, wanted.canvas, atol=1)  # type: ignore[union-attr]


def test_a_clear_grey_level_was_shown_and_a_clear_palette_not(grey: np.ndarray) -> None:
    shown = np.where(grey == 255, 0, grey)
    palette = Image.fromarray(grey)
    palette.putpalette([level for index in range(256) for level in (index,) * 3])
    for image, clear in (
        (Image.fromarray(grey), 255),
        (Image.fromarray(grey).convert("RGB"), (255, 255, 255)),
        (palette, 255),
    ):
        np.testing.assert_array_equal(to_grey(read_image(picture_bytes(image, "PNG", transparency=clear))), shown)


def test_a_clear_level_of_sixteen_bits_was_shown(grey: np.ndarray) -> None:
    stored = grey.astype(np.uint16) * 16 + 1000
    stored[:9] = 65535
    shown = grey.copy()
    shown[:9] = 0
    whole = cv2.imencode(".png", stored)[1].tobytes()
    for data, size in ((whole, 1), (_png(np.dstack([stored] * 3)), 3)):
        chunk = b"tRNS" + struct.pack(f">{size}H", *[65535] * size)
        parts = data[:33], struct.pack(">I", len(chunk) - 4), chunk, struct.pack(">I", zlib.crc32(chunk)), data[33:]
        found = to_grey(read_image(b"".join(parts)))
        np.testing.assert_array_equal(found, shown)
    assert read_image(whole).pixels.max() == 65535


@pytest.mark.parametrize("shift", [1000.0, -3000.0])
def test_gaps_in_floats_were_taken_for_zero(grey: np.ndarray, shift: float) -> None:
    stored = grey.astype(np.float32) + np.float32(shift)
    stored[0], stored[1], stored[2] = np.nan, -np.inf, np.inf
    shown = grey.copy()
    shown[:2], shown[2] = 0, 255
    np.testing.assert_array_equal(to_grey(read_image(_tiff(stored))), shown)
    sample, plain = decode(stored, _recipe()), decode(shown.astype(np.float64), _recipe())
    np.testing.assert_array_equal(sample.canvas, plain.canvas)  # type: ignore[union-attr]
    assert not to_grey(read_image(_tiff(np.full((5, 5), np.nan, np.float32)))).any()


def _recipe():
    from colles.core.recipe import PreprocessRecipe

    return PreprocessRecipe(size=64)


def test_signs_that_a_tiff_states_were_lost(grey: np.ndarray) -> None:
    for stored in (
        (grey.astype(np.int16) - 128).astype(np.int8),
        grey.astype(np.uint32) * 16_000_000,
        grey.astype(np.int32) * 8_000_000 - 10**9,
    ):
        np.testing.assert_array_equal(to_grey(read_image(_tiff(stored))), grey)


def test_floats_with_white_at_zero_were_shown_inverted(grey: np.ndarray) -> None:
    stored = 7 - grey.astype(np.float32) / 255
    stored[0, 0] = np.nan
    shown = grey.copy()
    shown[0, 0] = 0
    np.testing.assert_array_equal(to_grey(read_image(_tiff(stored, photometric=0))), shown)


@pytest.mark.parametrize("values", [np.zeros((9, 9)), np.zeros((9, 9, 2), np.uint16), np.zeros((9, 9, 3), np.float32)])
def test_a_form_of_tiff_that_is_not_read_was_called_no_image(values: np.ndarray) -> None:
    data = _tiff(
        values, photometric=2 if values.shape[2:] == (3,) else 1, extra=2 if values.shape[2:] == (2,) else None
    )
    with pytest.raises(UnreadableImageError, match="is a TIFF of a form that is not read") as caught:
        read_image(data)
    assert caught.value.status == "unsupported"
    assert _status(data[: len(data) // 2]) == "unreadable"
    assert _status(b"II*\0" + bytes(60)) == "unreadable"
