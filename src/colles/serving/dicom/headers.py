"""Read single values of a header without raising, and without a word about them in any log."""

from __future__ import annotations

from typing import Any


def text_of(header: Any, keyword: str) -> str:
    """Return an attribute's value as text, several as DICOM joins them; empty where it is absent or damaged."""
    try:
        value = header.get(keyword)
        if value is None:
            return ""
        parts = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
        return "\\".join(str(part) for part in parts).strip(" \0")
    except Exception:  # pydicom reads values when they are asked for, and raises many kinds on damaged ones
        return ""
