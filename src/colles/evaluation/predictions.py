"""The table that evaluation reads: a label and a score an image, from our own models or anybody's.

It comes from `colles train`, or from a stranger's CSV with `y_true` and `y_score`; it goes to `evaluate`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from colles.core.errors import CollesError, MissingInputError, TableError
from colles.core.names import SUBSET_WORDS
from colles.core.tables import has_values, read_table, require_columns, write_table
from colles.evaluation.foreign import with_known_names
from colles.evaluation.groups import GROUP_COLUMNS, group_column, with_groups, without_placeholders
from colles.evaluation.labels import parse_labels
from colles.evaluation.scores import FloatArray, Scores, group_codes, unit_scores

DEFAULT_SUBSET = "test"
"""Where a table names no subset, all its rows are test."""
TEXT_COLUMNS = ("image_id", "subset", "condition", *GROUP_COLUMNS)
_DIGEST_ROWS = 1 << 20
DIGEST_COLUMNS = ("image_id", "group_id", "subset", "condition", "y_true", "y_score")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Checked predictions: `y_true` (Int8: 1, 0, null), `y_score` (Float64, 0–1), optional image_id, group_id, subset.

    Without group_id, patient_id names the groups, else study_id. Further columns (source, body_part …) are kept for
    subgroups. Raise `TableError` naming the column and the repair.
    """

    frame: pl.DataFrame
    path: Path | None = None
    warnings: tuple[str, ...] = ()
    """What was done to the table on reading, in words."""
    groups_from: str | None = field(init=False, default=None)
    """The column that `group_id` was taken from; None where every row is its own group."""

    def __post_init__(self) -> None:
        try:
            frame, warnings, groups_from = _checked(self.frame)
        except CollesError as error:
            if error.path is None and self.path is not None:
                raise type(error)(error.message, path=self.path, field=error.field, repair=error.repair) from error
            raise
        object.__setattr__(self, "frame", frame)
        object.__setattr__(self, "groups_from", groups_from)
        object.__setattr__(self, "warnings", (*self.warnings, *warnings))

    @classmethod
    def load(cls, path: str | Path) -> Predictions:
        """Read predictions from CSV, Parquet, JSON or JSON lines."""
        file = Path(path)
        if file.is_file() and file.stat().st_size == 0:
            raise MissingInputError("the file is empty", path=file, repair="It needs the columns y_true and y_score")
        return cls(read_table(file, ("y_true", "y_score"), texts=TEXT_COLUMNS), file)

    def save(self, path: str | Path) -> Path:
        """Write the table."""
        return write_table(self.frame, path)

    def __len__(self) -> int:
        return self.frame.height

    @property
    def subsets(self) -> tuple[str, ...]:
        """Names of the subsets in the table."""
        return tuple(sorted(self.frame["subset"].unique().to_list()))

    def subset(self, name: str) -> Predictions:
        """Return the rows of one subset; raise `MissingInputError` where there are none."""
        word = name.strip().lower()
        rows = self.frame.filter(pl.col("subset") == SUBSET_WORDS.get(word, word))
        if rows.is_empty():
            raise MissingInputError(
                f"no rows of the subset {name!r}", path=self.path, repair=f"It has {', '.join(self.subsets)}"
            )
        return Predictions(rows, self.path)

    @property
    def digest(self) -> str:
        """Sha256 of labels, scores and ids, in the order of the rows."""
        columns = [name for name in DIGEST_COLUMNS if name in self.frame.columns]
        digest = hashlib.sha256()
        for number, part in enumerate(self.frame.select(columns).iter_slices(_DIGEST_ROWS)):
            digest.update(part.write_csv(include_header=number == 0).encode("utf-8"))
        return digest.hexdigest()

    @property
    def scores(self) -> Scores:
        """The labelled rows as arrays."""
        return to_scores(self.frame)


def to_scores(frame: pl.DataFrame) -> Scores:
    """Take labels, scores and groups out of a checked table, leaving out rows without a label."""
    rows = frame.filter(pl.col("y_true").is_not_null())
    groups = group_codes(rows["group_id"]) if "group_id" in rows.columns and rows.height else None
    return Scores(rows["y_true"].to_numpy().astype(bool), rows["y_score"].to_numpy().copy(), groups)


def _checked(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str], str | None]:
    require_columns(frame, ("y_true", "y_score"))
    if frame.is_empty():
        raise TableError("the table has no rows", repair="It needs a row an image")
    frame, warnings = with_known_names(frame)
    _refuse_lists(frame)
    scores, were_logits = unit_scores(_score_column(frame["y_score"]))
    if were_logits:
        doubt = "; none is negative, so divide by 100 if they are percentages" if (scores >= 0.5).all() else ""
        warnings.append(f"scores outside 0–1 were taken as logits and mapped by the sigmoid{doubt}")
    labels = parse_labels(frame["y_true"])
    texts = [pl.col(name).cast(pl.String) for name in TEXT_COLUMNS if name in frame.columns]
    checked = frame.with_columns(*texts, y_true=labels, y_score=pl.Series(scores))
    named, placeholders = without_placeholders(checked)
    checked, unnamed = _with_subset(with_groups(named))
    refuse_duplicates(checked)
    warnings += placeholders + unnamed
    if labels.null_count():
        warnings.append(f"{labels.null_count()} of {len(labels)} rows have no label and are left out")
    return checked, warnings, group_column(named)


def _refuse_lists(frame: pl.DataFrame) -> None:
    for name in (*TEXT_COLUMNS, "y_true", "y_score"):
        if name in frame.columns and not has_values(frame, name):
            raise TableError(
                f"holds {frame.schema[name]}, not single values", field=name, repair="Give one value a row"
            )


def _score_column(scores: pl.Series) -> FloatArray:
    numbers = scores.cast(pl.Float64, strict=False)
    bad = numbers.null_count()
    if bad:
        odd = scores.filter(numbers.is_null()).cast(pl.String).drop_nulls().unique(maintain_order=True).head(3)
        shown = f" ({', '.join(repr(value) for value in odd.to_list())})" if len(odd) else ""
        raise TableError(
            f"{bad} of {len(scores)} scores are missing or not numbers{shown}",
            field="y_score",
            repair="Leave those rows out, or score them again",
        )
    return numbers.to_numpy()


def _with_subset(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows with a subset each, and a warning where only some of them name one."""
    if "subset" not in frame.columns:
        return frame.with_columns(subset=pl.lit(DEFAULT_SUBSET)), []
    word = pl.col("subset").str.strip_chars().str.to_lowercase()
    named = frame.with_columns(subset=pl.when(word != "").then(word.replace(SUBSET_WORDS)))
    lacking, rows = named["subset"].null_count(), named.height
    some = 0 < lacking < rows
    said = [f"{lacking:,} of {rows:,} rows name no subset: taken as {DEFAULT_SUBSET}"] if some else []
    return named.with_columns(pl.col("subset").fill_null(DEFAULT_SUBSET)), said


def refuse_duplicates(frame: pl.DataFrame) -> None:
    """Raise `TableError` where an image stands on two rows of one condition."""
    if "image_id" not in frame.columns:
        return
    key = [name for name in ("image_id", "condition") if name in frame.columns]
    named = frame.filter(pl.col("image_id").is_not_null())
    repeated = named.filter(pl.struct(key).is_duplicated())
    if repeated.height:
        raise TableError(
            f"{repeated['image_id'].n_unique()} ids stand on more than one row, first {repeated['image_id'][0]!r}",
            field="image_id",
            repair="Keep one row an image",
        )
