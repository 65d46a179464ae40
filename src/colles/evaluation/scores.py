"""Labels, scores and groups as checked arrays: what every metric of this room reads.

They come from `Predictions` or from a caller's own arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from colles.core.errors import TableError
from colles.evaluation.labels import parse_labels

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LARGEST_LOGIT = 36.0
"""Above it the sigmoid of double precision is 1.0 and the order of the scores is lost."""
SMALLEST_LOGIT = -700.0
"""Below it the exponential overflows and the sigmoid is 0."""
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """One row an image: label, score (0–1) and group."""

    y_true: BoolArray
    y_score: FloatArray
    groups: IntArray | None = None
    """Codes 0…G−1 (patients, duplicate clusters); None where every row is its own group."""

    @classmethod
    def from_arrays(cls, y_true: ArrayLike, y_score: ArrayLike, groups: ArrayLike | None = None) -> Scores:
        """Check and convert arrays of equal length; raise `TableError` naming what is wrong and how to mend it."""
        labels = parse_labels(pl.Series("y_true", _column(y_true, "y_true")))
        if labels.null_count():
            raise TableError(
                f"{labels.null_count()} of {len(labels)} labels are missing", field="y_true", repair="Leave them out"
            )
        values, _ = unit_scores(_floats(y_score))
        if len(values) != len(labels):
            raise TableError(f"{len(labels)} labels but {len(values)} scores", repair="Give one score a label")
        if groups is None:
            return cls(labels.to_numpy().astype(bool), values)
        named = pl.Series("group_id", _column(groups, "group_id"))
        if len(named) != len(labels):
            raise TableError(f"{len(labels)} labels but {len(named)} groups", repair="Give one group a label")
        return cls(labels.to_numpy().astype(bool), values, group_codes(named))

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.y_true)

    @property
    def n_positive(self) -> int:
        """Number of fractures."""
        return int(self.y_true.sum())

    @property
    def has_both_classes(self) -> bool:
        """Tell whether there are fractures and others."""
        return 0 < self.n_positive < self.n

    def n_groups(self, rows: BoolArray | None = None) -> int:
        """Count the groups among all rows, or among those that `rows` marks."""
        if self.groups is None:
            return self.n if rows is None else int(rows.sum())
        seen = np.zeros(int(self.groups.max()) + 1 if len(self.groups) else 0, dtype=bool)
        seen[self.groups if rows is None else self.groups[rows]] = True
        return int(seen.sum())

    def where(self, rows: BoolArray) -> Scores:
        """Return the marked rows."""
        groups = None if self.groups is None else dense(self.groups[rows])
        return Scores(self.y_true[rows], self.y_score[rows], groups)

    def with_score(self, y_score: FloatArray) -> Scores:
        """Return the same rows with other scores."""
        return Scores(self.y_true, y_score, self.groups)


def group_codes(groups: pl.Series) -> IntArray | None:
    """Number the groups in the order of their names; None where no two rows share one.

    A missing group is a group of its own.
    """
    known = groups.fill_nan(None) if groups.dtype.is_float() else groups
    # numpy and pandas write a missing name as NaN.
    named = known.cast(pl.String).replace("nan", None)
    if named.null_count():
        own = pl.Series([f"\0{row}" for row in range(len(named))])
        named = named.fill_null(own)
    return dense(named.rank("dense").to_numpy().astype(np.int64))


def name_codes(names: Sequence[str]) -> IntArray | None:
    """Number the groups of named rows, as `group_codes` does."""
    return group_codes(pl.Series(names, dtype=pl.String))


def dense(codes: IntArray) -> IntArray | None:
    """Renumber codes as 0…G−1, keeping their order; None where all differ."""
    distinct, renumbered = np.unique(codes, return_inverse=True)
    return None if len(distinct) == len(codes) else renumbered.astype(np.int64)


def unit_scores(y_score: FloatArray) -> tuple[FloatArray, bool]:
    """Return scores between 0 and 1, and whether they were logits that the sigmoid had to map there.

    Raise `TableError` for NaN, infinities, and values that are neither probabilities nor logits.
    """
    bad = int((~np.isfinite(y_score)).sum())
    if bad:
        raise TableError(
            f"{bad} of {len(y_score)} scores are missing, NaN or infinite",
            field="y_score",
            repair="Leave those rows out, or score them again",
        )
    if not len(y_score) or (y_score.min() >= -_ROUNDING and y_score.max() <= 1 + _ROUNDING):
        return np.clip(y_score, 0.0, 1.0), False
    if y_score.max() > LARGEST_LOGIT or y_score.min() < SMALLEST_LOGIT:
        raise TableError(
            f"scores run from {y_score.min():g} to {y_score.max():g}, which are neither probabilities nor logits",
            field="y_score",
            repair="Divide by 100 if they are percentages",
        )
    return 1.0 / (1.0 + np.exp(-y_score)), True


def _floats(values: ArrayLike) -> FloatArray:
    try:
        return _flat(values, "y_score").astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TableError(f"not numbers ({error})", field="y_score", repair="Give one number a row") from error


def _column(values: ArrayLike, field: str) -> list[Any] | NDArray[Any]:
    array = _flat(values, field)
    return array if array.dtype.kind in "biuf" else [None if v is None else str(v) for v in array.tolist()]


def _flat(values: ArrayLike, field: str) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise TableError(f"has the shape {array.shape}", field=field, repair="Give one value a row")
    return array
