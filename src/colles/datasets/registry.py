"""Public data sets by name: where their owners publish them, under which terms, and where they lie on this machine."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import yaml

from colles.core.errors import UsageError
from colles.core.names import suggest
from colles.core.records import Record

DATA_VARIABLE = "COLLES_DATA"


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


def named_root() -> Path | None:
    """Return the folder of the data sets that COLLES_DATA names; None where it is not set."""
    named = os.environ.get(DATA_VARIABLE)
    return Path(named).expanduser() if named else None


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
