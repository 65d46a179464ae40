"""When two rows of a catalog, or of predictions, mean one patient, study or base name: equal ids in equal scopes.

Plain ids hold within their source, and a study that several patients have in name (1, 2, …) within its patient.
Pseudonyms hold wherever the same salt was used (`id_scope`): folders of one archive share them.
"""

from __future__ import annotations

import re
from unicodedata import normalize

import polars as pl

KEYS = {"patient_id": "patient_key", "study_id": "study_key", "base_name": "base_key"}
"""Column of an id → column of `with_keys` that is equal where the same thing is meant."""
_NEEDED = ("source", "id_scope", *KEYS)
# Ids that stand for many patients: grouping by them would make one giant. With a number (ANON0001) they name one.
_NOBODY = re.compile(
    r"^\W*(anon[^\W\d]*|unknown|none|null|nan|n/?a|not ?available|patient|test|x+|0+|\?+|-+)?\W*$", re.I
)

_NUMBER = r"^0*(\d+)(?:\.0+)?$"


def known_id(text: str | None, *, numbered: bool = False) -> str | None:
    """Return the id of a patient or study, None where it stands for nobody (`ANONYMOUS`, `0` and the like).

    With `numbered` a plain number is an id, 0 too: a table may number its patients from there.
    """
    if text is None or (numbered and text.strip().isdigit()):
        return text
    return None if _NOBODY.match(text) else text


def one_spelling(text: str) -> str:
    """Return what all spellings of an id have in common: blanks, case, leading zeros and a decimal `.0` are nothing.

    Nor is how Unicode writes a letter or digit: an accent apart (as macOS does in names), a digit in full width.
    """
    return re.sub(_NUMBER, r"\1", normalize("NFKC", text).strip().lower())


def with_keys(frame: pl.DataFrame, *, as_written: bool = False) -> pl.DataFrame:
    """Add the columns of `KEYS`, null where the id is; a table without sources is one source.

    Give the whole table: whether a study's name is one patient's own is told by the other rows. Ids of `one_spelling`
    mean one thing, but `as_written`: a spreadsheet makes 7 of 007.
    """
    missing = [pl.lit(None, pl.String).alias(name) for name in _NEEDED if name not in frame.columns]
    rows = frame.with_columns(missing).with_columns(pl.col(*_NEEDED).cast(pl.String))
    if not as_written:
        spelling = pl.col("patient_id", "study_id").str.normalize("NFKC").str.strip_chars().str.to_lowercase()
        rows = rows.with_columns(spelling.str.replace(_NUMBER, "$1"))
    rows = rows.with_columns(pl.coalesce("id_scope", "source", pl.lit("")).alias("patient_key"))
    patients = pl.col("patient_id").drop_nulls().n_unique().over("patient_key", "study_id")
    numbered = pl.col("id_scope").is_null() & (patients > 1)
    owner = pl.when(numbered).then(pl.col("patient_id").fill_null("")).otherwise(pl.lit(""))
    rows = rows.with_columns(_joined("patient_key", owner, "study_id").alias("study_key"))
    keys = rows.with_columns(
        _joined("patient_key", "patient_id").alias("patient_key"),
        _joined(pl.col("source").fill_null(""), "base_name").alias("base_key"),
    ).select(KEYS.values())
    return frame.with_columns(keys)


def _joined(*parts: str | pl.Expr) -> pl.Expr:
    return pl.concat_str(*parts, separator="\0")
