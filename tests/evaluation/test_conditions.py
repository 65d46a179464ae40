"""Scores of images made worse, in a table of their own, judged beside the unchanged images."""

from __future__ import annotations

import polars as pl
import pytest

from colles.core.errors import TableError
from colles.evaluation.evaluate import evaluate
from colles.evaluation.predictions import Predictions
from colles.evaluation.robustness import with_perturbed


@pytest.fixture
def noisy(predictions_frame) -> pl.DataFrame:
    return predictions_frame.with_columns(condition=pl.lit("noise 1"), y_score=0.9 * pl.col("y_score"))


def judged(frame, worse, recipe):
    return evaluate(Predictions(frame), recipe, perturbed=Predictions(worse)).robustness


def test_clean_rows_of_the_perturbed_table_are_not_counted_twice(predictions_frame, noisy, recipe):
    clean = predictions_frame.with_columns(condition=pl.lit("clean"))
    assert judged(predictions_frame, pl.concat([clean, noisy]), recipe) == judged(predictions_frame, noisy, recipe)


def test_groups_subset_and_label_are_those_of_the_unchanged_image(predictions_frame, noisy, recipe):
    bare = noisy.select("image_id", "condition", "y_score", y_true=pl.lit(None, pl.Int8))
    found = judged(predictions_frame, bare, recipe)
    assert found == judged(predictions_frame, noisy, recipe)
    assert {(c.subset, c.n, c.n_groups) for c in found} == {("val", 450, 150), ("test", 450, 150)}


def test_groups_of_the_catalog_hold_for_perturbed_images_too(predictions_frame, noisy, recipe):
    table, worse = (Predictions(frame.drop("group_id")) for frame in (predictions_frame, noisy))
    catalog = predictions_frame.select("image_id", "group_id")
    found = evaluate(table, recipe, catalog_frame=catalog, perturbed=worse).robustness
    assert {c.n_groups for c in found} == {150}


def test_a_shared_column_of_another_type_does_not_matter(predictions_frame, noisy, recipe):
    frame, worse = predictions_frame.with_columns(age=pl.lit(3)), noisy.with_columns(age=pl.lit("x"))
    assert judged(frame, worse, recipe) == judged(predictions_frame, noisy, recipe)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"condition": pl.lit("clean")}, "condition: no row has a condition"),
        (
            {"y_true": 1 - pl.col("y_true")},
            "y_true: 900 rows have another label than the unchanged image, first 'set/0",
        ),
        ({"image_id": pl.lit("other/") + pl.col("image_id")}, "image_id: 900 rows are of images without an unchanged"),
    ],
)
def test_a_perturbed_table_of_something_else_is_refused(predictions_frame, noisy, change, message):
    with pytest.raises(TableError, match=message):
        with_perturbed(Predictions(predictions_frame).frame, Predictions(noisy.with_columns(**change)))


def test_a_perturbed_table_needs_conditions_and_ids(predictions_frame, noisy):
    frame = Predictions(predictions_frame).frame
    for column in ("condition", "image_id"):
        with pytest.raises(TableError, match=f"lacks the column '{column}'"):
            with_perturbed(frame, Predictions(noisy.drop(column)))
    with pytest.raises(TableError, match="lacks the column 'image_id'"):
        with_perturbed(frame.drop("image_id"), Predictions(noisy))


def test_a_condition_that_the_predictions_hold_already_is_refused(predictions_frame, noisy):
    clean = predictions_frame.with_columns(condition=pl.lit(None, pl.String))
    both = Predictions(pl.concat([clean, noisy])).frame
    with pytest.raises(TableError, match="900 ids stand on more than one row"):
        with_perturbed(both, Predictions(noisy))
