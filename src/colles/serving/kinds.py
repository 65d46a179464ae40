"""Which files of a folder, an archive or an object store are images: by their ending, and DICOM also by its mark."""

from __future__ import annotations

from collections.abc import Callable
from posixpath import splitext

from colles.imaging.read import IMAGE_ENDINGS

HEAD = 132
"""Bytes of a file that tell DICOM: 128 of preamble, then DICM (PS3.10 7.1)."""
LOOKED_FOR = f"{', '.join(sorted(IMAGE_ENDINGS))}, and DICOM files without an ending"


def is_image(name: str, head: Callable[[], bytes | None]) -> bool:
    """Tell whether a file is to be judged; `head` gives its first bytes and is asked where the name says nothing.

    It gives None for a file that cannot be opened: that counts, so that the table says why.
    """
    ending = splitext(name)[1].lower()
    if ending in IMAGE_ENDINGS:
        return True
    if not _may_be_dicom(ending):
        return False
    begins = head()
    return begins is None or begins[HEAD - 4 : HEAD] == b"DICM"


def _may_be_dicom(ending: str) -> bool:
    # Files are often named by a UID (1.2.840.7), of which the last number looks like an ending.
    return ending in ("", ".", ".ima") or ending[1:].isdecimal()
