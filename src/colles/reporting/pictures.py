"""Pictures for a self-contained page: downscaled, JPEG, base64."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from colles.core.errors import UnreadableImageError
from colles.imaging.read import read_image, to_grey

_QUALITY = 80
_MAX_PIXELS = 50_000_000
_THUMBNAIL = 160  # pixels


def data_address(file: Path, side: int) -> str | None:
    """Return a picture as a `data:` address, its longer side at most `side` pixels; None where it cannot be read."""
    try:
        with Image.open(file) as image:
            if image.width * image.height > _MAX_PIXELS:
                return None
            picture = image.convert("L" if image.mode in ("1", "L") else "RGB")
    except (OSError, UnidentifiedImageError, ValueError):
        return None
    return _address(picture, side)


def thumbnail(path: str | Path) -> str | None:
    """Return a radiograph, small and grey, as a `data:` address; None where the file is gone or cannot be read."""
    try:
        grey = to_grey(read_image(path))
    except UnreadableImageError:
        return None
    return _address(Image.fromarray(grey), _THUMBNAIL)


def _address(picture: Image.Image, side: int) -> str:
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
