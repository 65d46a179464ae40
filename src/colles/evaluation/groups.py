"""Which rows belong together where no group is named: those of a patient, else of a study, in one source."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import polars as pl

from colles.core.identity import KEYS, known_id, with_keys
from colles.core.tables import has_values

GROUP_COLUMNS = ("group_id", "patient_id", "study_id")
"""The first that names anything is taken."""
_LEARNED, _JUDGED = ("train", "val"), ("test", "external")


def group_column(frame: pl.DataFrame) -> str | None:
    """Return the column that names the groups; None where every row is its own."""
    return next((name for name in GROUP_COLUMNS if name in frame.columns and frame[name].is_not_null().any()), None)


def with_groups(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with a `group_id`, taken from patient_id, else study_id, where none names any."""
    column = group_column(frame)
    return frame if column in (None, "group_id") else frame.with_columns(group_id=scoped(frame, str(column)))


def without_placeholders(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows with no id where words such as NA stand for none, and a warning for each such column.

    Blanks around an id do not count.
    """
    warnings = []
    for name in GROUP_COLUMNS:
        if name not in frame.columns:
            continue
        shown = sorted(each for each in frame[name].drop_nulls().unique() if known_id(each, numbered=True) is None)
        if shown:
            nobody = frame[name].is_in(shown).fill_null(False)
            warnings.append(f"{nobody.sum():,} rows have {', '.join(map(repr, shown))} for a {name}: taken as none")
            frame = frame.with_columns(pl.when(~nobody).then(pl.col(name)).alias(name))
        frame = frame.with_columns(pl.col(name).str.strip_chars())
    return frame, warnings


def scoped(frame: pl.DataFrame, column: str) -> pl.Series:
    """Return ids (N,) of studies or patients that are equal where one is meant: two sources both have a patient 1."""
    rows = frame if has_values(frame, "source") else frame.drop("source", strict=False)
    return with_keys(rows, as_written=True)[KEYS[column]].str.replace_all("\0", ":", literal=True)


def group_warning(column: str | None) -> str | None:
    """Say which column stands for a group_id that is not there; None where there is one, or nothing that could."""
    return None if column in (None, "group_id") else f"no group_id: rows with one {column} count as one group"


def group_warnings(column: str | None, by_subset: Mapping[str, pl.DataFrame]) -> list[str]:
    """Say what stands for a group_id, and which groups stand on two subsets."""
    stands_in = group_warning(column)
    return [*([stands_in] if stands_in else []), *leak_warnings(by_subset)]


def leak_warnings(by_subset: Mapping[str, pl.DataFrame]) -> list[str]:
    """Say how many groups stand on a subset that was learned from or chosen on, and on one that is judged."""
    named = {name: set(rows["group_id"].drop_nulls()) for name, rows in by_subset.items() if "group_id" in rows.columns}
    said = []
    for one, other in product(_LEARNED, _JUDGED):
        shared = len(named.get(one, set()) & named.get(other, set()))
        if shared:
            groups = "1 group stands" if shared == 1 else f"{shared:,} groups stand"
            said.append(f"{groups} on {one} and {other}: the figures of {other} flatter")
    return said
