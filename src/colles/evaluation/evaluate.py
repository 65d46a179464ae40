"""From predictions to `evaluation.json`: thresholds and calibration from val, intervals on every figure."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from numpy.typing import ArrayLike

from colles.core.errors import TableError
from colles.core.recipe import EvaluateRecipe
from colles.core.records import Estimate, OperatingPoint
from colles.evaluation.calibration import Calibrator
from colles.evaluation.curves import curves
from colles.evaluation.estimates import calibration_estimates, proportion, ranking_estimates
from colles.evaluation.metrics.bootstrap import affordable_replicates
from colles.evaluation.metrics.confusion import confusion_at
from colles.evaluation.operating import certainty_estimates, choose_operating_points, default_point
from colles.evaluation.point_estimates import point_estimates
from colles.evaluation.predictions import Predictions, to_scores
from colles.evaluation.results import Evaluation, PointResult, PredictionsSummary, SubsetResult
from colles.evaluation.robustness import clean_rows, judge_conditions
from colles.evaluation.scores import Scores
from colles.evaluation.subgroups import CATALOG_COLUMNS, few_warning, subgroups

CHOOSES = "val"
JUDGED_FIRST = ("test", "external", "val", "train")
SELF_CHOSEN = "threshold chosen on the data it is judged on"


@dataclass(frozen=True, slots=True)
class Locked:
    """What travels with the weights: operating points and calibration, and what is to be said about them."""

    points: dict[str, OperatingPoint]
    calibrator: Calibrator | None
    warnings: tuple[str, ...]


def evaluate(
    predictions: Predictions, recipe: EvaluateRecipe, *, catalog_frame: pl.DataFrame | None = None
) -> Evaluation:
    """Judge predictions; columns of `catalog_frame`, joined on image_id, make subgroups.

    Without a usable val the points are chosen on the subset that is judged, which a warning says. Raise `TableError`
    where no row has a label.
    """
    frame = _with_catalog(predictions.frame, catalog_frame).filter(pl.col("y_true").is_not_null())
    if frame.is_empty():
        raise TableError("no row has a label", path=predictions.path, field="y_true", repair="Give 1 and 0")
    clean = clean_rows(frame)
    if clean.is_empty():
        raise TableError("every row has a condition", path=predictions.path, field="condition",
                         repair="Add the predictions of the unchanged images, with an empty condition")  # fmt: skip
    by_subset = {name: clean.filter(pl.col("subset") == name) for name in _ordered(clean)}
    scores = {name: to_scores(rows) for name, rows in by_subset.items()}
    locked = lock(scores, recipe)
    subsets = {name: judge_subset(part, name, locked, recipe) for name, part in scores.items()}
    groups = [
        g for name, rows in by_subset.items() if name != "train" for g in subgroups(rows, name, locked.points, recipe)
    ]
    groups += judge_conditions(frame, locked.points, recipe)
    summary = PredictionsSummary(
        digest=predictions.digest, n=len(predictions), columns=tuple(predictions.frame.columns)
    )
    return Evaluation(
        predictions=summary,
        operating_points=locked.points,
        calibration=locked.calibrator,
        subsets=subsets,
        subgroups=tuple(groups),
        optimism=_optimism(subsets),
        warnings=(*predictions.warnings, *locked.warnings, *_few_warnings(scores, subsets, recipe)),
    )


def evaluate_scores(
    y_true: ArrayLike, y_score: ArrayLike, groups: ArrayLike | None = None, *, recipe: EvaluateRecipe | None = None
) -> Evaluation:
    """Judge arrays (N,) of labels and scores as the subset `test`; `groups` (N,) names patients or studies.

    There is no val, so the point `default` lies at 0.5 and all others are chosen on the data they are judged on.
    """
    scores = Scores.from_arrays(y_true, y_score, groups)
    columns = {"y_true": scores.y_true.astype("int8"), "y_score": scores.y_score}
    if scores.groups is not None:
        columns["group_id"] = scores.groups
    return evaluate(Predictions(pl.DataFrame(columns)), recipe or EvaluateRecipe())


def lock(scores: dict[str, Scores], recipe: EvaluateRecipe) -> Locked:
    """Choose operating points and calibration on val; without a usable one, points on the first subset judged."""
    val = scores.get(CHOOSES)
    if val is not None and val.has_both_classes:
        points = choose_operating_points(val, chosen_on=CHOOSES, recipe=recipe)
        missed = tuple(
            f"{p.name}: {p.criterion} cannot be reached on {CHOOSES}" for p in points.values() if not p.reached
        )
        calibrator, failed = _calibrate(val, recipe)
        return Locked(points, calibrator, (*missed, *failed))
    name = next((n for n in (*JUDGED_FIRST, *scores) if n in scores and scores[n].has_both_classes), None)
    first = next(iter(scores.values()))
    why = "there is no val" if val is None else "val holds one class only"
    if name is None:
        return Locked({"default": default_point(first)}, None, (f"{why}, so only the threshold 0.5 is judged",))
    points = {"default": default_point(scores[name])}
    points |= choose_operating_points(scores[name], chosen_on=name, recipe=recipe)
    said = f"{', '.join(n for n in points if n != 'default')}: {SELF_CHOSEN} ({name}), because {why}"
    return Locked(points, None, (said,))


def _calibrate(val: Scores, recipe: EvaluateRecipe) -> tuple[Calibrator | None, tuple[str, ...]]:
    if recipe.calibration == "none":
        return None, ()
    try:
        fitted = Calibrator.fit(val.y_true, val.y_score, method=recipe.calibration, fitted_on=CHOOSES)
    except TableError as error:
        return None, (f"not calibrated: {error.message}",)
    if fitted.slope <= 0:
        return None, (f"not calibrated: on {CHOOSES}, higher scores do not mean more fractures",)
    return fitted, ()


def judge_subset(scores: Scores, name: str, locked: Locked, recipe: EvaluateRecipe) -> SubsetResult:
    """Judge one subset at locked operating points and calibration."""
    probability = scores.y_score if locked.calibrator is None else locked.calibrator.transform(scores.y_score)
    figures = ranking_estimates(scores, recipe)
    figures |= calibration_estimates(scores, probability, recipe)
    if locked.calibrator is not None:
        raw = calibration_estimates(scores, scores.y_score, recipe)
        figures |= {"brier_score_uncalibrated": raw["brier"], "ece_uncalibrated": raw["ece"]}
    figures["prevalence"] = proportion(scores.y_true, scores, scores.y_true | True, level=recipe.level)
    figures |= certainty_estimates(scores, locked.points, level=recipe.level)
    points = {
        key: PointResult(
            threshold=point.threshold,
            confusion=confusion_at(scores.y_true, scores.y_score, point.threshold),
            figures=point_estimates(scores, point.threshold, recipe),
            chosen_here=point.chosen_on == name,
        )
        for key, point in locked.points.items()
    }
    return SubsetResult(
        n=scores.n, n_positive=scores.n_positive, n_groups=scores.n_groups(), figures=figures,
        operating_points=points, curves=curves(scores, probability, level=recipe.level),
    )  # fmt: skip


def _with_catalog(frame: pl.DataFrame, catalog: pl.DataFrame | None) -> pl.DataFrame:
    if catalog is None:
        return frame
    if "image_id" not in frame.columns:
        raise TableError("lacks the column 'image_id', by which the catalog is joined", repair="Leave --catalog out")
    new = [name for name in CATALOG_COLUMNS if name in catalog.columns and name not in frame.columns]
    return frame.join(catalog.select("image_id", *new), on="image_id", how="left", maintain_order="left")


def _ordered(frame: pl.DataFrame) -> list[str]:
    names = frame["subset"].unique().to_list()
    known = [name for name in ("val", "test", "external", "train") if name in names]
    return known + sorted(set(names) - set(known))


def _optimism(subsets: dict[str, SubsetResult]) -> dict[str, dict[str, float]]:
    if CHOOSES not in subsets or "test" not in subsets:
        return {}
    val, test = subsets[CHOOSES].operating_points, subsets["test"].operating_points
    return {name: _minus(val[name].figures, test[name].figures) for name in val}


def _minus(first: dict[str, Estimate], second: dict[str, Estimate]) -> dict[str, float]:
    pairs = {name: (first[name].value, second[name].value) for name in first}
    return {name: a - b for name, (a, b) in pairs.items() if a is not None and b is not None}


def _few_warnings(scores: dict[str, Scores], subsets: dict[str, SubsetResult], recipe: EvaluateRecipe) -> list[str]:
    said = []
    for name, part in scores.items():
        few = few_warning(part)
        if few is not None:
            auroc = subsets[name].figures["auroc"]
            said.append(f"{name}: {few}" + (f" (AUROC {auroc})" if auroc.value is not None else ""))
        replicates = affordable_replicates(part.n, recipe.replicates)
        if replicates < recipe.replicates:
            said.append(
                f"{name}: {replicates} bootstrap replicates instead of {recipe.replicates} for {part.n:,} images"
            )
    return said


__all__ = ["Evaluation", "evaluate", "evaluate_scores"]
