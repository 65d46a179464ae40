"""Read a folder of trials' files, of this project or older ones, and rank them; the rest is listed apart."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colles.core.errors import MissingInputError, TableError
from colles.core.files import existing_folder
from colles.learning.sweep.entries import PATTERN, Entry, entry_from
from colles.learning.sweep.importance import Importance, measure_importance

MAX_BYTES = 50_000_000
"""Of one file; a trial's is a few hundred."""
_RANKED: dict[str, Callable[[Entry], float | None]] = {
    "by_sensitivity": lambda entry: entry.best_sensitivity,
    "by_f1": lambda entry: entry.best_f1_score,
}


@dataclass(frozen=True)
class SweepLogs:
    """All trials of a folder."""

    folder: Path
    files: int
    entries: tuple[Entry, ...]
    """By config_id; an entry repeated word for word in several files counts once."""
    broken: tuple[tuple[str, str], ...]
    """File and reason, of files or single entries that cannot be understood."""

    @classmethod
    def read(cls, folder: str | Path) -> SweepLogs:
        """Read every `results_config_*.json` under a folder.

        Raise `MissingInputError` where there is none, `TableError` where not one of them can be understood.
        """
        root = existing_folder(folder, repair="Name the folder of a search, or make one: colles sweep run")
        paths = sorted(root.rglob(PATTERN))
        if not paths:
            raise MissingInputError(f"holds no {PATTERN}", path=root, repair="Name the folder of a search")
        entries, broken = cls.collect(root)
        if not entries:
            first = f"{broken[0][0]}: {broken[0][1]}"
            raise TableError(
                f"none of {len(paths)} files can be understood; first: {first}", path=root, repair="Check the files"
            )
        unique = {json.dumps(entry.values(), sort_keys=True, default=str): entry for entry in reversed(entries)}
        return cls(root, len(paths), tuple(sorted(unique.values(), key=_order)), tuple(broken))

    @staticmethod
    def collect(root: Path) -> tuple[list[Entry], list[tuple[str, str]]]:
        """Return all entries under a folder, and what cannot be understood as file and reason."""
        entries: list[Entry] = []
        broken: list[tuple[str, str]] = []
        for path in sorted(root.rglob(PATTERN)):
            name = os.fsencode(path.relative_to(root)).decode("utf-8", "replace")
            _read_file(path, name, entries, broken)
        return entries, broken

    def of(self, state: str) -> list[Entry]:
        """Return the entries of a state: complete, partial or failed."""
        return [entry for entry in self.entries if entry.state == state]

    def ranked(self, by: str) -> list[Entry]:
        """Return the complete entries, best first, `by_sensitivity` or `by_f1`; the other one decides among equals."""
        first, other = _RANKED[by], next(value for key, value in _RANKED.items() if key != by)
        return sorted(self.of("complete"), key=lambda e: (-(first(e) or 0.0), -(other(e) or 0.0), _order(e)))

    def importance(self) -> Importance:
        """Tell how much of the objective each parameter decides."""
        complete = self.of("complete")
        return measure_importance([entry.params for entry in complete], [entry.best_score or 0.0 for entry in complete])

    def summary(self) -> dict[str, Any]:
        """Return everything as plain values."""
        importance = self.importance()
        return {
            "folder": str(self.folder),
            "files": self.files,
            **{name: [_values(entry) for entry in self.ranked(name)] for name in _RANKED},
            **{state: [_values(entry) for entry in self.of(state)] for state in ("partial", "failed")},
            "broken": [{"file": file, "reason": reason} for file, reason in self.broken],
            "importance": importance.values(),
        }


def _read_file(path: Path, name: str, entries: list[Entry], broken: list[tuple[str, str]]) -> None:
    try:
        values = _list_of(path)
    except ValueError as error:
        broken.append((name, str(error)))
        return
    for value in values:
        try:
            entries.append(entry_from(value, name))
        except ValueError as error:
            broken.append((name, str(error)))


def _list_of(path: Path) -> list[Any]:
    """Return what a file lists; raise `ValueError` saying why it cannot be had."""
    size = path.stat().st_size if path.is_file() else None
    if size is None:
        raise ValueError("no file, or a link that leads to none")
    if size > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES // 1_000_000} MB, which no file of a trial is")
    if not size:
        raise ValueError("the file is empty")
    try:
        text = path.read_text(encoding="utf-8-sig")
        values = json.loads(text, parse_constant=_nothing, parse_float=_finite)
        json.dumps(values, ensure_ascii=False).encode()  # half a letter (\ud800) could never be written again
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"not valid JSON ({error})") from error
    if not isinstance(values, list) or not values:
        raise ValueError("the list is empty" if isinstance(values, list) else "not a list of entries")
    return values


def _nothing(_name: str) -> None:
    """Take NaN and Infinity, which are no JSON, as missing."""


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _values(entry: Entry) -> dict[str, Any]:
    return {**entry.values(), "file": entry.file, "remark": entry.remark}


def _order(entry: Entry) -> tuple[int, int, str]:
    # numbers before names, numbers by size
    whole = isinstance(entry.config_id, int)
    return (0 if whole else 1, int(entry.config_id) if whole else 0, str(entry.config_id))


def varied(entries: Sequence[Entry]) -> list[str]:
    """Return the names of the parameters that differ between the entries."""
    names = sorted({name for entry in entries for name in entry.params})
    return [name for name in names if len({json.dumps(entry.params.get(name)) for entry in entries}) > 1]
