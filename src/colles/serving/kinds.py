"""Which files of a folder, an archive or an object store are images: by their ending, and DICOM also by its mark."""

from __future__ import annotations

from collections.abc import Callable
from posixpath import splitext

from colles.imaging.dicom_mark import has_mark
from colles.imaging.read import IMAGE_ENDINGS

LOOKED_FOR = f"{', '.join(sorted(IMAGE_ENDINGS))}, and DICOM files without an ending"


def is_image(name: str, head: Callable[[], bytes | None]) -> bool:
    """Tell whether a file is to be judged; `head` gives its first bytes and is asked where the name says nothing."""
    said = told_by_name(name)
    return is_dicom_head(head()) if said is None else said


def told_by_name(name: str) -> bool | None:
    """Tell by its name whether a file is to be judged; None where only its first bytes tell."""
    ending = splitext(name)[1].lower()
    # Files are often named by a UID (1.2.840.7), of which the last number looks like an ending.
    may_be_dicom = ending in ("", ".", ".ima") or ending[1:].isdecimal()
    return True if ending in IMAGE_ENDINGS else None if may_be_dicom else False


def is_dicom_head(head: bytes | None) -> bool:
    """Tell whether a file begins as DICOM; one that cannot be opened (None) counts, so that the table says why."""
    return head is None or has_mark(head)
