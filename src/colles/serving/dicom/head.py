"""The head of a data set: what names it, its study and its patient, and nothing behind that, however large it is."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any

from colles.imaging.dicom_bytes import data_set
from colles.imaging.read_dicom import INFLATED

_LAST = 0x0020000E  # SeriesInstanceUID
_START = 1 << 20  # bytes that hold it as a rule


def read_head(head: bytes, body: bytes | memoryview = b"") -> Any:
    """Read pydicom's data set up to SeriesInstanceUID from the bytes of a file, or from its two parts.

    Raise `UnreadableImageError` where that much is too large, whatever pydicom raises where it is damaged.
    """
    if len(body) > _START:  # a copy of all of it would double what a large object takes
        with suppress(Exception):
            ds = _read(head, body[:_START])
            if "StudyInstanceUID" in ds:
                return ds
    return _read(head, body)


def _read(head: bytes, body: bytes | memoryview) -> Any:
    return data_set(io.BytesIO(b"".join((head, body))), None, INFLATED, pixels=False, last=_LAST)
