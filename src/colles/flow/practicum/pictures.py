"""Pictures small enough for a page that is kept in a repository."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image


def as_jpeg(picture: Path, quality: int = 70) -> bytes:
    """Return a picture's file as the bytes of a JPEG: radiographs as PNG take six times the room."""
    packed = io.BytesIO()
    with Image.open(picture) as opened:
        opened.convert("RGB").save(packed, "JPEG", quality=quality)
    return packed.getvalue()
