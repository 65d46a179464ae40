"""Read labels in the forms in which people write them: 1 and 0, true and false, fracture and normal."""

from __future__ import annotations

import polars as pl

from colles.core.errors import TableError

YES = frozenset(("1", "1.0", "true", "t", "yes", "y"))
NO = frozenset(("0", "0.0", "false", "f", "no", "n"))
POSITIVE = YES | frozenset(("pos", "positive", "fracture", "fractured", "fractures", "broken", "abnormal"))
NEGATIVE = NO | frozenset(
    (
        "neg",
        "negative",
        "normal",
        "healthy",
        "intact",
        "no_fracture",
        "non_fracture",
        "non_fractured",
        "not_fractured",
        "unfractured",
        "nofracture",
        "nonfractured",
    )
)
MISSING = frozenset(("", "null", "none", "na", "n/a", "unknown", "?"))


def parse_labels(labels: pl.Series) -> pl.Series:
    """Return labels as 1, 0 and null (unknown).

    Raise `TableError` naming the number of rows that are NaN, or the values that are none of these.
    """
    if labels.dtype.is_float():
        _refuse_nan(labels.is_nan())
    if labels.dtype.is_numeric() or labels.dtype == pl.Boolean:
        numbers = labels.cast(pl.Float64)
        _refuse_unknown(labels, numbers.is_in([0.0, 1.0]) | numbers.is_null())
        return numbers.cast(pl.Int8)
    if labels.dtype == pl.Null:
        return labels.cast(pl.Int8)
    words = _words(labels)
    known = {**dict.fromkeys(POSITIVE, 1), **dict.fromkeys(NEGATIVE, 0)}
    parsed = words.replace_strict(known, default=None, return_dtype=pl.Int8)
    _refuse_nan(words == "nan")
    understood = parsed.is_not_null() | words.is_null() | words.is_in(list(MISSING))
    _refuse_unknown(labels, understood & ~words.is_in(_either(words)).fill_null(False))
    return parsed


def parse_answers(answers: pl.Series) -> pl.Series:
    """Return answers to a yes-or-no question, written as labels may be, as true, false and null (unknown)."""
    if answers.dtype == pl.Boolean:
        return answers
    known = {**dict.fromkeys(YES, True), **dict.fromkeys(NO, False)}
    return _words(answers).replace_strict(known, default=None, return_dtype=pl.Boolean)


def _words(values: pl.Series) -> pl.Series:
    return values.cast(pl.String).str.strip_chars().str.to_lowercase().str.replace_all(r"[\s\-]+", "_")


def _either(words: pl.Series) -> list[str]:
    # F alone is a fracture beside N, as likely as false; `none` where nothing else says no may say it.
    found = set(words.unique().drop_nulls())
    letters = found & {"t", "f"}
    return [*(letters if len(letters) == 1 else ()), *({"none"} & found if not found & NEGATIVE else ())]


def _refuse_nan(bad: pl.Series) -> None:
    if bad.any():
        raise TableError(
            f"{bad.sum()} of {len(bad)} labels are NaN",
            field="y_true",
            repair="Leave those rows out, or leave the cell empty if the label is unknown",
        )


def _refuse_unknown(labels: pl.Series, known: pl.Series) -> None:
    if known.all():
        return
    odd = labels.filter(~known)
    shown = ", ".join(repr(value) for value in odd.unique(maintain_order=True).head(5).to_list())
    raise TableError(
        f"{len(odd)} of {len(labels)} labels are not understood: {shown}",
        field="y_true",
        repair="Use 1 (fracture) and 0 (no fracture)",
    )
