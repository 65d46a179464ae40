"""Read JPEG, PNG, TIFF and their kin into arrays: limits first, then a full decode, EXIF rotation applied.

Nothing is guessed: a file that does not decode completely is an error with a status, never a half-grey picture.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from colles.core.errors import UnreadableImageError
from colles.core.records import Status

IMAGE_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif"})
_FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF")
_ORIENTATION, _PHOTOMETRIC = 274, 262  # tags of EXIF and TIFF
_DEEP_MODES = {"I", "I;16", "I;16B", "I;16L", "I;16N", "F"}


@dataclass(frozen=True, slots=True)
class RawImage:
    """Decoded pixels as displayed."""

    pixels: NDArray[Any]
    """(H, W) or (H, W, 3); uint8, uint16 or float32; after EXIF rotation."""
    mode: str
    """Pillow's name of the stored form, such as `L`, `RGB`, `I;16`."""
    file_format: str | None = None
    """What the bytes are, whatever the name says: `JPEG`, `PNG`, `TIFF` …"""
    frames: int = 1
    """Pictures in the file; the first is the one read."""
    orientation: int = 1
    """EXIF orientation (1–8) that was applied."""
    tables: tuple[tuple[int, ...], ...] = ()
    """JPEG quantisation tables (64 values each), luminance first."""

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])

    @property
    def channels(self) -> int:
        """1 or 3."""
        return 1 if self.pixels.ndim == 2 else int(self.pixels.shape[2])

    @property
    def bit_depth(self) -> int:
        """Bits a sample of the array: 8, 16 or 32."""
        return int(self.pixels.dtype.itemsize * 8)


def unreadable(status: Status, message: str, path: str | None) -> UnreadableImageError:
    """Build the error of an image that cannot be used; its `status` goes into the catalog."""
    error = UnreadableImageError(message, path=path, repair="Replace the file or leave it out")
    error.status = status
    return error


def read_image(source: str | Path | bytes, *, max_pixels: int = 100_000_000, max_bytes: int = 200_000_000) -> RawImage:
    """Decode an image completely.

    Grey stays grey, alpha is laid on black, palettes and CMYK become RGB, 16 bits keep their range; of an animation
    the first frame counts. Raise `UnreadableImageError` with `status` empty, too_large, truncated, unreadable or
    unsupported. Pillow's own guard (179 megapixels) holds where `max_pixels` is above it.
    """
    name = None if isinstance(source, bytes) else str(source)
    data = source if isinstance(source, bytes) else _read_bytes(Path(source), max_bytes)
    if not data:
        raise unreadable("empty", "the file is empty", name)
    if len(data) > max_bytes:
        raise unreadable("too_large", f"{len(data)} bytes are above the limit of {max_bytes}", name)
    return _decode(data, name, max_pixels)


def _read_bytes(path: Path, max_bytes: int) -> bytes:
    try:
        if not path.is_file():
            raise unreadable("unreadable", "is not a file", str(path))
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
        raise unreadable("unreadable", "is not an image that can be read", name) from error
    width, height = image.size
    if width * height > max_pixels:
        raise unreadable("too_large", f"{width} x {height} pixels are above the limit of {max_pixels}", name)
    if width < 1 or height < 1:
        raise unreadable("unreadable", "has no pixels", name)
    try:
        return _load(image)
    except Exception as error:  # decoders raise many kinds on damaged data
        status: Status = "truncated" if _looks_truncated(error) else "unreadable"
        raise unreadable(
            status, f"cannot be decoded ({' '.join(str(error).split()) or type(error).__name__})", name
        ) from error


def _load(image: ImageFile.ImageFile) -> RawImage:
    mode, frames, tables = image.mode, int(getattr(image, "n_frames", 1)), getattr(image, "quantization", None) or {}
    orientation = image.getexif().get(_ORIENTATION, 1)
    image.load()
    pixels = _to_array(ImageOps.exif_transpose(image))
    if mode.startswith("I;16") and _white_is_zero(image):
        pixels = np.iinfo(np.uint16).max - pixels
    return RawImage(
        pixels,
        mode,
        file_format=image.format,
        frames=frames,
        orientation=orientation if orientation in range(1, 9) else 1,
        tables=tuple(tuple(table) for _, table in sorted(tables.items())),
    )


def _white_is_zero(image: Image.Image) -> bool:
    # Pillow 13 inverts such TIFF files at 8 bits a sample and fewer, not at 16 (TIFF 6.0, tag 262).
    return image.format == "TIFF" and getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0


def _looks_truncated(error: Exception) -> bool:
    text = str(error).lower()
    return any(word in text for word in ("truncated", "not processed", "unexpected end", "incomplete", "premature"))


def _to_array(image: Image.Image) -> NDArray[Any]:
    if image.mode in _DEEP_MODES:
        return _deep(np.asarray(image))
    if image.mode == "1":
        image = image.convert("L")
    elif image.mode in ("LA", "La"):
        image = image.convert("LA").getchannel("L")
    elif image.mode in ("RGBA", "PA", "RGBa") or (image.mode == "P" and "transparency" in image.info):
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba).convert("RGB")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    return np.ascontiguousarray(np.asarray(image))


def _deep(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "f":
        return np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    if values.min() >= 0 and values.max() <= np.iinfo(np.uint16).max:
        return values.astype(np.uint16)
    return values.astype(np.float32)


def to_grey(image: RawImage | NDArray[Any]) -> NDArray[np.uint8]:
    """Return (H, W) uint8: 8-bit grey untouched, RGB by Rec. 601 luma, deeper samples from minimum to maximum.

    An array is taken as displayed pixels: (H, W), (H, W, 1) or (H, W, 3).
    """
    pixels = image.pixels if isinstance(image, RawImage) else np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise unreadable("unsupported", f"pixels of shape {pixels.shape} are not (H, W) or (H, W, 3)", None)
    if pixels.dtype == np.uint8:
        return pixels if pixels.ndim == 2 else np.asarray(Image.fromarray(pixels).convert("L"))
    values = pixels.astype(np.float64)
    if values.ndim == 3:
        values = values @ np.array([0.299, 0.587, 0.114])  # Rec. 601
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.zeros(values.shape, np.uint8)
    return np.asarray(np.rint((values - low) * (255.0 / (high - low))), dtype=np.uint8)
