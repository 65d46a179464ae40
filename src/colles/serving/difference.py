"""What two bundles have in common and what not, field by field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from colles.core.dotted import dotted
from colles.serving.bundle import Bundle
from colles.serving.manifest import MANIFEST

_TOLD = frozenset({"metadata.json", "MODEL_CARD.md", MANIFEST})  # their content is compared by field


@dataclass(frozen=True, slots=True)
class Difference:
    """One field or file that differs; None where a bundle lacks it."""

    field: str
    one: Any
    other: Any


def compare_bundles(one: Bundle, other: Bundle) -> list[Difference]:
    """Return the differing fields of the metadata, then the differing files by the first digits of their sha256."""
    fields = _different(dotted(one.metadata.model_dump(mode="json")), dotted(other.metadata.model_dump(mode="json")))
    return [*fields, *_different(_digests(one), _digests(other))]


def _different(one: dict[str, Any], other: dict[str, Any]) -> list[Difference]:
    names = dict.fromkeys([*one, *other])
    return [Difference(name, one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)]


def _digests(bundle: Bundle) -> dict[str, Any]:
    return {f"file {name}": entry.sha256[:12] for name, entry in bundle.manifest.files.items() if name not in _TOLD}
