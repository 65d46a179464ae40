"""Several images, one study: what is made of their scores, who chooses it, and that both levels are reported."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from colles.evaluation.aggregation import AGGREGATIONS, aggregate, best_aggregation, unit_scores_of
from colles.evaluation.evaluate import evaluate
from colles.evaluation.levels import choose_level
from colles.evaluation.predictions import Predictions
from colles.evaluation.results import Evaluation
from colles.evaluation.scores import Scores


@pytest.fixture
def studies(predictions_frame) -> pl.DataFrame:
    """Three images a study, one study a patient; in a fractured study one image alone shows it."""
    rng = np.random.default_rng(3)
    n = predictions_frame.height
    study = np.arange(n) // 3
    shows = (rng.random(n // 3) < 0.3)[study] & (np.arange(n) % 3 == rng.integers(0, 3, n // 3)[study])
    score = np.clip(rng.normal(0.3 + 0.4 * shows, 0.12), 0.01, 0.99)
    return predictions_frame.with_columns(
        y_true=pl.Series(shows.astype(np.int8)), y_score=pl.Series(score), study_id=pl.Series([f"s{i}" for i in study])
    )


def test_aggregations_counted_by_hand():
    y_score, units = np.array([0.2, 0.5, 0.9, 0.1]), np.array([0, 0, 1, 1])
    assert aggregate(y_score, units, "max").tolist() == [0.5, 0.9]
    assert aggregate(y_score, units, "mean") == pytest.approx([0.35, 0.5])
    assert aggregate(y_score, units, "noisy_or") == pytest.approx([1 - 0.8 * 0.5, 1 - 0.1 * 0.9])


def test_noisy_or_of_many_and_of_certain_images_is_finite():
    assert aggregate(np.full(5000, 0.5), np.zeros(5000, int), "noisy_or").tolist() == [1.0]
    assert aggregate(np.array([1.0, 0.2]), np.zeros(2, int), "noisy_or").tolist() == [1.0]


@pytest.mark.parametrize("how", AGGREGATIONS)
def test_one_image_a_study_changes_nothing(how):
    y_score = np.array([0.2, 0.5, 0.9])
    assert aggregate(y_score, np.array([2, 0, 1]), how) == pytest.approx([0.5, 0.9, 0.2])


def test_a_study_is_fractured_where_any_image_is_and_lies_in_its_patients_group():
    scores = Scores(np.array([True, False, False, False]), np.array([0.9, 0.1, 0.2, 0.3]), np.array([0, 0, 0, 1]))
    found = unit_scores_of(scores, np.array([0, 0, 1, 2]), "max")
    assert found.y_true.tolist() == [True, False, False]
    assert found.groups.tolist() == [0, 0, 1]


def test_ties_go_to_the_first_named():
    assert best_aggregation({"mean": 0.8, "max": 0.8, "noisy_or": 0.8}) == "max"
    assert best_aggregation({}) == "max"


def test_both_levels_are_reported_and_val_chooses(studies, recipe, tmp_path):
    found = evaluate(Predictions(studies), recipe)
    level = found.levels["study"]
    assert list(found.levels) == ["study"]
    assert level.chosen_on == "val"
    assert level.images_per_unit == 3.0
    val = studies.filter(pl.col("subset") == "val").group_by("study_id").agg(
        pl.col("y_true").max(), max=pl.col("y_score").max(), mean=pl.col("y_score").mean()
    )  # fmt: skip
    for how in ("max", "mean"):
        assert level.candidates[how].value == pytest.approx(roc_auc_score(val["y_true"], val[how]))
    assert level.aggregation == max(level.candidates, key=lambda how: level.candidates[how].value)
    assert level.aggregation != "mean"
    for name in ("val", "test"):
        rows = studies.filter(pl.col("subset") == name)
        units = [s.to_numpy() for s in rows.group_by("study_id", maintain_order=True).agg("y_score")["y_score"]]
        label = rows.group_by("study_id", maintain_order=True).agg(pl.col("y_true").max())["y_true"]
        made = {"max": [s.max() for s in units], "noisy_or": [1 - (1 - s).prod() for s in units]}[level.aggregation]
        assert level.subsets[name].figures["auroc"].value == pytest.approx(roc_auc_score(label, made))
    assert (found.subsets["test"].n, level.subsets["test"].n) == (450, 150)
    assert level.operating_points["rule_in"].threshold != found.operating_points["rule_in"].threshold
    assert level.operating_points["rule_out"].digest != found.operating_points["rule_out"].digest
    assert Evaluation.load(found.save(tmp_path / "evaluation.json")) == found


def test_flipping_the_labels_of_test_changes_no_choice(studies, recipe):
    turned = studies.with_columns(
        y_true=pl.when(pl.col("subset") == "test").then(1 - pl.col("y_true")).otherwise(pl.col("y_true"))
    )
    one, other = (evaluate(Predictions(frame), recipe).levels["study"] for frame in (studies, turned))
    assert (one.aggregation, one.operating_points) == (other.aggregation, other.operating_points)


def test_ids_may_come_from_the_catalog(studies, recipe):
    catalog = studies.select("image_id", patient_id="study_id")
    found = evaluate(Predictions(studies.drop("study_id")), recipe, catalog_frame=catalog)
    assert list(found.levels) == ["patient"]
    assert (found.levels["patient"].unit, found.levels["patient"].calibration.fitted_on) == ("patient", "val")


@pytest.mark.parametrize("ids", [None, "own"])
def test_no_level_without_several_images(studies, recipe, ids):
    lone = studies.with_columns(study_id=pl.lit(None, pl.String) if ids is None else pl.col("image_id"))
    assert evaluate(Predictions(lone), recipe).levels == {}


def test_study_1_of_two_sources_is_two_studies(studies, recipe):
    half = pl.int_range(pl.len()) % 450
    both = studies.with_columns(
        source=pl.col("subset").replace({"val": "a", "test": "b"}),
        study_id=pl.format("s{}", half // 3),
        subset=pl.when(half < 225).then(pl.lit("val")).otherwise(pl.lit("test")),
    )
    level = evaluate(Predictions(both), recipe).levels["study"]
    assert level.subsets["test"].n == 150
    assert level.images_per_unit == 3.0


def test_study_1_of_every_patient_was_one_study(studies, recipe):
    numbered = studies.with_columns(patient_id=pl.col("study_id"), study_id=pl.lit("1"))
    found = evaluate(Predictions(numbered), recipe).levels
    assert found["study"].subsets["test"].n == found["patient"].subsets["test"].n == 150


def test_a_patient_in_two_folders_of_one_archive_was_two(studies, recipe):
    source = pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("a25")).otherwise(pl.lit("a26"))
    catalog = studies.select("image_id", source=source, patient_id="study_id", id_scope=pl.lit("salted"))
    table = Predictions(studies.drop("study_id"))
    assert evaluate(table, recipe, catalog_frame=catalog).levels["patient"].subsets["test"].n == 150
    plain = evaluate(table, recipe, catalog_frame=catalog.drop("id_scope"))
    assert plain.levels["patient"].subsets["test"].n == 300


def test_without_val_the_choice_is_marked(studies, recipe):
    found = evaluate(Predictions(studies.filter(pl.col("subset") == "test")), recipe)
    assert found.levels["study"].chosen_on == "test"
    assert found.levels["study"].subsets["test"].operating_points["f1"].chosen_here
    assert any(warning.startswith("by study: ") and "judged on" in warning for warning in found.warnings)


def test_a_site_chooses_thresholds_on_the_aggregation_that_it_chose(recipe):
    y_true, units = np.repeat(np.arange(20) % 2 == 0, 2), np.repeat(np.arange(20), 2)
    y_score = np.where(y_true, 0.6, np.where(np.arange(40) % 2 == 0, 0.9, 0.1))
    best, locked = choose_level(Scores(y_true, y_score), units, "site", recipe)
    assert best == "mean"
    assert locked.points["f1"].threshold == pytest.approx(0.55) and locked.points["f1"].chosen_on == "site"


def test_a_level_is_judged_on_the_aggregation_that_val_chose(recipe):
    """One image of every study without fracture looks like a fracture: the largest score is wrong on all of them."""
    fractured, row = np.repeat(np.arange(40) % 2 == 0, 2), np.arange(80)
    rows = {"y_true": fractured.astype(int), "y_score": np.where(fractured, 0.6, np.where(row % 2 == 0, 0.9, 0.1)),
            "subset": np.where(row < 40, "val", "test"), "study_id": [f"s{each // 2}" for each in row]}  # fmt: skip
    level = evaluate(Predictions(pl.DataFrame(rows)), recipe).levels["study"]
    assert (level.aggregation, level.candidates["mean"].value, level.candidates["max"].value) == ("mean", 1, 0)
    assert level.subsets["test"].figures["auroc"].value == 1
    assert level.operating_points["f1"].threshold == pytest.approx(0.55)


def test_a_subset_without_ids_is_left_out_of_a_level(studies, recipe):
    ids = pl.when(pl.col("subset") == "test").then(pl.col("study_id"))
    level = evaluate(Predictions(studies.with_columns(study_id=ids)), recipe).levels["study"]
    assert list(level.subsets) == ["test"] and level.chosen_on == "test"


@pytest.mark.parametrize(("column", "words"), [("study_id", "150 studies"), ("patient_id", "150 patients")])
def test_few_fractured_studies_are_warned_of_by_their_name(studies, recipe, column, words):
    keep = (pl.col("subset") == "val") | (pl.col("y_true") == 0) | pl.col("study_id").is_in(["s200", "s201", "s202"])
    rows = studies.with_columns(y_true=pl.when(keep).then(pl.col("y_true")).otherwise(0))
    found = evaluate(Predictions(rows.rename({"study_id": column})), recipe)
    unit = column.removesuffix("_id")
    assert found.levels[unit].subsets["test"].n_positive <= 3
    assert any(w.startswith(f"by {unit}: test: ") and f"among {words}" in w for w in found.warnings)
