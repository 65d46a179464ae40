"""One step of a run: a name, a digest of its inputs, its outputs and a function; `run` decides which are current."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colles.core.files import sha256_json

SCHEMA = 1  # raise it when a stage's output changes for the same inputs


@dataclass(frozen=True)
class Stage:
    """One step of the flow."""

    name: str
    inputs: Callable[[], Any]
    """JSON-like value whose digest tells whether the stage is current; called when its turn comes."""
    outputs: tuple[Path, ...]
    make: Callable[[bool], None]
    """Make the outputs; the argument tells whether a begun one may be resumed."""

    @property
    def key(self) -> str:
        """Digest of the inputs."""
        return sha256_json([SCHEMA, self.name, self.inputs()])
