"""Which rows count as one: named by a group, a patient or a study, of one source."""

from __future__ import annotations

import polars as pl
import pytest

from colles.core.errors import TableError
from colles.evaluation.evaluate import evaluate
from colles.evaluation.groups import with_groups
from colles.evaluation.predictions import Predictions


@pytest.mark.parametrize("column", ["patient_id", "study_id"])
def test_patients_and_studies_are_groups_where_no_group_is_named(predictions_frame, recipe, column):
    found = evaluate(Predictions(predictions_frame.rename({"group_id": column})), recipe)
    assert found.subsets["test"].figures == evaluate(Predictions(predictions_frame), recipe).subsets["test"].figures
    assert f"no group_id: rows with one {column} count as one group" in found.warnings


@pytest.mark.parametrize("column", ["group", "Patient", "PatientID", "MRN", "Group_ID"])
def test_patients_under_another_name_counted_as_one_image_each(predictions_frame, recipe, column):
    found = evaluate(Predictions(predictions_frame.rename({"group_id": column})), recipe)
    assert found.subsets["test"].n_groups == 150
    assert any(f"the column {column!r}" in text for text in found.warnings)


@pytest.mark.parametrize("column", ["split", "Subset", "set", "partition"])
def test_a_split_under_another_name_had_training_images_judged_as_test(predictions_frame, recipe, column):
    found = Predictions(predictions_frame.rename({"subset": column}))
    assert found.subsets == Predictions(predictions_frame).subsets
    assert f"read as subset: the column {column!r}" in found.warnings


def test_what_only_looks_like_a_group_or_a_split_is_left_alone(predictions_frame):
    rows = predictions_frame.drop("group_id", "subset").with_columns(
        group=pl.Series(["cast", "plate"] * 450), set=pl.Series(["ours", "theirs"] * 450), study=pl.lit("HAND-1")
    )
    found = Predictions(rows)
    assert (found.scores.groups, found.subsets, found.warnings) == (None, ("test",), ())


def test_two_columns_for_one_patient_are_refused(predictions_frame):
    rows = predictions_frame.rename({"group_id": "patient"}).with_columns(mrn="patient")
    with pytest.raises(TableError, match="patient_id: two columns give it, 'patient' and 'mrn'"):
        Predictions(rows)


def test_a_group_of_the_catalog_goes_before_a_study_of_the_table(predictions_frame, recipe):
    table = Predictions(predictions_frame.drop("group_id").with_columns(study_id=pl.col("image_id")))
    found = evaluate(table, recipe, catalog_frame=predictions_frame.select("image_id", "group_id"))
    assert found.subsets["test"].n_groups == 150
    assert not found.warnings


def test_patient_1_of_two_sources_is_two_patients():
    frame = pl.DataFrame({"source": ["a", "b", "a", None], "patient_id": [1, 1, 1, None]})
    assert with_groups(frame)["group_id"].to_list() == ["a:1", "b:1", "a:1", None]


def test_a_group_on_val_and_test_is_warned_of(predictions_frame, recipe):
    assert not evaluate(Predictions(predictions_frame), recipe).warnings
    dealt = predictions_frame.with_columns(subset=pl.Series(["val", "test"] * 450))
    assert (
        "300 groups stand on val and test: the figures of test flatter" in evaluate(Predictions(dealt), recipe).warnings
    )


@pytest.mark.parametrize("word", ["NA", " unknown", "nan", "", "ANONYMOUS", "n/a"])
def test_a_word_for_nobody_is_no_group(word):
    named = [word] * 20 + [f"p{row // 2}" for row in range(20)]
    columns = {"y_true": [0, 1] * 20, "y_score": [0.2, 0.8] * 20}
    for column in ("group_id", "patient_id"):
        found = Predictions(pl.DataFrame({**columns, column: named}))
        assert found.scores.n_groups() == 30
        assert found.warnings == (f"20 rows have {word!r} for a {column}: taken as none",)
    both = Predictions(pl.DataFrame({**columns, "group_id": [word] * 40, "patient_id": named[20:] * 2}))
    assert both.groups_from == "patient_id"
    assert both.scores.n_groups() == 10


@pytest.mark.parametrize("column", ["group_id", "patient_id", "study_id"])
def test_blanks_around_an_id_tore_a_patient_in_two(column):
    named = ["a", "a ", " a", "b", "b", "c"]
    found = Predictions(pl.DataFrame({"y_true": [0, 1] * 3, "y_score": [0.2, 0.8] * 3, column: named}))
    assert found.scores.n_groups() == 3
