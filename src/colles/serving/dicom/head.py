"""The head of a data set: what names it, its study and its patient, and nothing behind that, however large it is."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from colles.imaging.dicom_bytes import data_set

_LAST = 0x0020000E  # SeriesInstanceUID
_INFLATED = 400_000_000
"""Bytes that a deflated object may inflate to."""


def read_head(pieces: Sequence[bytes | memoryview]) -> Any:
    """Read pydicom's data set up to SeriesInstanceUID from the bytes of a file.

    Raise `UnreadableImageError` where that much is too large, whatever pydicom raises where it is damaged.
    """
    return data_set(io.BytesIO(b"".join(pieces)), None, _INFLATED, pixels=False, last=_LAST)
