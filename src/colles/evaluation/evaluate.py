"""Predictions to an evaluation: operating points chosen on val, an interval on every figure, subsets and subgroups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, ValidationError

from colles.core.errors import TableError
from colles.core.files import read_json, write_json
from colles.core.recipe import EvaluateRecipe
from colles.core.records import SUBSETS, Estimate, OperatingPoint
from colles.evaluation.calibration import Calibrator
from colles.evaluation.curves import Curve, make_curves
from colles.evaluation.figures import Sample, judge
from colles.evaluation.metrics.confusion import confusion_counts
from colles.evaluation.operating import choose_operating_points, digest_scores
from colles.evaluation.predictions import Predictions
from colles.evaluation.subgroups import split_subgroups

FEW = 10
"""Fewer images of a class than this make a figure that says next to nothing."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AtPoint(_Part):
    """What an operating point does to a set of images."""

    threshold: float
    confusion: dict[str, int]
    figures: dict[str, Estimate]


class SubsetEvaluation(_Part):
    """All figures of one subset."""

    n: int
    n_positive: int
    n_groups: int
    figures: dict[str, Estimate]
    operating_points: dict[str, AtPoint]
    curves: dict[str, Curve] = {}


class Subgroup(_Part):
    """All figures of the images of a subset that share a value of a column."""

    subset: str
    column: str
    value: str
    n: int
    n_positive: int
    n_groups: int
    figures: dict[str, Estimate]
    operating_points: dict[str, AtPoint]
    warning: str | None = None


class Evaluation(_Part):
    """What `evaluation.json` holds."""

    schema_version: int = 1
    predictions: dict[str, Any]
    operating_points: dict[str, OperatingPoint]
    calibration: Calibrator | None
    subsets: dict[str, SubsetEvaluation]
    subgroups: tuple[Subgroup, ...] = ()
    warnings: tuple[str, ...] = ()

    def save(self, path: str | Path) -> Path:
        """Write the evaluation as JSON."""
        return write_json(path, self.model_dump(mode="json"))

    @classmethod
    def load(cls, path: str | Path) -> Evaluation:
        """Read an evaluation; raise `MissingInputError` or `TableError`."""
        try:
            return cls.model_validate(read_json(path))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            repair = "Make it again with `colles evaluate`"
            raise TableError(f"is not an evaluation ({first['msg']})", path=path, field=field, repair=repair) from error


def evaluate_scores(
    y_true: ArrayLike | Sequence[Any], y_score: ArrayLike, groups: Sequence[Any] | None = None
) -> Evaluation:
    """Judge scores that have no val set; the only subset is called `test`.

    `y_true` (n,) 1 or 0, `y_score` (n,) 0–1 or logits, `groups` (n,) any names of patients or clusters. Thresholds can
    only be chosen on the data that they are judged on, and a warning says so. Raise `TableError` for bad values.
    """
    columns: dict[str, Any] = {"y_true": list(np.asarray(y_true)), "y_score": list(np.asarray(y_score))}
    if groups is not None:
        columns["group_id"] = [str(group) for group in groups]
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise TableError("y_true, y_score and groups differ in length", repair="Give one of each for every image")
    return evaluate(Predictions.from_frame(pl.DataFrame(columns, strict=False)), EvaluateRecipe())


