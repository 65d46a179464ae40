"""The table that evaluation reads: a row an image, labels and scores, from colles or from anybody."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from colles.core.errors import TableError
from colles.core.files import sha256_json
from colles.core.tables import read_table, require_columns, write_table

_POSITIVE = {"1", "1.0", "true", "fracture", "fractured", "positive", "yes", "abnormal"}
_NEGATIVE = {"0", "0.0", "false", "no_fracture", "non_fractured", "normal", "negative", "no", "not_fractured", "none"}


@dataclass(frozen=True)
class Predictions:
    """Labels and scores, with the groups they cluster in and the subset they belong to."""

    frame: pl.DataFrame
    """`y_true` Int8, `y_score` Float64 in 0–1; optional image_id, group_id, subset and any column of the catalog."""
    path: Path | None = None
    warnings: tuple[str, ...] = field(default=())
    """What had to be interpreted, such as scores that were logits."""

    @classmethod
    def load(cls, path: str | Path) -> Predictions:
        """Read a table with `y_true` and `y_score`; raise `MissingInputError` or `TableError`."""
        return cls.from_frame(read_table(path, ("y_true", "y_score")), path=Path(path))

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, path: Path | None = None) -> Predictions:
        """Check a table: labels become 0 and 1 (words are understood), scores outside 0–1 are taken as logits.

        Raise `TableError` for an empty table, a label or score that is missing or not understood, a repeated image_id.
        """
        require_columns(frame, ("y_true", "y_score"), path=path)
        if frame.is_empty():
            raise TableError("has no rows", path=path, repair="Write a row an image: y_true,y_score")
        y_true = _labels(frame["y_true"], path)
        y_score, warnings = _scores(frame["y_score"], path)
        checked = frame.with_columns(y_true=y_true, y_score=y_score)
        _assert_unique(checked, path)
        return cls(checked, path, warnings)

    def __len__(self) -> int:
        return self.frame.height

    def save(self, path: str | Path) -> Path:
        """Write the table; the ending chooses the form."""
        return write_table(self.frame, path)

    def subset(self, name: str) -> Predictions:
        """Return the rows of one subset; all rows where the table names none."""
        if "subset" not in self.frame.columns:
            return self
        return Predictions(self.frame.filter(pl.col("subset") == name), self.path, self.warnings)

    @property
    def y_true(self) -> NDArray[np.int8]:
        """Labels, (n,), 0 or 1."""
        return self.frame["y_true"].to_numpy()

    @property
    def y_score(self) -> NDArray[np.float64]:
        """Scores, (n,), 0–1."""
        return self.frame["y_score"].to_numpy()

    @property
    def groups(self) -> NDArray[np.int64]:
        """Group of each row as a number, (n,); each row its own where the table has no group_id."""
        if "group_id" not in self.frame.columns:
            return np.arange(self.frame.height)
        own = pl.Series([f"row {i}" for i in range(self.frame.height)])
        names = self.frame["group_id"].cast(pl.String).fill_null(own)
        return np.unique(names.to_numpy(), return_inverse=True)[1].astype(np.int64)

    @property
    def digest(self) -> str:
        """Digest of labels and scores (and ids and subsets where there are any), in any row order."""
        names = [name for name in ("image_id", "subset", "y_true", "y_score") if name in self.frame.columns]
        return sha256_json(self.frame.select(names).sort(names).rows())


def _labels(column: pl.Series, path: Path | None) -> pl.Series:
    words = column.cast(pl.String).str.strip_chars().str.to_lowercase()
    bad = column.filter(~words.is_in([*_POSITIVE, *_NEGATIVE]).fill_null(False))
    if len(bad):
        shown = ", ".join(repr(value) for value in bad.unique().to_list()[:3])
        repair = "Labels are 1 or 0 (or fracture, normal); leave rows of unknown label out"
        raise TableError(f"{len(bad)} labels are not understood ({shown})", path=path, field="y_true", repair=repair)
    return words.is_in(list(_POSITIVE)).cast(pl.Int8)


def _scores(column: pl.Series, path: Path | None) -> tuple[pl.Series, tuple[str, ...]]:
    values = column.cast(pl.Float64, strict=False)
    bad = int((values.is_null() | ~values.is_finite().fill_null(False)).sum())
    if bad:
        repair = "Fill them or leave the rows out"
        raise TableError(f"{bad} scores are not numbers", path=path, field="y_score", repair=repair)
    low, high = _range(values)
    if low >= 0.0 and high <= 1.0:
        return values, ()
    note = f"Scores lie between {low:.3g} and {high:.3g}: they are taken as logits and passed through a sigmoid"
    clipped = values.clip(-700, 700)
    return 1.0 / (1.0 + (-clipped).exp()), (note,)


def _range(values: pl.Series) -> tuple[float, float]:
    array = values.to_numpy()
    return float(array.min()), float(array.max())


def _assert_unique(frame: pl.DataFrame, path: Path | None) -> None:
    if "image_id" not in frame.columns:
        return
    keys: list[Any] = [name for name in ("image_id", "subset", "condition") if name in frame.columns]
    repeated = frame.filter(frame.select(keys).is_duplicated())
    if repeated.height:
        first = repeated["image_id"][0]
        repair = "Keep one row an image"
        raise TableError(f"{first!r} stands in several rows", path=path, field="image_id", repair=repair)
