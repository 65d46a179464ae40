"""How well the label is predicted without looking at bone: what a network could learn instead of fractures.

A small tree sees one property of the file at a time, in cross-validation by group; a boosted one sees all together.
Class names of boxes are never looked at: they exist on positives only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from colles.core.recipe import EvaluateRecipe
from colles.core.records import Estimate, Issue, Severity
from colles.datasets.audit.fold_groups import ALL, FOLDS, by_source, enough, with_fold_groups
from colles.evaluation.estimates import auroc_estimate
from colles.evaluation.scores import Scores

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Folds = list[tuple[Numbers, Numbers]]
"""Rows to learn from and rows to judge, a pair a fold."""

_REPLICATES = 500
_VALUES = 20  # of a category that are told apart
_NOTED, _WARNED = 0.55, 0.60  # lower bound of the AUROC from which a property is an issue, and a warning


@dataclass(frozen=True)
class Property:
    """Something about a file that says nothing about bone."""

    name: str
    columns: tuple[str, ...]
    advice: str


_RESIZE = "let preprocessing give every image one size, and report each size as a subgroup"
_GREY = "vary brightness and contrast in training, and report robustness to them"
_SAVE = "decode and save all files in one way, or compare sources apart"
PROPERTIES = (
    Property("file size", ("file_bytes",), _SAVE),
    Property("image width", ("width",), _RESIZE),
    Property("image height", ("height",), _RESIZE),
    Property("aspect ratio", ("aspect_ratio",), "letterbox to a square with a border of one grey"),
    Property("mean brightness", ("mean_grey",), _GREY),
    Property("spread of brightness", ("sd_grey",), _GREY),
    Property("colour mode", ("colour_mode",), "read every image as grey"),
    Property("JPEG tables", ("jpeg_tables", "jpeg_quality"), _SAVE),
    Property("border", ("border_grey", "border_width"), "crop borders, or mask them in a check"),
    Property("source", ("source",), "report each source apart; a pooled figure rewards telling sources apart"),
    Property("body part", ("body_part",), "report each body part apart"),
    Property("hardware", ("hardware",), "report figures without images of plates and screws"),
)
TOGETHER = Property("all of these together", (), "judge a model within one source, size and body part too")


_PLURAL = (TOGETHER.name, "JPEG tables")


@dataclass(frozen=True)
class Shortcut:
    """What one property predicts."""

    name: str
    over: str
    """A source's name, or `all sources`."""
    auroc: Estimate
    advice: str

    @property
    def sentence(self) -> str:
        """Say it plainly."""
        alone = "" if self.name == TOGETHER.name else " alone"
        verb = "reach" if self.name in _PLURAL else "reaches"
        value = f"{self.auroc.value:.2f} ({self.auroc.low:.2f}–{self.auroc.high:.2f})"
        where = "over all sources" if self.over == ALL else f"within {self.over}"
        name = self.name[0].upper() + self.name[1:]
        return f"{name}{alone} {verb} an AUROC of {value} {where}, without looking at bone"

    @property
    def severity(self) -> Severity | None:
        """None where the property predicts nothing to speak of."""
        low = self.auroc.low or 0.0
        return "warning" if low >= _WARNED else "info" if low >= _NOTED else None

    def to_json(self) -> dict[str, Any]:
        """Return the figure with its words."""
        return {
            "property": self.name,
            "over": self.over,
            "auroc": self.auroc.model_dump(mode="json"),
            "severity": self.severity,
            "sentence": self.sentence,
            "advice": self.advice,
        }


def find_shortcuts(frame: pl.DataFrame, clusters: pl.DataFrame) -> list[Shortcut]:
    """Measure every property over all sources and within each; `clusters` (image_id, group_id) keeps kin in one fold.

    Properties that are unknown or the same everywhere are left out.
    """
    import sklearn.ensemble  # noqa: F401  (a limit holds for the libraries that are there when it is set)
    from threadpoolctl import threadpool_limits

    rows = with_fold_groups(frame, clusters).with_columns(_aspect_ratio())
    # Trees this small gain nothing from threads, which wait for each other in a busy loop where a core is taken.
    with threadpool_limits(1):
        return [found for over, part in by_source(rows) for found in _measure(part, over)]


