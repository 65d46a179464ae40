"""Nested settings by dotted names, so that two of them can be compared value by value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def dotted(value: Any) -> dict[str, Any]:
    """Return every value of nested dicts by its name, such as `data.digest`; what is no dict stands under ""."""
    return dict(_named(value, ""))


def _named(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _named(inner, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value
