"""Names for the files that are made from images: readable, safe on every system, never the same twice."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

_UNSAFE = re.compile(r"[^\w.\- ]+")
_LONGEST = 80


def unique_stems(paths: Sequence[str | Path]) -> list[str]:
    """Return a stem a path: its own, and with 8 digits of the path's digest where two would be equal.

    Equality ignores case, as some file systems do. The same path given twice has one stem.
    """
    stems = [_safe(Path(path).stem) for path in paths]
    owners = Counter(
        stem.casefold() for stem, _ in {(stem, str(path)) for stem, path in zip(stems, paths, strict=True)}
    )
    return [
        stem if owners[stem.casefold()] == 1 else f"{stem}-{_digits(path)}"
        for stem, path in zip(stems, paths, strict=True)
    ]


def _safe(stem: str) -> str:
    return _UNSAFE.sub("_", stem)[:_LONGEST].strip(" .") or "image"


def _digits(path: str | Path) -> str:
    return hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:8]
