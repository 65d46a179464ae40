"""From predictions to `evaluation.json`: thresholds and calibration from val, intervals on every figure."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from colles.core.errors import TableError
from colles.core.recipe import EvaluateRecipe
from colles.evaluation.groups import group_column, group_warnings, with_groups
from colles.evaluation.judge import judge_subset, optimism
from colles.evaluation.levels import judge_levels
from colles.evaluation.locked import lock
from colles.evaluation.metrics.bootstrap import affordable_replicates
from colles.evaluation.predictions import Predictions, to_scores
from colles.evaluation.results import Evaluation, PredictionsSummary, SubsetResult
from colles.evaluation.robustness import clean_rows, judge_conditions, with_perturbed
from colles.evaluation.scores import Scores
from colles.evaluation.subgroups import CATALOG_COLUMNS, few_warning, subgroups


def evaluate(
    predictions: Predictions,
    recipe: EvaluateRecipe,
    *,
    catalog_frame: pl.DataFrame | None = None,
    perturbed: Predictions | None = None,
) -> Evaluation:
    """Judge predictions; columns of `catalog_frame`, joined on image_id, make subgroups. Images that it lacks are told.

    Rows with a `condition`, in `predictions` or apart in `perturbed`, are judged beside the unchanged images.
    Without a usable val the points are chosen on the subset that is judged, which a warning says. Raise `TableError`
    where no row has a label, or the catalog knows no image.
    """
    known, lacking = _with_catalog(predictions, catalog_frame)
    frame = with_perturbed(with_groups(known), perturbed).filter(pl.col("y_true").is_not_null())
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
    levels, level_warnings = judge_levels(by_subset, recipe)
    summary = PredictionsSummary(
        digest=predictions.digest, n=len(predictions), columns=tuple(predictions.frame.columns)
    )
    return Evaluation(
        predictions=summary,
        operating_points=locked.points,
        calibration=locked.calibrator,
        subsets=subsets,
        subgroups=tuple(groups),
        robustness=tuple(judge_conditions(frame, locked.points, recipe)),
        levels=levels,
        optimism=optimism(subsets),
        warnings=(
            *predictions.warnings,
            *_catalog_warnings(lacking, known.height),
            *group_warnings(group_column(known), by_subset),
            *locked.warnings,
            *_few_warnings(scores, subsets, recipe),
            *level_warnings,
        ),
    )


def evaluate_scores(
    y_true: ArrayLike, y_score: ArrayLike, groups: ArrayLike | None = None, *, recipe: EvaluateRecipe | None = None
) -> Evaluation:
    """Judge arrays (N,) of labels and scores as the subset `test`; `groups` (N,) names patients or studies.

    There is no val, so the point `default` lies at 0.5 and all others are chosen on the data they are judged on.
    """
    scores = Scores.from_arrays(y_true, y_score, groups)
    # The scores as they came: the table says what it does to them.
    columns = {"y_true": scores.y_true.astype("int8"), "y_score": np.asarray(y_score, dtype=np.float64).ravel()}
    if scores.groups is not None:
        columns["group_id"] = scores.groups
    return evaluate(Predictions(pl.DataFrame(columns)), recipe or EvaluateRecipe())


def _with_catalog(predictions: Predictions, catalog: pl.DataFrame | None) -> tuple[pl.DataFrame, int]:
    """Return the rows with the catalog's columns, and how many of them it lacks."""
    # Without the groups that only stand in for those of a catalog.
    own = predictions.groups_from == "group_id"
    frame = predictions.frame if own else predictions.frame.drop("group_id", strict=False)
    if catalog is None:
        return frame, 0
    if "image_id" not in frame.columns:
        raise TableError("lacks the column 'image_id', by which the catalog is joined", repair="Leave --catalog out")
    lacking = frame.join(catalog.select("image_id"), on="image_id", how="anti").height
    if lacking == frame.height:
        raise TableError(
            f"the catalog knows none of its {lacking:,} images (it has {_first(catalog)}, the table {_first(frame)})",
            path=predictions.path, field="image_id",
            repair="Name the catalog of these images and its image_id on each row, or leave --catalog out",
        )  # fmt: skip
    new = [name for name in CATALOG_COLUMNS if name in catalog.columns and name not in frame.columns]
    return frame.join(catalog.select("image_id", *new), on="image_id", how="left", maintain_order="left"), lacking


def _first(frame: pl.DataFrame) -> str:
    return f"such as {frame['image_id'][0]!r}" if frame.height else "none"


def _catalog_warnings(lacking: int, images: int) -> list[str]:
    return [f"the catalog lacks {lacking:,} of {images:,} images: its columns are empty for them"] if lacking else []


def _ordered(frame: pl.DataFrame) -> list[str]:
    names = frame["subset"].unique().to_list()
    known = [name for name in ("val", "test", "external", "train") if name in names]
    return known + sorted(set(names) - set(known))


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
