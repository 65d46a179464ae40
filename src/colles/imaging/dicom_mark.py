"""What tells a DICOM file, whatever it is called: the bytes that it begins with."""

from __future__ import annotations

HEAD = 132
"""So many of them are needed: 128 of preamble, then the mark (PS3.10, 7.1)."""


def has_mark(head: bytes) -> bool:
    """Tell whether DICOM's mark stands behind a preamble."""
    return head[128:HEAD] == b"DICM"


def is_dicom(head: bytes) -> bool:
    """Tell whether bytes are a DICOM file, or begin as one that lacks its preamble."""
    # Bare data sets begin with the file meta group 0002 or with group 0008, little endian.
    return has_mark(head) or (head[:2] in (b"\x02\0", b"\x08\0") and head[3:4] == b"\0")
