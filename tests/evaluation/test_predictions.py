"""Tables from strangers: understood, or refused with a sentence that names the rows and the repair."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from colles.core.errors import MissingInputError, TableError
from colles.evaluation.predictions import Predictions
from colles.evaluation.scores import Scores


def table(y_true, y_score, **columns) -> pl.DataFrame:
    return pl.DataFrame({"y_true": y_true, "y_score": y_score, **columns})


@pytest.mark.parametrize(
    "labels",
    [
        [1, 0, 1],
        [1.0, 0.0, 1.0],
        [True, False, True],
        ["1", "0", "1"],
        ["fracture", "normal", "fracture"],
        ["Fractured", "non-fractured", "Fractured"],
        ["true", "FALSE", " True "],
        ["positive", "negative", "pos"],
        ["fracture", "no fracture", "fracture"],
    ],
)
def test_labels_in_the_forms_people_write(labels):
    found = Predictions(table(labels, [0.9, 0.1, 0.8]))
    assert found.frame["y_true"].to_list() == [1, 0, 1]
    assert found.scores.y_true.tolist() == [True, False, True]


@pytest.mark.parametrize("labels", [[1, 0, 2], [0.5, 0.0, 1.0], ["fracture", "maybe", "normal"], [-1, 0, 1]])
def test_labels_that_are_not_understood(labels):
    with pytest.raises(TableError, match=r"1 of 3 labels are not understood.*Use 1 \(fracture\)"):
        Predictions(table(labels, [0.9, 0.1, 0.8]))


def test_nan_scores_are_counted():
    with pytest.raises(TableError, match=r"y_score: 2 of 3 scores are missing, NaN.*Leave those rows out"):
        Predictions(table([1, 0, 1], [0.5, float("nan"), float("inf")]))


def test_scores_that_are_words_are_shown():
    with pytest.raises(TableError, match=r"1 of 2 scores are missing or not numbers.*'high'"):
        Predictions(table([1, 0], ["0.5", "high"]))


@pytest.mark.parametrize(("labels", "odd"), [("FNF", "F"), ("TNT", "T"), (["fracture", "none", "1"], "none")])
def test_labels_that_may_mean_one_thing_or_the_other_were_guessed(labels, odd):
    """F beside N was false, so that no image had a fracture; `none` beside `fracture` was unknown, so that all had."""
    with pytest.raises(TableError, match=f"are not understood: '{odd}'"):
        Predictions(table(list(labels), [0.9, 0.2, 0.8]))


def test_t_beside_f_and_none_beside_a_no_are_understood():
    for labels, expected in ((["T", "f", "T"], [1, 0, 1]), (["1", "None", "0"], [1, None, 0])):
        assert Predictions(table(labels, [0.9, 0.2, 0.8])).frame["y_true"].to_list() == expected


def test_nan_labels_are_refused_but_missing_ones_left_out():
    with pytest.raises(TableError, match="1 of 3 labels are NaN"):
        Predictions(table([1.0, 0.0, float("nan")], [0.5, 0.2, 0.1]))
    found = Predictions(table([1, 0, None], [0.5, 0.2, 0.1]))
    assert found.frame["y_true"].to_list() == [1, 0, None]
    assert len(found.scores.y_true) == len(found.scores.y_score) == 2
    assert "1 of 3 rows have no label" in found.warnings[0]


def test_logits_are_mapped_and_named():
    found = Predictions(table([1, 0], [2.0, -3.0]))
    assert found.scores.y_score == pytest.approx(1 / (1 + np.exp([-2.0, 3.0])))
    assert "logits" in found.warnings[0]


def test_percentages_are_not_taken_for_logits():
    with pytest.raises(TableError, match="Divide by 100"):
        Predictions(table([1, 0], [93.0, 4.0]))


def test_small_percentages_that_pass_for_logits_are_named():
    assert "divide by 100 if they are percentages" in Predictions(table([1, 0], [31.0, 0.4])).warnings[0]
    assert "percentages" not in Predictions(table([1, 0], [31.0, -0.4])).warnings[0]


def test_scores_that_no_sigmoid_can_map_are_refused():
    with pytest.raises(TableError, match="neither probabilities nor logits"):
        Predictions(table([1, 0], [2.0, -1000.0]))


def test_rounding_beyond_one_is_not_a_logit():
    assert Predictions(table([1, 0], [1.0000001, 0.2])).scores.y_score.tolist() == [1.0, 0.2]


def test_duplicate_ids_are_refused():
    with pytest.raises(TableError, match="image_id: 1 ids stand on more than one row, first 'a'"):
        Predictions(table([1, 0, 1], [0.9, 0.1, 0.2], image_id=["a", "b", "a"]))


def test_one_id_may_stand_under_several_conditions():
    taken = Predictions(table([1, 1], [0.9, 0.1], image_id=["a", "a"], condition=[None, "blur 1"]))
    assert taken.frame["condition"].to_list() == [None, "blur 1"]


@pytest.mark.parametrize("column", ["image_id", "group_id", "patient_id", "study_id", "condition", "y_score", "y_true"])
def test_lists_in_a_column_of_single_values_are_refused(column):
    frame = table([1, 0], [0.9, 0.1]).with_columns(pl.Series(column, [[1], [0]]))
    with pytest.raises(TableError, match=rf"{column}: holds List\(Int64\)"):
        Predictions(frame)


def test_missing_column_names_the_nearest():
    with pytest.raises(TableError, match=r"lacks the column 'y_score'. Rename 'yscore' to 'y_score'"):
        Predictions(pl.DataFrame({"y_true": [1], "yscore": [0.4]}))


def test_empty_files(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "head.csv").write_text("y_true,y_score\n")
    with pytest.raises(MissingInputError, match=r"empty.csv: the file is empty"):
        Predictions.load(tmp_path / "empty.csv")
    with pytest.raises(TableError, match=r"head.csv: the table has no rows"):
        Predictions.load(tmp_path / "head.csv")


def test_errors_name_the_file(tmp_path):
    (tmp_path / "bad.csv").write_text("y_true,y_score\n1,0.5\n0,\n")
    with pytest.raises(TableError, match=r"bad.csv: y_score: 1 of 2 scores"):
        Predictions.load(tmp_path / "bad.csv")


@pytest.mark.parametrize("ending", ["csv", "parquet", "json", "jsonl"])
def test_a_table_survives_saving(tmp_path, predictions_frame, ending):
    first = Predictions(predictions_frame)
    again = Predictions.load(first.save(tmp_path / f"p.{ending}"))
    assert again.digest == first.digest
    assert again.scores.groups.tolist() == first.scores.groups.tolist()


def test_ids_of_digits_in_a_csv_keep_their_zeros(tmp_path):
    table([1, 0], [0.9, 0.1], image_id=["000", "001"], group_id=["07", "7"], patient_id=["01", "1"]).write_csv(
        tmp_path / "p.csv"
    )
    found = Predictions.load(tmp_path / "p.csv").frame
    assert found["image_id"].to_list() == ["000", "001"]
    assert found["group_id"].to_list() == ["07", "7"]
    assert found["y_true"].to_list() == [1, 0]


def test_digest_follows_every_score(predictions_frame):
    other = predictions_frame.with_columns(pl.col("y_score") * 0.999)
    assert Predictions(other).digest != Predictions(predictions_frame).digest


def test_subsets(predictions_frame):
    found = Predictions(predictions_frame)
    assert found.subsets == ("test", "val")
    assert len(found.subset("test")) == 450
    with pytest.raises(MissingInputError, match=r"no rows of the subset 'external'. It has test, val"):
        found.subset("external")
    assert Predictions(predictions_frame.drop("subset")).subsets == ("test",)


def test_groups_that_nobody_shares_are_none(predictions_frame):
    assert Predictions(predictions_frame.with_columns(group_id="image_id")).scores.groups is None
    assert Predictions(predictions_frame.drop("group_id")).scores.groups is None
    assert len(set(Predictions(predictions_frame).scores.groups)) == 300


def test_a_missing_group_is_a_group_of_its_own():
    groups = Predictions(table([1, 0, 1, 0], [0.1] * 4, group_id=["a", None, "a", None])).scores.groups
    assert len(set(groups)) == 3


@pytest.mark.parametrize(
    "groups",
    [
        np.array([1.0, np.nan, 1.0, np.nan]),
        np.array(["a", np.nan, "a", np.nan], dtype=object),
        np.array(["a", None, "a", None]),
    ],
)
def test_groups_that_are_nan_are_missing(groups):
    assert Scores.from_arrays([1, 0, 1, 0], [0.1] * 4, groups).n_groups() == 3


def test_marked_rows_keep_their_groups_numbered_anew():
    scores = Scores.from_arrays([1, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5], list("aabcc"))
    part = scores.where(np.array([False, False, True, True, True]))
    assert (part.groups.tolist(), part.n_groups(), part.y_score.tolist()) == ([0, 1, 1], 2, [0.3, 0.4, 0.5])
    assert scores.where(np.array([True, False, True, False, True])).groups is None
    assert scores.n_groups(np.array([True, True, False, False, True])) == 2


def test_arrays_of_other_length_are_refused():
    with pytest.raises(TableError, match="3 labels but 2 scores"):
        Scores.from_arrays([1, 0, 1], [0.1, 0.2])
    with pytest.raises(TableError, match="2 labels but 1 groups"):
        Scores.from_arrays([1, 0], [0.1, 0.2], ["a"])
    with pytest.raises(TableError, match=r"y_score: has the shape \(2, 2\)"):
        Scores.from_arrays([1, 0], [[0.1, 0.9], [0.2, 0.8]])
