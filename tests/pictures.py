"""Pictures as the bytes of a file."""

from __future__ import annotations

import io

from PIL import Image


def picture_bytes(image: Image.Image, form: str, **options: object) -> bytes:
    """Return the file that Pillow writes of `image` in `form`, such as "PNG"."""
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()
