"""Small pictures that travel inside a page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from colles.core.errors import UnreadableImageError
from colles.imaging.read import read_image, to_grey


def thumbnail(path: str | Path, longer_side: int = 160, quality: int = 80) -> str | None:
    """Return a grey JPEG as base64, or None where the file is gone or cannot be read."""
    try:
        grey = to_grey(read_image(path))
    except UnreadableImageError:
        return None
    image = Image.fromarray(grey)
    image.thumbnail((longer_side, longer_side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, optimize=True)
    return base64.b64encode(stream.getvalue()).decode("ascii")