def shortcut_issues(found: Sequence[Shortcut]) -> Iterator[Issue]:
    """Yield an issue for every property that predicts the label, the strongest first."""
    ordered = sorted(found, key=lambda each: -(each.auroc.value or 0.0))
    for each in ordered:
        if each.severity is not None:
            detail = f"{each.sentence}; {each.advice}"
            yield Issue(kind="shortcut", severity=each.severity, images=(), detail=detail)


def _aspect_ratio() -> pl.Expr:
    return (pl.col("width") / pl.col("height")).alias("aspect_ratio")


def _measure(rows: pl.DataFrame, over: str) -> Iterator[Shortcut]:
    label = rows["label"].to_numpy().astype(int)
    groups = rows["fold_group"].rank("dense").cast(pl.Int64).to_numpy()
    tables: list[Floats] = []
    folds: dict[bytes, Folds] = {}
    for each in PROPERTIES:
        known = _known(rows, each)
        values = _values(rows, each)
        if values is None or not enough(label[known], groups[known]):
            continue
        tables.append(values)
        # Dealing groups out takes longer than the trees: once for all properties that are known of the same images.
        key = known.tobytes()
        parts = folds[key] = folds.get(key) or _folds(label[known], groups[known])
        yield _shortcut(each, over, values[known], label[known], groups[known], parts)
    if len(tables) > 1 and enough(label, groups):
        parts = folds.get(np.ones(len(label), bool).tobytes()) or _folds(label, groups)
        yield _shortcut(TOGETHER, over, np.concatenate(tables, axis=1), label, groups, parts)


def _folds(label: Numbers, groups: Numbers) -> Folds:
    from sklearn.model_selection import StratifiedGroupKFold

    return list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(label, label, groups))


def _known(rows: pl.DataFrame, each: Property) -> npt.NDArray[np.bool_]:
    # Whether hardware was noted at all says which source it is, so it is judged where it was.
    return np.asarray(rows[each.columns[0]].is_not_null().to_numpy())


def _values(rows: pl.DataFrame, each: Property) -> Floats | None:
    parts = [_numbers(rows[column]) for column in each.columns if column in rows.columns]
    found = [part for part in parts if part is not None]
    return np.concatenate(found, axis=1) if found else None


def _numbers(column: pl.Series) -> Floats | None:
    if column.drop_nulls().n_unique() < 2:
        return None
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return column.cast(pl.Float64).fill_null(float("nan")).to_numpy().reshape(-1, 1)
    counts = column.drop_nulls().value_counts(sort=True)[column.name].to_list()[:_VALUES]
    return np.stack([(column == value).fill_null(False).to_numpy().astype(float) for value in counts], axis=1)


def _shortcut(each: Property, over: str, values: Floats, label: Numbers, groups: Numbers, folds: Folds) -> Shortcut:
    scores = Scores.from_arrays(label, _out_of_fold(values, label, folds, each is TOGETHER), groups.astype(str))
    recipe = EvaluateRecipe(replicates=_REPLICATES)
    return Shortcut(each.name, over, auroc_estimate(scores, recipe), each.advice)


def _out_of_fold(values: Floats, label: Numbers, folds: Folds, together: bool) -> Floats:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.tree import DecisionTreeClassifier

    score = np.zeros(len(label))
    least = max(10, len(label) // 100)
    for train, test in folds:
        model = (
            HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, min_samples_leaf=20, random_state=0)
            if together
            else DecisionTreeClassifier(max_depth=4, min_samples_leaf=least, random_state=0)
        )
        score[test] = model.fit(values[train], label[train]).predict_proba(values[test])[:, 1]
    return score
