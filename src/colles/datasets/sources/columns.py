"""Columns of a table under the names that people give them: a patient that is passed over lies on both sides."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from colles.core.columns import assert_one_meaning, names_many
from colles.core.names import ID_ALIASES, SUBSET_COLUMNS, bare
from colles.core.progress import say
from colles.core.tables import require_columns

_ARMS = ("group", "cluster", "study", "exam", "examination")


def with_known_names(table: pl.DataFrame, known: tuple[str, ...], path: Path) -> pl.DataFrame:
    """Return a table whose columns have the names of `known` where they mean them, each such change said in a line.

    Raise `TableError` where two columns mean one thing.
    """
    require_columns(table, [name for name in known if name in table.columns], path=path)  # each once
    meant = {**{bare(name): name for name in known}, **ID_ALIASES}
    others = [name for name in table.columns if name not in known and bare(name) in meant]
    renamed = {name: meant[bare(name)] for name in others if bare(name) not in _ARMS or names_many(table[name])}
    assert_one_meaning(renamed, table.columns, path)
    for name, column in renamed.items():
        say(f"{path}: read as {column}: the column {name!r}")
    left = [name for name in table.columns if name and name not in known and name not in renamed]
    if left:
        say(f"{path}: columns that are not read: {', '.join(map(repr, left))}")
    takes_split = "given_split" in known and "given_split" not in table.columns
    for name in (each for each in left if takes_split and bare(each) in SUBSET_COLUMNS):
        text = f"if {name!r} divides the images, call it given_split: the audit looks for leaks across it"
        say(f"{path}: {text}, and `colles split --check` uses such a division")
    return table.rename(renamed)
