"""Columns of people's own tables, which mean ours under other names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import polars as pl

from colles.core.errors import TableError

_MOST_ROWS = 20
"""On average so many rows with one name at most: else it is the arm of a trial, its name, or a kind of examination."""


def names_many(ids: pl.Series) -> bool:
    """Tell whether a column has so many different values that it may name patients, studies or groups."""
    return ids.n_unique() * _MOST_ROWS >= len(ids)


def assert_one_meaning(renamed: Mapping[str, str], columns: Collection[str], path: Path | None = None) -> None:
    """Raise `TableError` where two of a table's `columns` mean one thing once they are `renamed`."""
    for name, column in renamed.items():
        others = [other for other in columns if other != name and renamed.get(other, other) == column]
        if others:
            text, repair = f"two columns give it, {name!r} and {others[0]!r}", "Take one out, or give it another name"
            raise TableError(text, path=path, field=column, repair=repair)