def evaluate(
    predictions: Predictions, recipe: EvaluateRecipe, *, catalog_frame: pl.DataFrame | None = None
) -> Evaluation:
    """Judge predictions; the catalog's columns become subgroups."""
    warnings = list(predictions.warnings)
    chosen_on, choosing = _choosing_set(predictions, warnings)
    y_true, y_score = choosing.y_true, choosing.y_score
    points = choose_operating_points(y_true, y_score, recipe, chosen_on=chosen_on)
    points |= _default_point(points, chosen_on, choosing)
    calibrator = None
    if recipe.calibration == "platt" and chosen_on == "val":
        calibrator = Calibrator.fit(y_true, y_score, fitted_on="val")
    subsets, subgroups = {}, []
    for name, part in _subsets(predictions):
        sample = Sample(part.y_true, part.y_score, part.groups, calibrator)
        subsets[name] = _judge_subset(sample, points, recipe)
        warnings += _few(name, sample)
        for column, value, rows in split_subgroups(part, catalog_frame):
            subgroups.append(_judge_subgroup(name, column, value, rows, points, recipe, calibrator))
    described = {"digest": predictions.digest, "n": len(predictions), "columns": predictions.frame.columns}
    return Evaluation(
        predictions=described,
        operating_points=points,
        calibration=calibrator,
        subsets=subsets,
        subgroups=tuple(subgroups),
        warnings=tuple(warnings),
    )


def _choosing_set(predictions: Predictions, warnings: list[str]) -> tuple[str, Predictions]:
    if "subset" in predictions.frame.columns:
        val = predictions.subset("val")
        if len(val):
            return "val", val
    name = "test"
    warnings.append(
        "There is no val subset: thresholds were chosen on the data that they are judged on, so figures at them are "
        "too good"
    )
    return name, predictions


def _default_point(
    points: dict[str, OperatingPoint], chosen_on: str, choosing: Predictions
) -> dict[str, OperatingPoint]:
    if chosen_on == "val" and points:
        return {}
    digest = digest_scores(choosing.y_true, choosing.y_score)
    fixed = OperatingPoint(name="default", threshold=0.5, criterion="0.5, given", chosen_on="none", digest=digest)
    return {"default": fixed}


def _subsets(predictions: Predictions) -> Iterator[tuple[str, Predictions]]:
    if "subset" not in predictions.frame.columns:
        yield "test", predictions
        return
    present = set(predictions.frame["subset"].drop_nulls().cast(pl.String))
    for name in (*SUBSETS, *sorted(present - set(SUBSETS))):
        if name in present:
            yield name, predictions.subset(name)


def _judge_points(
    sample: Sample, points: dict[str, OperatingPoint], figures: dict[str, dict[str, Estimate]]
) -> dict[str, AtPoint]:
    found = {}
    for name, point in points.items():
        counts = confusion_counts(sample.y_true, sample.y_score, point.threshold)
        confusion = {key: int(value[0]) for key, value in counts.items()}
        found[name] = AtPoint(threshold=point.threshold, confusion=confusion, figures=figures[name])
    return found


def _judge_subset(sample: Sample, points: dict[str, OperatingPoint], recipe: EvaluateRecipe) -> SubsetEvaluation:
    figures, at_points = judge(sample, points, recipe)
    return SubsetEvaluation(
        n=sample.n,
        n_positive=sample.n_positive,
        n_groups=sample.n_groups,
        figures=figures,
        operating_points=_judge_points(sample, points, at_points),
        curves=make_curves(sample.y_true, sample.y_score, sample.probability),
    )


def _judge_subgroup(
    subset: str,
    column: str,
    value: str,
    rows: Predictions,
    points: dict[str, OperatingPoint],
    recipe: EvaluateRecipe,
    calibrator: Calibrator | None,
) -> Subgroup:
    sample = Sample(rows.y_true, rows.y_score, rows.groups, calibrator)
    figures, at_points = judge(sample, points, recipe)
    few = _few(f"{column} {value} of {subset}", sample)
    return Subgroup(
        subset=subset,
        column=column,
        value=value,
        n=sample.n,
        n_positive=sample.n_positive,
        n_groups=sample.n_groups,
        figures=figures,
        operating_points=_judge_points(sample, points, at_points),
        warning=few[0] if few else None,
    )


def _few(name: str, sample: Sample) -> list[str]:
    smaller = min(sample.n_positive, sample.n - sample.n_positive)
    if smaller >= FEW:
        return []
    which = "fractured" if sample.n_positive == smaller else "not fractured"
    return [f"{name}: only {smaller} of {sample.n} images are {which}; its figures say next to nothing"]
