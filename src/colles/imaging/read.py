"""Read JPEG, PNG, TIFF, DICOM and their kin into arrays: limits first, then a full decode, EXIF rotation applied.

Nothing is guessed: a file that does not decode completely is an error with a status, never a half-grey picture. Only a
JPEG that was cut and closed by an end marker cannot be told: its decoder fills the rest without a word.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from colles.core.limits import MAX_BYTES, MAX_PIXELS
from colles.core.records import Status
from colles.imaging.codestream import assert_few_scans
from colles.imaging.dicom_mark import is_dicom
from colles.imaging.frames import count_frames
from colles.imaging.libtiff import silence_libtiff
from colles.imaging.raw import RawImage, unreadable
from colles.imaging.samples import as_stored, deep_colour, is_deep_colour, is_unknown_tiff, without_gaps

__all__ = ["DICOM_ENDINGS", "IMAGE_ENDINGS", "RawImage", "read_image", "to_grey", "unreadable"]

DICOM_ENDINGS = frozenset({".dcm", ".dicom"})
IMAGE_ENDINGS = DICOM_ENDINGS | {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif"}
_STRIP = 256  # rows
_FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF")
_ORIENTATION = 274  # tag of EXIF and TIFF
_DEEP_MODES = {"I", "I;16", "I;16B", "I;16L", "I;16N", "F"}


def read_image(
    source: str | Path | bytes,
    *,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
    on_header: Callable[[Any], object] | None = None,
) -> RawImage:
    """Decode an image completely.

    Grey stays grey, alpha and clear levels are laid on black, palettes and CMYK become RGB, 16 bits keep their range,
    colour profiles are not applied; of several frames the first counts. DICOM is told by its bytes (see `read_dicom`)
    and needs colles[dicom]. Raise `UnreadableImageError` with `status` empty, too_large, truncated, unreadable or
    unsupported. Pillow's own guard (179 megapixels) holds where `max_pixels` is above it. `on_header` is given the data
    set of a DICOM file, before its pixels are decoded.
    """
    name = None if isinstance(source, bytes) else str(source)
    data = source if isinstance(source, bytes) else read_bytes(Path(source), max_bytes)
    if not data:
        raise unreadable("empty", "the file is empty", name)
    if len(data) > max_bytes:
        raise unreadable("too_large", f"{len(data)} bytes are above the limit of {max_bytes}", name)
    if is_dicom(data):
        from colles.imaging.read_dicom import read_dicom

        return read_dicom(data, name, max_pixels, on_header)
    return _decode(data, name, max_pixels)


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """Read a file of at most `max_bytes`; raise `UnreadableImageError` where it is none, larger or cannot be read."""
    try:
        if not path.is_file():
            text = "is not a file" if os.path.lexists(path) else "there is no such file"
            raise unreadable("unreadable", text, str(path))
        size = path.stat().st_size
        if size > max_bytes:
            raise unreadable("too_large", f"{size} bytes are above the limit of {max_bytes}", str(path))
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise unreadable("unreadable", f"cannot be opened ({reason})", str(path)) from error


def _decode(data: bytes, name: str | None, max_pixels: int) -> RawImage:
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise unreadable("too_large", "has more pixels than Pillow opens (179 million)", name) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, TypeError, OverflowError) as error:
        if is_unknown_tiff(data):
            text = "is a TIFF of a form that is not read (floats of 64 bits, say): save it as grey of 8 or 16 bits"
            raise unreadable("unsupported", text, name) from error
        raise unreadable("unreadable", "is not an image that can be read", name) from error
    width, height = image.size
    if width * height > max_pixels:
        raise unreadable("too_large", f"{width} x {height} pixels are above the limit of {max_pixels}", name)
    if width < 1 or height < 1:
        raise unreadable("unreadable", "has no pixels", name)
    if image.format == "TIFF":
        silence_libtiff()
    if image.format in ("JPEG", "MPO"):
        assert_few_scans(data, name)
    deep = is_deep_colour(image, name)
    try:
        return _load(image, data, deep)
    except Exception as error:  # decoders raise many kinds on damaged data
        status: Status = "truncated" if _looks_truncated(error) else "unreadable"
        raise unreadable(
            status, f"cannot be decoded ({' '.join(str(error).split()) or type(error).__name__})", name
        ) from error


def _load(image: ImageFile.ImageFile, data: bytes, deep: bool) -> RawImage:
    mode, tables = image.mode, getattr(image, "quantization", None) or {}
    orientation = image.getexif().get(_ORIENTATION, 1)
    image.load()  # of deep colours too: OpenCV does not tell where a file was cut
    pixels = deep_colour(data, image, orientation) if deep else _to_array(image)
    return RawImage(
        pixels,
        mode,
        file_format=image.format,
        frames=count_frames(image, data),
        orientation=orientation if orientation in range(1, 9) else 1,
        tables=tuple(tuple(table) for _, table in sorted(tables.items())),
    )


def _looks_truncated(error: Exception) -> bool:
    text = str(error).lower()
    return any(word in text for word in ("truncated", "not processed", "unexpected end", "incomplete", "premature"))


def _to_array(stored: ImageFile.ImageFile) -> NDArray[Any]:
    image: Image.Image = ImageOps.exif_transpose(stored)
    if image.mode in _DEEP_MODES:
        return _deep(as_stored(np.asarray(image), stored))
    if image.has_transparency_data:
        grey = image.mode in ("1", "L", "LA", "La")
        rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba).convert("RGB")
        image = image.getchannel(0) if grey else image
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    pixels = as_stored(np.ascontiguousarray(np.asarray(image)), stored)
    return pixels if pixels.dtype == np.uint8 else _deep(pixels)


def _deep(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "f":
        return without_gaps(values.astype(np.float32))
    if values.min() >= 0 and values.max() <= np.iinfo(np.uint16).max:
        return values.astype(np.uint16)
    return values.astype(np.float32)


def to_grey(image: RawImage | NDArray[Any]) -> NDArray[np.uint8]:
    """Return (H, W) uint8: 8-bit grey untouched, RGB by Rec. 601 luma, deeper samples over their window.

    The window is what `RawImage.shown` says, else minimum to maximum. An array is taken as displayed pixels: (H, W),
    (H, W, 1) or (H, W, 3).
    """
    pixels = image.pixels if isinstance(image, RawImage) else np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise unreadable("unsupported", f"pixels of shape {pixels.shape} are not (H, W) or (H, W, 3)", None)
    if pixels.dtype == np.uint8:
        return pixels if pixels.ndim == 2 else np.asarray(Image.fromarray(pixels).convert("L"))
    window = image.shown if isinstance(image, RawImage) else None
    low, high = window or _range(pixels)
    grey = np.zeros(pixels.shape[:2], np.uint8)
    if high <= low:
        return grey
    for start, values in _strips(pixels):
        grey[start : start + len(values)] = np.rint((values - low) * (255.0 / (high - low))).clip(0, 255)
    return grey


def _range(pixels: NDArray[Any]) -> tuple[float, float]:
    ends = [(float(values.min()), float(values.max())) for _, values in _strips(pixels)]
    return min(low for low, _ in ends), max(high for _, high in ends)


def _strips(pixels: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    # A hundred megapixels as float64, and a few copies of it, would not fit into a gigabyte.
    for start in range(0, len(pixels), _STRIP):
        values = pixels[start : start + _STRIP].astype(np.float64)
        yield start, values @ np.array([0.299, 0.587, 0.114]) if values.ndim == 3 else values  # Rec. 601
