"""Bundles by name: which is the default, and where the archives of the others lie, with their licences and digests."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from colles.core.cache import cache_folder
from colles.core.errors import DownloadError, UsageError
from colles.core.names import suggest
from colles.core.records import Record

VARIABLE = "COLLES_BUNDLES"


class KnownBundle(Record):
    """One published bundle."""

    name: str
    title: str
    version: str
    """Of its metadata."""
    archive: str
    """File name of the zip file."""
    sha256: str
    """Of the zip file."""
    bytes: int
    licence: str
    licence_url: str
    terms: str
    """What one has to know before using it, in a sentence."""


@lru_cache
def _registry() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((files("colles.serving") / "bundles.yaml").read_text("utf-8"))
    return read


@lru_cache
def known_bundles() -> dict[str, KnownBundle]:
    """Return the published bundles by name."""
    return {name: KnownBundle(name=name, **values) for name, values in _registry()["bundles"].items()}


def default_bundle() -> str:
    """Return the name of the bundle that answers where none is named."""
    return str(_registry()["default"])


def find_known(name: str) -> KnownBundle:
    """Return a published bundle by name; raise `UsageError` with the nearest known name."""
    known = known_bundles()
    if name not in known:
        raise UsageError(f"unknown bundle {name!r}", repair=suggest(name.lower(), known, f"Known: {', '.join(known)}"))
    return known[name]


def address_of(bundle: KnownBundle) -> str:
    """Return where a bundle's archive lies: below COLLES_BUNDLES (an http(s) address or a folder), or the registry's.

    Raise `DownloadError` where neither says so.
    """
    base = os.environ.get(VARIABLE) or _registry()["address"]
    if not base:
        repair = f"Set {VARIABLE} to the address or folder that holds {bundle.archive}, or name the file with --from"
        raise DownloadError("nobody says where bundles are published", path=bundle.name, repair=repair)
    return f"{str(base).rstrip('/')}/{bundle.archive}"


def packaged_bundles() -> Path:
    """Return the folder of an installed wheel that holds the default bundle; a source checkout has none."""
    return Path(__file__).parents[1] / "bundles"


def fetched_bundles() -> Path:
    """Return the folder in the cache that `colles bundle get` puts bundles into."""
    return cache_folder() / "bundles"
