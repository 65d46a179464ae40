"""UIDs of results: derived from what they rest on, so that the same images and bundle give the same ones."""

from __future__ import annotations

import re
import uuid

_NAMESPACE = uuid.UUID("6f1d6f0e-6c2b-5d0c-9a55-0f7c0b8e5c11")
"""Of all UIDs that colles derives. Another one would store every result a second time."""
_FORM = re.compile(r"[0-9]+(\.[0-9]+)*")
_LONGEST = 64  # characters (PS3.5, 9.1)


def derived_uid(kind: str, *parts: str) -> str:
    """Return the UID of a result of some `kind` that rests on `parts`, in their order (PS3.5, B.2)."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, chr(0).join((kind, *parts))).int}"


def is_uid(text: str) -> bool:
    """Tell whether a text can stand where a UID must: digits and dots, at most 64 characters.

    Components that begin with 0 are let through, although PS3.5, 9.1 has none: archives hold such studies.
    """
    return len(text) <= _LONGEST and _FORM.fullmatch(text) is not None
