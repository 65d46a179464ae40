"""Public data sets by name: where their owners publish them, under which terms, and what the file has to be."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import yaml

from colles.core.errors import UsageError
from colles.core.names import suggest
from colles.core.records import Record


class DataSet(Record):
    """One public set of radiographs."""

    name: str
    title: str
    version: str
    kind: str
    """Which source reads it: fracatlas, yolo, …"""
    folder: str
    """Name of the folder that it is unpacked to."""
    page: str
    """Where its owners describe it."""
    url: str | None = None
    """Of the archive; None where there is no plain address."""
    archive: str
    """File name of the archive."""
    sha256: str | None = None
    """Of the archive; None where nobody vouches for one: then it is recorded on arrival."""
    bytes: int | None = None
    licence: str
    licence_url: str
    terms: str
    """What the licence asks, in a sentence."""
    citation: str
    obtain: str | None = None
    """How to come by the archive where there is no `url`."""


@lru_cache
def load_registry() -> dict[str, DataSet]:
    """Return the data sets that colles knows, by name."""
    text = (files("colles.datasets") / "registry.yaml").read_text("utf-8")
    return {name: DataSet(name=name, **values) for name, values in yaml.safe_load(text).items()}


def find_data_set(name: str) -> DataSet:
    """Return a data set by name; raise `UsageError` with the nearest known name."""
    known = load_registry()
    if name not in known:
        repair = suggest(name.lower(), known, f"Known: {', '.join(known)}")
        raise UsageError(f"unknown data set {name!r}", repair=repair)
    return known[name]
