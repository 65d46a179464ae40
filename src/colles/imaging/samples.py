"""Samples that Pillow has no mode for: colours of 16 bits, signs that a TIFF states, white at zero, gaps in floats."""

from __future__ import annotations

import io
import re
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, TiffImagePlugin

from colles.imaging.raw import unreadable
from colles.imaging.turning import turned

_BITS, _PHOTOMETRIC, _PLANES, _EXTRA, _FORM = 258, 262, 284, 338, 339  # tags of TIFF
_APART, _PREMULTIPLIED, _UNSIGNED, _SIGNED = 2, 1, 1, 2  # their values
_TOP = np.iinfo(np.uint16).max


def is_unknown_tiff(data: bytes) -> bool:
    """Tell whether bytes that Pillow could not open are a TIFF of a form that it lacks."""
    if data[:2] not in (b"II", b"MM"):
        return False
    try:
        TiffImagePlugin.TiffImageFile(io.BytesIO(data))
    except SyntaxError as error:  # the number is that of the compression
        return re.fullmatch(r"unknown pixel mode|\d+", str(error)) is not None
    except Exception:  # damaged: decoders raise many kinds
        return False
    return False


def is_deep_colour(image: ImageFile.ImageFile, name: str | None) -> bool:
    """Tell, before it is loaded, whether an image has several channels of 16 bits, of which Pillow keeps the upper 8.

    12 bits in them would come out nearly black. Raise `UnreadableImageError` (`unsupported`) for a TIFF that keeps
    such channels apart: Pillow and OpenCV make noise of them.
    """
    if image.mode not in ("RGB", "RGBA") or image.format not in ("PNG", "TIFF"):
        return False
    tags = getattr(image, "tag_v2", {})
    if image.format == "TIFF" and tags.get(_PLANES) == _APART and max(tags.get(_BITS, (8,))) > 8:
        raise unreadable("unsupported", "keeps colours of 16 bits in planes of their own: save it as 16-bit grey", name)
    return ";16" in str(image.tile[0][3]) if image.tile else False


def deep_colour(data: bytes, image: Image.Image, orientation: int) -> NDArray[np.uint16]:
    """Decode such an image whole, (H, W, 3) as displayed, alpha laid on black; raise `ValueError` where that fails."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        raise ValueError("its colours of 16 bits could not be read")
    if image.format != "TIFF":  # OpenCV turns these itself
        pixels = turned(pixels, orientation)
    extra = getattr(image, "tag_v2", {}).get(_EXTRA, ()) if image.format == "TIFF" else ()
    has_alpha = image.format == "PNG" or (image.mode == "RGBA" and extra[:1] != (_PREMULTIPLIED,))
    if pixels.shape[2] == 4 and has_alpha:  # a clear level of a PNG too
        pixels = _on_black(pixels)
    return np.ascontiguousarray(pixels[..., 2::-1])


def _on_black(pixels: NDArray[Any]) -> NDArray[np.uint16]:
    # Black is the lowest value that is seen: deep samples are scaled from there.
    alpha = pixels[..., 3:]
    low = np.uint16(pixels[..., :3].min(where=alpha > 0, initial=_TOP)) if alpha.any() else _TOP
    above = (np.maximum(pixels[..., :3], low) - low).astype(np.uint32)
    above *= alpha
    return np.asarray(low + (above + _TOP // 2) // _TOP, np.uint16)


def as_stored(values: NDArray[Any], image: Image.Image) -> NDArray[Any]:
    """Return one channel (H, W) with the signs that its TIFF states, and as its negative where white is zero.

    Pillow 13 inverts files with white at zero at 8 bits a sample and fewer only (TIFF 6.0, tag 262).
    """
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if image.format != "TIFF":
        return _without_level(values, image.info.get("transparency")) if values.dtype == np.uint16 else values
    tags = getattr(image, "tag_v2", {})
    form = (tags.get(_FORM) or (_UNSIGNED,))[0]
    if values.dtype == np.uint8 and form == _SIGNED:
        values = values.view(np.int8)
    elif values.dtype == np.int32 and form == _UNSIGNED:
        values = values.view(np.uint32)
    if tags.get(_PHOTOMETRIC) != 0 or values.dtype not in (np.uint16, np.float32):
        return values
    return _TOP - values if values.dtype == np.uint16 else -values


def _without_level(values: NDArray[Any], clear: object) -> NDArray[Any]:
    # Black is the lowest of the other levels: deep grey is scaled from there.
    if not isinstance(clear, int):
        return values
    seen = values != clear
    return np.where(seen, values, values.min(where=seen, initial=_TOP)) if seen.any() else values


def without_gaps(values: NDArray[Any]) -> NDArray[Any]:
    """Return floats in which what is no number is the lowest value, and infinities are the lowest and the highest."""
    finite = np.isfinite(values)
    if finite.all():
        return values
    if not finite.any():
        return np.zeros_like(values)
    low, high = values.min(where=finite, initial=np.inf), values.max(where=finite, initial=-np.inf)
    return np.asarray(np.nan_to_num(values, nan=low, neginf=low, posinf=high))
