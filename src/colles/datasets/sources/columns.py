"""Columns of a table under the names that people give them: a patient that is passed over lies on both sides."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from colles.core.errors import TableError
from colles.core.names import ID_ALIASES, bare
from colles.core.progress import say
from colles.core.tables import require_columns

_ARMS = ("group", "cluster", "study", "exam", "examination")
_MOST_ROWS = 20  # on average with one name: else it is the arm of a trial, its name, or a kind of examination


def with_known_names(table: pl.DataFrame, known: tuple[str, ...], path: Path) -> pl.DataFrame:
    """Return a table whose columns have the names of `known` where they mean them, each such change said in a line.

    Raise `TableError` where two columns mean one thing.
    """
    require_columns(table, [name for name in known if name in table.columns], path=path)  # each once
    meant = {**{bare(name): name for name in known}, **ID_ALIASES}
    others = [name for name in table.columns if name not in known and bare(name) in meant]
    renamed = {name: meant[bare(name)] for name in others if bare(name) not in _ARMS or _names_many(table[name])}
    for name, column in renamed.items():
        others = [other for other in table.columns if other != name and renamed.get(other, other) == column]
        if others:
            text, repair = f"two columns give it, {name!r} and {others[0]!r}", "Take one out, or give it another name"
            raise TableError(text, path=path, field=column, repair=repair)
        say(f"{path}: read as {column}: the column {name!r}")
    left = [name for name in table.columns if name and name not in known and name not in renamed]
    if left:
        say(f"{path}: columns that are not read: {', '.join(map(repr, left))}")
    return table.rename(renamed)


def _names_many(ids: pl.Series) -> bool:
    return ids.n_unique() * _MOST_ROWS >= len(ids)
