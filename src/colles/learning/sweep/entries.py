"""One trial's result as the practicum wrote it: `results_config_{id}_{time}.json`, a JSON list of entries.

Older files hold config_id, best_score, best_sensitivity, best_f1_score and error alone; a failed entry has no score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from colles.core.files import write_json

PATTERN = "results_config_*.json"
SCORES = ("best_score", "best_sensitivity", "best_f1_score")
"""What every complete entry has, old or new."""
State = Literal["complete", "partial", "failed"]


@dataclass(frozen=True)
class Entry:
    """The result of one trial."""

    config_id: int | str
    params: Mapping[str, Any] = field(default_factory=dict)
    """`section.key` → value; empty in older files."""
    best_score: float | None = None
    """The objective at its best epoch, on val."""
    best_sensitivity: float | None = None
    """At that epoch, at a specificity of at least 0.90 (older files: as the practicum measured it)."""
    best_f1_score: float | None = None
    """At that epoch, at the score 0.5."""
    best_auroc: float | None = None
    seconds: float | None = None
    error: str | None = None
    epochs: int | None = None
    """Finished epochs; None in older files."""
    pruned: bool = False
    """True where the search stopped the trial early."""
    file: str = ""
    """Name of the file it was read from."""

    @property
    def missing(self) -> list[str]:
        """Names of the scores that a complete entry has and this one lacks."""
        return [name for name in SCORES if getattr(self, name) is None]

    @property
    def state(self) -> State:
        """Failed: an error and no score. Partial: stopped early, a score missing, or an error beside scores."""
        if self.error and len(self.missing) == len(SCORES):
            return "failed"
        return "partial" if self.error or self.missing or self.pruned else "complete"

    @property
    def remark(self) -> str:
        """Say why the entry is not complete."""
        if self.error:
            return self.error
        if self.pruned:
            return f"stopped early after {self.epochs} epoch{'s' * (self.epochs != 1)}"
        return f"lacks {', '.join(self.missing)}" if self.missing else ""

    def values(self) -> dict[str, Any]:
        """Return the entry as it is written."""
        return {name: value for name, value in vars(self).items() if name != "file"}


def write_entry(folder: Path, entry: Entry) -> Path:
    """Write one trial's file, in place of an earlier one of the same trial."""
    earlier = list(folder.glob(f"results_config_{entry.config_id}_*.json"))
    time = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    made = write_json(folder / f"results_config_{entry.config_id}_{time}.json", [entry.values()])
    for path in earlier:
        if path != made:
            path.unlink()
    return made


def entry_from(values: Any, file: str) -> Entry:
    """Understand one entry of any age; raise `ValueError` saying what is wrong with it."""
    if not isinstance(values, dict):
        raise ValueError(f"an entry is {type(values).__name__}, not a table")
    config_id = values.get("config_id")
    if isinstance(config_id, bool) or not isinstance(config_id, int | str):
        raise ValueError("an entry has no config_id")
    params = values.get("params") or {}
    if not isinstance(params, dict):
        raise ValueError(f"params of config {config_id} is no table")
    scores = {name: _share(values.get(name), name, config_id) for name in (*SCORES, "best_auroc")}
    error, epochs = values.get("error"), values.get("epochs")
    return Entry(
        config_id,
        params,
        **scores,
        seconds=_number(values.get("seconds"), "seconds", config_id),
        error=str(error) if error else None,
        epochs=epochs if isinstance(epochs, int) else None,
        pruned=values.get("pruned") is True,
        file=file,
    )


def _number(value: Any, name: str, config_id: int | str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} of config {config_id} is {value!r}, not a number")
    try:
        return float(value) if math.isfinite(value) else None  # NaN: the trial ended before it had one
    except OverflowError as error:
        raise ValueError(f"{name} of config {config_id} is too large for a number") from error


def _share(value: Any, name: str, config_id: int | str) -> float | None:
    found = _number(value, name, config_id)
    if found is not None and not 0.0 <= found <= 1.0:
        raise ValueError(f"{name} of config {config_id} is {found}, not between 0 and 1")
    return found
