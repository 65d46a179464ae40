"""Columns of a table under the names that people give them: a patient that is passed over lies on both sides."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from colles.core.errors import TableError
from colles.core.progress import say
from colles.core.tables import require_columns

_ALIASES = {
    **dict.fromkeys(("patient", "patid", "patnr", "pid", "mrn", "subject", "subjectid", "person"), "patient_id"),
    **dict.fromkeys(
        ("personid", "patientnumber", "patientnr", "patientno", "patientenid", "patientennr"), "patient_id"
    ),
    **dict.fromkeys(("study", "studyinstanceuid", "studyuid", "accession", "accessionnumber", "exam"), "study_id"),
    **dict.fromkeys(("examid", "examination", "examinationid"), "study_id"),
    **dict.fromkeys(("group", "cluster", "clusterid"), "group_id"),
}
"""Letters and digits of a name, in small letters → column."""


def with_known_names(table: pl.DataFrame, known: tuple[str, ...], path: Path) -> pl.DataFrame:
    """Return a table whose columns have the names of `known` where they mean them, each such change said in a line.

    Raise `TableError` where two columns mean one thing.
    """
    require_columns(table, [name for name in known if name in table.columns], path=path)  # each once
    meant = {**{_bare(name): name for name in known}, **_ALIASES}
    renamed = {name: meant[_bare(name)] for name in table.columns if name not in known and _bare(name) in meant}
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


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
