"""Read single values of a header without raising, and without a word about them in any log."""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import Any


def text_of(header: Any, keyword: str) -> str:
    """Return an attribute's value as text, several as DICOM joins them; empty where it is absent or damaged."""
    try:
        value = header.get(keyword)
        if value is None:
            return ""
        parts = list(value) if isinstance(value, MutableSequence) else [value]  # a name can be iterated, too
        return "\\".join(str(part) for part in parts).strip(" \0")
    except Exception:  # pydicom reads values when they are asked for, and raises many kinds on damaged ones
        return ""
