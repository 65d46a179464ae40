"""Names for the files that are made from images: readable, safe on every system, never the same twice."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_UNSAFE = re.compile(r"[^\w.\- ]+")
_LONGEST = 80  # bytes: file systems count these, 255 of them, and endings and digits come behind


class Stems:
    """Stems of paths: their own, and with 8 digits of the path's digest where two would be equal.

    Equality ignores case, as some file systems do. The same path given twice has one stem. Only hashes are kept, so
    that a million paths fit.
    """

    def __init__(self, paths: Iterable[object]) -> None:
        self._owners: dict[int, int | None] = {}
        for path in paths:
            key, owner = self._key(path), hash(str(path))
            self._owners[key] = owner if self._owners.setdefault(key, owner) == owner else None

    def of(self, path: object) -> str:
        """Return the stem of one of the paths."""
        stem = _safe(_stem(path))
        return stem if self._owners.get(self._key(path)) is not None else f"{stem}-{_digits(path)}"

    def _key(self, path: object) -> int:
        return hash(_safe(_stem(path)).casefold())


def unique_stems(paths: Sequence[str | Path]) -> list[str]:
    """Return a stem a path, as `Stems` gives them."""
    stems = Stems(paths)
    return [stems.of(path) for path in paths]


def _stem(path: object) -> str:
    return Path(str(path)).stem


def _safe(stem: str) -> str:
    return _UNSAFE.sub("_", stem).encode()[:_LONGEST].decode(errors="ignore").strip(" .") or "image"


def _digits(path: object) -> str:
    return hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:8]
