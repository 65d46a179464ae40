"""Find the name that a mistyped one was meant to be, and the subset that its other names mean."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SUBSET_WORDS = {
    **{"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val"},
    **{"test": "test", "testing": "test"},
}
"""What people call the subsets, in small letters."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name nearest to `name`, or None where none is near."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def suggest(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return the repair of a mistyped name: the known name nearest to it, or `otherwise` where none is near."""
    guess = nearest(name, known)
    return f"Did you mean {guess!r}?" if guess else otherwise
