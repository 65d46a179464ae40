"""What an interrupted stage of training left to go on from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from colles.core.errors import InputError


@dataclass(frozen=True, slots=True)
class SavedState:
    """How far a stage of training came."""

    epochs: int
    """Finished ones."""
    stopped_early: bool
    """Whether the last one ended the stage."""


def read_state(file: Path) -> SavedState | None:
    """Read what `SaveState` wrote at the end of the last epoch; None where it has not yet.

    Raise `InputError` for a damaged file.
    """
    if not file.is_file():
        return None
    try:
        return _said(torch.load(file, map_location="cpu", weights_only=True))
    except PermissionError:
        raise
    except Exception as error:  # a cut file is an OSError, a changed byte whatever torch and pickle stumble over
        raise InputError(
            "the state to go on from is damaged",
            path=file,
            repair="Copy it again, or remove it: this stage of the training then begins anew",
        ) from error


def _said(saved: dict[str, Any]) -> SavedState:
    stopping = [each for name, each in saved["callbacks"].items() if name.startswith("EarlyStopping")]
    stopped = any(each["wait_count"] >= each["patience"] for each in stopping)
    # written at the end of an epoch, before Lightning counts it as completed
    return SavedState(int(saved["epoch"]) + 1, stopped)
