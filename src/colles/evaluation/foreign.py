"""Columns of a stranger's predictions under the names that people give them.

A patient that is passed over makes intervals too narrow; a split that is passed over has training images judged.
"""

from __future__ import annotations

import polars as pl

from colles.core.columns import assert_one_meaning, names_many
from colles.core.names import ID_ALIASES, SUBSET_COLUMNS, SUBSET_WORDS, bare
from colles.core.tables import has_values
from colles.evaluation.groups import GROUP_COLUMNS, group_column

_MEANT = {**{bare(name): name for name in GROUP_COLUMNS}, **ID_ALIASES}
_SUBSETS = {*SUBSET_WORDS, "external"}


def with_known_names(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Return a table whose ids and subsets have our names where others mean them, and a warning for each change.

    Raise `TableError` where two columns mean one thing.
    """
    renamed = {**_ids(frame), **_subset(frame)}
    assert_one_meaning(renamed, frame.columns)
    return frame.rename(renamed), [f"read as {column}: the column {name!r}" for name, column in renamed.items()]


def _ids(frame: pl.DataFrame) -> dict[str, str]:
    if "group_id" in frame.columns and has_values(frame, "group_id") and group_column(frame) == "group_id":
        return {}
    others = [name for name in frame.columns if name not in GROUP_COLUMNS and has_values(frame, name)]
    meant = {name: _MEANT[bare(name)] for name in others if bare(name) in _MEANT}
    return {name: to for name, to in meant.items() if to not in frame.columns and names_many(frame[name])}


def _subset(frame: pl.DataFrame) -> dict[str, str]:
    if "subset" in frame.columns:
        return {}
    others = [name for name in frame.columns if bare(name) in SUBSET_COLUMNS and has_values(frame, name)]
    return {name: "subset" for name in others if _are_subsets(frame[name])}


def _are_subsets(values: pl.Series) -> bool:
    return not _SUBSETS.isdisjoint(values.cast(pl.String).str.strip_chars().str.to_lowercase().unique())
