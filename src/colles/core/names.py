"""Find the name that a mistyped one was meant to be, and what other names of subsets and columns mean."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

SUBSET_WORDS = {
    **{"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val"},
    **{"test": "test", "testing": "test"},
}
"""What people call the subsets, in small letters."""

SUBSET_COLUMNS = ("subset", "split", "set", "partition")
"""What people call the column that names them: letters and digits, in small letters."""

ID_ALIASES = {
    **dict.fromkeys(("patient", "patid", "patnr", "pid", "mrn", "subject", "subjectid", "person"), "patient_id"),
    **dict.fromkeys(
        ("personid", "patientnumber", "patientnr", "patientno", "patientenid", "patientennr"), "patient_id"
    ),
    **dict.fromkeys(("study", "studyinstanceuid", "studyuid", "accession", "accessionnumber", "exam"), "study_id"),
    **dict.fromkeys(("examid", "examination", "examinationid"), "study_id"),
    **dict.fromkeys(("group", "cluster", "clusterid"), "group_id"),
}
"""Letters and digits of a name, in small letters → column."""


def bare(name: str) -> str:
    """Return the letters and digits of a column's name, in small letters."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name nearest to `name`, or None where none is near."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def suggest(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return the repair of a mistyped name: the known name nearest to it, or `otherwise` where none is near."""
    guess = nearest(name, known)
    return f"Did you mean {guess!r}?" if guess else otherwise
