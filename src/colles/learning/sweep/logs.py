"""Read a folder of trials' files, of this project or older ones, and rank them; the rest is listed apart."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colles.core.errors import MissingInputError, TableError
from colles.core.files import existing_folder
from colles.learning.sweep.entries import PATTERN, Entry, entry_from
from colles.learning.sweep.importance import Importance, measure_importance

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
            _read_file(path, str(path.relative_to(root)), entries, broken)
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
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        broken.append((name, f"not valid JSON ({error})" if path.stat().st_size else "the file is empty"))
        return
    if not isinstance(values, list) or not values:
        broken.append((name, "not a list of entries" if not isinstance(values, list) else "the list is empty"))
        return
    for value in values:
        try:
            entries.append(entry_from(value, name))
        except ValueError as error:
            broken.append((name, str(error)))


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
