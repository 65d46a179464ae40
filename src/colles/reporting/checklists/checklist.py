"""A reporting checklist as data: one YAML file a list, beside this module."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict

from colles.core.errors import UsageError

CHECKLISTS = {"claim": "claim.yaml", "tripod-ai": "tripod_ai.yaml", "stard-ai": "stard_ai.yaml"}
"""Name on the command line → file."""


class Item(BaseModel):
    """One row of a checklist."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: str
    """As published, such as `12a`."""
    section: str
    asks: str
    """A short paraphrase, never the published words."""
    topics: tuple[str, ...] = ()
    """What a run can tell of it, names of `TOPICS`."""
    person: str | None = None
    """What a person must write, or add to what the run tells."""
    verified: bool = True
    """False where number or subject rests on a single second-hand source."""


class Checklist(BaseModel):
    """A published list of items."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    short: str
    """Name in a heading."""
    title: str
    citation: str
    checked: str
    """How numbers and subjects were compared with the publication."""
    items: tuple[Item, ...]


def load_checklist(name: str) -> Checklist:
    """Return a checklist by its name; raise `UsageError` naming those there are."""
    file = CHECKLISTS.get(name)
    if file is None:
        raise UsageError(f"no checklist '{name}'", field="--checklist", repair=f"Choose from {', '.join(CHECKLISTS)}")
    text = files("colles.reporting.checklists").joinpath(file).read_text("utf-8")
    return Checklist.model_validate(yaml.safe_load(text))


def load_checklists(names: Sequence[str]) -> tuple[Checklist, ...]:
    """Return several, each once, in the order asked for."""
    return tuple(load_checklist(name) for name in dict.fromkeys(names))
