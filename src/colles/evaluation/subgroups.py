"""Parts of a subset that a reader asks for: source, body part, view, hardware, age, sizes of image and fracture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from colles.core.recipe import EvaluateRecipe
from colles.core.records import OperatingPoint
from colles.core.tables import has_values
from colles.evaluation.estimates import FEW, ranking_estimates
from colles.evaluation.labels import parse_answers
from colles.evaluation.metrics.confusion import confusion_at
from colles.evaluation.metrics.ranking import RANKING_FIGURES
from colles.evaluation.point_estimates import share_estimates
from colles.evaluation.predictions import to_scores
from colles.evaluation.results import PointResult, Subgroup
from colles.evaluation.scores import Scores
from colles.evaluation.sizes import AGE, AGE_BAND, IMAGE_SIZE, SIZE_COLUMNS, lesion_rows, with_ages, with_sizes

COLUMNS = ("source", "body_part", "view", "manufacturer", "sex", "label_certainty", AGE_BAND, IMAGE_SIZE)
"""Columns of which every value is a subgroup."""
HARDWARE = "hardware"
UPPER_LIMB = "upper_limb"
BY_SOURCE = "source × upper_limb"
CATALOG_COLUMNS = (*COLUMNS, HARDWARE, UPPER_LIMB, AGE, *SIZE_COLUMNS, "group_id", "study_id", "patient_id", "id_scope")
MAX_VALUES = 40
"""A column with more values is an identifier, not a subgroup."""
FIGURES = ("auroc", "average_precision")

Part = tuple[str, str, pl.DataFrame]


def subgroups(
    frame: pl.DataFrame, subset: str, points: Mapping[str, OperatingPoint], recipe: EvaluateRecipe
) -> list[Subgroup]:
    """Judge every subgroup of one subset's labelled rows at operating points chosen elsewhere."""
    return [
        judge_subgroup(part, subset, column, value, points, recipe)
        for column, value, part in subgroup_rows(with_ages(with_sizes(frame)))
        if part.height or column == HARDWARE
    ]


def subgroup_rows(frame: pl.DataFrame) -> Iterator[Part]:
    """Yield (column, value, rows) of every subgroup that the columns allow; unknown values belong to none."""
    for column in COLUMNS:
        yield from _by_value(frame, column)
    plates = parse_answers(frame[HARDWARE]) if has_values(frame, HARDWARE) else None
    if plates is not None and plates.is_not_null().any():
        # Both, where a source tells at all: a reader must see that a figure is missing, since plates are a shortcut.
        for shown in (True, False):
            yield HARDWARE, str(shown).lower(), frame.filter((plates == shown).fill_null(False))
    yield from lesion_rows(frame)
    if has_values(frame, UPPER_LIMB):
        limbs = frame.filter(parse_answers(frame[UPPER_LIMB]).fill_null(False))
        yield UPPER_LIMB, UPPER_LIMB, limbs
        for _, value, rows in _by_value(limbs, "source"):
            yield BY_SOURCE, value, rows


def _by_value(frame: pl.DataFrame, column: str) -> Iterator[Part]:
    if not has_values(frame, column):
        return
    texts = frame[column].cast(pl.String)
    values = frame[column].drop_nulls().unique().sort().cast(pl.String).to_list()
    if len(values) > MAX_VALUES:
        return
    for value in values:
        yield column, value, frame.filter((texts == value).fill_null(False))


def judge_subgroup(
    rows: pl.DataFrame,
    subset: str,
    column: str,
    value: str,
    points: Mapping[str, OperatingPoint],
    recipe: EvaluateRecipe,
) -> Subgroup:
    """Judge one subgroup."""
    scores = to_scores(rows)
    figures = ranking_estimates(scores, recipe, {name: RANKING_FIGURES[name] for name in FIGURES})
    found = {
        name: PointResult(
            threshold=point.threshold,
            confusion=confusion_at(scores.y_true, scores.y_score, point.threshold),
            figures=share_estimates(scores, point.threshold, recipe),
            chosen_here=point.chosen_on == subset,
        )
        for name, point in points.items()
    }
    return Subgroup(
        subset=subset, column=column, value=value, n=scores.n, n_positive=scores.n_positive,
        n_groups=scores.n_groups(), figures=figures, operating_points=found, warning=few_warning(scores),
    )  # fmt: skip


def few_warning(scores: Scores, units: tuple[str, str] = ("image", "images")) -> str | None:
    """Say in plain words that a class is absent or has fewer than ten rows or groups; None where it does not.

    `units` are one and many of what a row is.
    """
    if not scores.n:
        return f"no {units[0]} at all, so there is no figure"
    if scores.n == 1:
        return f"a single {units[0]}: AUROC and the like are undefined"
    broken = ("fracture", "fractures") if units[0] == "image" else tuple(f"fractured {word}" for word in units)
    others = (f"{units[0]} without fracture", f"{units[1]} without fracture")
    classes = ((broken, scores.y_true), (others, ~scores.y_true))
    for (one, _), rows in classes:
        if not rows.any():
            return f"no {one} among {scores.n:,} {units[1]}: AUROC and the like are undefined"
    for (one, many), rows in classes:
        count, groups = int(rows.sum()), scores.n_groups(rows)
        if groups < FEW:
            of_groups = "" if groups == count else f" from {groups} group{'' if groups == 1 else 's'}"
            return (
                f"only {count} {one if count == 1 else many}{of_groups} among {scores.n:,} {units[1]}: "
                "the intervals are so wide that the figures say next to nothing"
            )
    return None
