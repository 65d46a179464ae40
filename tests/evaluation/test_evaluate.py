"""The whole evaluation: what is chosen where, what is warned of, and that its JSON is whole."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from colles.core.errors import TableError
from colles.evaluation.evaluate import evaluate, evaluate_scores
from colles.evaluation.operating import choose_operating_points
from colles.evaluation.predictions import Predictions
from colles.evaluation.results import Evaluation
from colles.evaluation.robustness import name_and_strength
from colles.evaluation.scores import Scores
from colles.evaluation.subgroups import few_warning

FIGURES = {"auroc", "average_precision", "brier", "ece", "uncertain_share", "certain_error", "calibration_slope"}
POINT_FIGURES = {
    "lr_positive",
    "lr_negative",
    "sensitivity",
    "specificity",
    "accuracy",
    "balanced_accuracy",
    "f1",
    "ppv",
    "npv",
    "mcc",
}


@pytest.fixture
def catalog(predictions_frame) -> pl.DataFrame:
    """The catalog's columns of the predicted images, and one image more."""
    rng = np.random.default_rng(0)
    n = predictions_frame.height
    rows = pl.DataFrame(
        {
            "image_id": predictions_frame["image_id"],
            "group_id": predictions_frame["group_id"],
            "source": rng.choice(["fracatlas", "yolo"], n),
            "body_part": rng.choice(["hand", "leg", None], n),
            "upper_limb": rng.random(n) < 0.5,
            "hardware": rng.random(n) < 0.02,
        }
    )
    return pl.concat([rows, rows.head(1).with_columns(image_id=pl.lit("never predicted"))])


def test_points_and_calibration_come_from_val_alone(predictions_frame, recipe):
    found = evaluate(Predictions(predictions_frame), recipe)
    val = Predictions(predictions_frame).subset("val").scores
    assert found.operating_points == choose_operating_points(val, chosen_on="val", recipe=recipe)
    assert found.calibration.fitted_on == "val"
    other_test = predictions_frame.with_columns(
        y_true=pl.when(pl.col("subset") == "test").then(1 - pl.col("y_true")).otherwise(pl.col("y_true"))
    )
    again = evaluate(Predictions(other_test), recipe)
    assert (again.operating_points, again.calibration) == (found.operating_points, found.calibration)
    assert again.subsets["test"].figures["auroc"].value < 0.5


def test_every_contract_figure_is_there(predictions_frame, recipe, tmp_path):
    found = evaluate(Predictions(predictions_frame), recipe)
    assert list(found.subsets) == ["val", "test"]
    for subset in found.subsets.values():
        assert set(subset.figures) >= FIGURES | {"brier_score_uncalibrated", "ece_uncalibrated"}
        assert list(subset.operating_points) == ["f1", "youden", "rule_out", "rule_in"]
        for point in subset.operating_points.values():
            assert set(point.figures) >= POINT_FIGURES
        assert set(subset.curves) == {"roc", "pr", "reliability", "net_benefit"}
    test = predictions_frame.filter(pl.col("subset") == "test")
    assert found.subsets["test"].figures["auroc"].value == pytest.approx(roc_auc_score(test["y_true"], test["y_score"]))
    content = json.loads(found.save(tmp_path / "evaluation.json").read_text())
    assert set(content["subsets"]["test"]["figures"]["auroc"]) == {
        "value", "low", "high", "level", "method", "n", "n_groups",
    }  # fmt: skip
    assert Evaluation.load(tmp_path / "evaluation.json") == found


def test_a_run_is_the_same_twice(predictions_frame, recipe):
    first, second = (evaluate(Predictions(predictions_frame), recipe) for _ in range(2))
    assert first == second


def test_val_is_marked_as_its_own_judge_and_optimism_is_val_minus_test(predictions_frame, recipe):
    found = evaluate(Predictions(predictions_frame), recipe)
    val, test = (found.subsets[name].operating_points["f1"] for name in ("val", "test"))
    assert val.chosen_here
    assert not test.chosen_here
    optimism = found.optimism["f1"]["f1"]
    assert optimism.value == pytest.approx(val.figures["f1"].value - test.figures["f1"].value)
    assert optimism.low < optimism.value < optimism.high
    assert not found.warnings


def test_a_criterion_out_of_reach_was_said_of_val_alone(recipe):
    """Without val a rule_in of specificity 0.67 stood as "specificity >= 0.95", and no warning said so."""
    y_true, y_score = [1, 1, 1, 0, 0, 0] * 5, [1.0, 1.0, 0.4, 1.0, 0.2, 0.1] * 5
    said = "rule_in: specificity >= 0.95 cannot be reached on {}"
    assert said.format("test") in evaluate_scores(y_true, y_score, recipe=recipe).warnings
    val = Predictions(pl.DataFrame({"y_true": y_true, "y_score": y_score, "subset": ["val"] * 30}))
    assert said.format("val") in evaluate(val, recipe).warnings


def test_subgroups_of_the_catalog(predictions_frame, catalog, recipe):
    found = evaluate(Predictions(predictions_frame), recipe, catalog_frame=catalog)
    names = {(group.subset, group.column, group.value) for group in found.subgroups}
    for subset in ("val", "test"):
        assert (subset, "source", "fracatlas") in names
        assert (subset, "upper_limb", "upper_limb") in names
        assert (subset, "source × upper_limb", "yolo") in names
        assert (subset, "hardware", "true") in names
    assert not any(value in ("None", "null") for _, _, value in names)
    both = catalog.filter(pl.col("upper_limb") & (pl.col("source") == "yolo"))
    rows = predictions_frame.filter(pl.col("subset") == "test").join(both, on="image_id")
    group = next(g for g in found.subgroups if (g.subset, g.column, g.value) == ("test", "source × upper_limb", "yolo"))
    assert (group.n, group.n_positive) == (rows.height, rows["y_true"].sum())
    assert group.figures["auroc"].value == pytest.approx(roc_auc_score(rows["y_true"], rows["y_score"]))
    hardware = next(g for g in found.subgroups if (g.subset, g.column, g.value) == ("test", "hardware", "true"))
    assert hardware.warning


def test_hardware_is_always_judged_with_and_without(predictions_frame, recipe):
    frame = predictions_frame.with_columns(hardware=pl.lit(False))
    found = {
        g.value: g
        for g in evaluate(Predictions(frame), recipe).subgroups
        if (g.subset, g.column) == ("test", "hardware")
    }
    assert (found["false"].n, found["true"].n) == (450, 0)
    assert found["true"].warning == "no image at all, so there is no figure"
    assert found["true"].figures["auroc"].value is None


def test_an_absent_class_is_said_before_a_small_one():
    scores = Scores(np.ones(13, dtype=bool), np.linspace(0, 1, 13), np.arange(13) // 3)
    assert few_warning(scores) == "no image without fracture among 13 images: AUROC and the like are undefined"


def test_one_image_lacked_an_other_image_among_1_images():
    scores = Scores(np.ones(1, dtype=bool), np.ones(1), np.zeros(1, dtype=np.int64))
    assert few_warning(scores) == "a single image: AUROC and the like are undefined"
    assert few_warning(scores, ("study", "studies")) == "a single study: AUROC and the like are undefined"


def test_subgroups_by_size_of_image_and_of_fracture(predictions_frame, recipe):
    n = predictions_frame.height
    side = np.array([300, 700, 1500, 3000])[np.arange(n) % 4]
    # A square box of 0.2, 0.7, 2 or 10 % of the picture, on fractures alone.
    share = np.array([0.002, 0.007, 0.02, 0.1])[np.arange(n) // 4 % 4]
    edges = np.sqrt(share) * side
    boxes = [
        [{"x1": 0.0, "y1": 0.0, "x2": float(e), "y2": float(e), "name": None}] if positive else []
        for e, positive in zip(edges, predictions_frame["y_true"], strict=True)
    ]
    catalog = pl.DataFrame({"image_id": predictions_frame["image_id"], "width": side, "height": side, "boxes": boxes})
    found = [
        g
        for g in evaluate(Predictions(predictions_frame), recipe, catalog_frame=catalog).subgroups
        if g.subset == "test"
    ]
    sizes = {g.value: g.n for g in found if g.column == "image_size"}
    assert list(sizes) == ["under 500 px", "500 px to 1,000 px", "1,000 px to 2,000 px", "2,000 px and more"]
    assert sum(sizes.values()) == 450
    lesions = {g.value: g for g in found if g.column == "lesion_area"}
    assert list(lesions) == ["under 0.5 %", "0.5 % to 1 %", "1 % to 3 %", "3 % and more"]
    test = predictions_frame.filter(pl.col("subset") == "test")
    negatives = int((test["y_true"] == 0).sum())
    assert {g.n - g.n_positive for g in lesions.values()} == {negatives}
    assert sum(g.n_positive for g in lesions.values()) == test["y_true"].sum()


def test_label_certainty_is_a_subgroup_where_a_column_has_it(predictions_frame, recipe):
    sure = np.where(np.arange(predictions_frame.height) % 3 == 0, "one reader", "two readers agree")
    found = evaluate(Predictions(predictions_frame.with_columns(label_certainty=pl.Series(sure))), recipe)
    values = {g.value for g in found.subgroups if g.column == "label_certainty"}
    assert values == {"one reader", "two readers agree"}


@pytest.mark.parametrize(
    ("name", "kind", "strength"),
    [("noise 2", "noise", 2), ("JPEG_quality-3", "JPEG_quality", 3), ("inverted", "inverted", None), ("7", "7", None)],
)
def test_conditions_are_named_by_kind_and_strength(name, kind, strength):
    assert name_and_strength(name) == (kind, strength)


def test_auroc_stands_by_both_methods(predictions_frame, recipe):
    figures = evaluate(Predictions(predictions_frame), recipe).subsets["test"].figures
    assert figures["auroc_delong"].method == "delong_logit_groups"
    assert figures["auroc_bootstrap"].method == "bootstrap_groups"
    assert figures["auroc_delong"].value == figures["auroc_bootstrap"].value == figures["auroc"].value
    assert figures["auroc_delong"].low == pytest.approx(figures["auroc_bootstrap"].low, abs=0.015)


def test_a_prevalence_moves_the_calibrator_and_no_figure(predictions_frame, recipe):
    plain = evaluate(Predictions(predictions_frame), recipe)
    rare = evaluate(Predictions(predictions_frame), recipe.model_copy(update={"prevalence": 0.1}))
    assert rare.calibration.prevalence == 0.1
    assert rare.calibration.offset < 0
    assert rare.subsets == plain.subsets
    assert any("meant for a prevalence of 0.1" in warning for warning in rare.warnings)


def test_groups_come_from_the_catalog_where_the_predictions_name_none(predictions_frame, catalog, recipe):
    found = evaluate(Predictions(predictions_frame.drop("group_id")), recipe, catalog_frame=catalog)
    assert found.subsets["test"].n_groups == 150
    assert found.subsets["test"].figures["auroc"].method == "bootstrap_groups"


def test_a_catalog_cannot_be_joined_without_ids(predictions_frame, catalog, recipe):
    with pytest.raises(TableError, match="lacks the column 'image_id'"):
        evaluate(Predictions(predictions_frame.drop("image_id")), recipe, catalog_frame=catalog)


def test_a_catalog_that_lacks_images_is_told_and_one_that_lacks_all_is_refused(predictions_frame, catalog, recipe):
    found = evaluate(Predictions(predictions_frame), recipe, catalog_frame=catalog.tail(800))
    assert "the catalog lacks 101 of 900 images: its columns are empty for them" in found.warnings
    with pytest.raises(TableError, match="the catalog knows none of its 900 images"):
        evaluate(Predictions(predictions_frame), recipe, catalog_frame=catalog.tail(1))


def test_scores_alone_are_judged_as_test_with_a_warning(make_scores, recipe):
    scores = make_scores(300)
    found = evaluate_scores(scores.y_true, scores.y_score, recipe=recipe)
    assert list(found.subsets) == ["test"]
    assert list(found.operating_points) == ["default", "f1", "youden", "rule_out", "rule_in"]
    assert found.operating_points["default"].threshold == 0.5
    assert found.operating_points["f1"].chosen_on == "test"
    assert found.subsets["test"].operating_points["f1"].chosen_here
    assert not found.subsets["test"].operating_points["default"].chosen_here
    assert any("threshold chosen on the data it is judged on" in warning for warning in found.warnings)
    assert found.calibration is None
    assert found.subsets["test"].figures["auroc"].method == "delong_logit"


def test_groups_of_arrays_widen_intervals(make_scores, recipe):
    scores = make_scores(600, group=4)
    alone = evaluate_scores(scores.y_true, scores.y_score, recipe=recipe).subsets["test"]
    names = [f"patient {code}" for code in scores.groups]
    grouped = evaluate_scores(scores.y_true, scores.y_score, names, recipe=recipe).subsets["test"]
    assert grouped.n_groups == 150
    assert grouped.figures["auroc"].value == alone.figures["auroc"].value
    for figure in ("auroc", "average_precision", "brier"):
        width = [part.figures[figure].high - part.figures[figure].low for part in (grouped, alone)]
        assert width[0] > 1.3 * width[1]


def test_one_class_is_undefined_not_nan(recipe, tmp_path):
    found = evaluate_scores([0] * 20, np.linspace(0.1, 0.9, 20), recipe=recipe)
    test = found.subsets["test"]
    assert test.figures["auroc"].value is test.figures["auroc"].low is None
    assert list(test.operating_points) == ["default"]
    assert test.operating_points["default"].figures["sensitivity"].value is None
    assert test.operating_points["default"].figures["specificity"].value == 0.5
    assert any("no fracture among 20 images" in warning for warning in found.warnings)
    found.save(tmp_path / "evaluation.json")


def test_the_practicums_three_fractures_are_warned_of(recipe):
    y_true = np.arange(1647) < 3
    y_score = np.where(y_true, 0.99, np.random.default_rng(0).random(1647) * 0.9)
    found = evaluate_scores(y_true, y_score, recipe=recipe)
    assert any("only 3 fractures among 1,647 images" in w and "next to nothing" in w for w in found.warnings)


def test_ten_rows(recipe, tmp_path):
    found = evaluate_scores(["fracture", "normal"] * 5, np.linspace(0.05, 0.95, 10), recipe=recipe)
    auroc = found.subsets["test"].figures["auroc"]
    assert auroc.high - auroc.low > 0.4
    found.save(tmp_path / "evaluation.json")


def test_logits_from_python_were_mapped_without_a_word(recipe):
    found = evaluate_scores([1, 0] * 20, np.linspace(-3, 5, 40), recipe=recipe)
    assert any("taken as logits" in text for text in found.warnings)


@pytest.mark.parametrize("y_true", [[1, 0], [1], [0]])
def test_one_or_two_rows_do_not_fall_over(y_true, recipe, tmp_path):
    found = evaluate_scores(y_true, [0.7, 0.2][: len(y_true)], recipe=recipe)
    found.save(tmp_path / "evaluation.json")
    assert Evaluation.load(tmp_path / "evaluation.json") == found


def test_equal_scores_do_not_fall_over(recipe, tmp_path):
    found = evaluate_scores([1, 0] * 20, [0.5] * 40, recipe=recipe)
    assert found.subsets["test"].figures["auroc"].value == 0.5
    found.save(tmp_path / "evaluation.json")


def test_one_group_does_not_fall_over(recipe, tmp_path):
    found = evaluate_scores([1, 0] * 20, np.linspace(0, 1, 40), ["one"] * 40, recipe=recipe)
    assert found.subsets["test"].n_groups == 1
    found.save(tmp_path / "evaluation.json")


def test_a_val_of_one_class_is_said_and_not_used(predictions_frame, recipe):
    frame = predictions_frame.filter((pl.col("subset") == "test") | (pl.col("y_true") == 0))
    found = evaluate(Predictions(frame), recipe)
    assert found.operating_points["f1"].chosen_on == "test"
    assert any("because val holds one class only" in warning for warning in found.warnings)


def test_no_image_at_all_is_an_error_with_its_repair():
    with pytest.raises(TableError, match="the table has no rows"):
        evaluate_scores([], [])


def test_scores_that_run_backwards_are_not_calibrated(predictions_frame, recipe):
    found = evaluate(Predictions(predictions_frame.with_columns(y_score=1 - pl.col("y_score"))), recipe)
    assert found.calibration is None
    assert any("higher scores do not mean more fractures" in warning for warning in found.warnings)


def test_unlabelled_rows_are_left_out(predictions_frame, recipe):
    some = predictions_frame.with_columns(
        y_true=pl.when(pl.int_range(pl.len()) % 3 == 0).then(None).otherwise(pl.col("y_true"))
    )
    found = evaluate(Predictions(some), recipe)
    assert found.subsets["test"].n == 300
    assert found.predictions.n == 900
    with pytest.raises(TableError, match="no row has a label"):
        evaluate(Predictions(predictions_frame.with_columns(y_true=pl.lit(None))), recipe)


def test_conditions_are_judged_beside_the_clean_images(predictions_frame, recipe):
    noisy = predictions_frame.with_columns(condition=pl.lit("noise 3"), y_score=1 - pl.col("y_score"))
    clean = predictions_frame.with_columns(condition=pl.lit(None, pl.String))
    found = evaluate(Predictions(pl.concat([clean, noisy])), recipe)
    assert found.subsets["test"] == evaluate(Predictions(predictions_frame), recipe).subsets["test"]
    group = next(c for c in found.robustness if c.subset == "test")
    assert (group.value, group.kind, group.strength) == ("noise 3", "noise", 3)
    assert group.figures["auroc"].value == pytest.approx(1 - found.subsets["test"].figures["auroc"].value)
    test = predictions_frame.filter(pl.col("subset") == "test")["y_score"].to_numpy()
    threshold = found.operating_points["f1"].threshold
    flips = ((test >= threshold) != (1 - test >= threshold)).mean()
    assert group.operating_points["f1"].figures["flips"].value == pytest.approx(flips)
    change = group.figures["auroc_change"]
    assert change.value == pytest.approx(group.figures["auroc"].value - found.subsets["test"].figures["auroc"].value)
    assert change.low < change.value < change.high < 0
    assert not any(g.column == "condition" for g in found.subgroups)


def test_the_unchanged_auroc_of_a_condition_is_of_its_own_images(predictions_frame, recipe):
    clean = predictions_frame.with_columns(condition=pl.lit(None, pl.String))
    drawn = clean.filter((pl.col("subset") == "test") & (pl.int_range(pl.len()) % 9 < 3))
    noisy = drawn.with_columns(condition=pl.lit("noise 1"), y_score=pl.col("y_score").reverse())
    found = evaluate(Predictions(pl.concat([clean, noisy])), recipe).robustness[0]
    unchanged = found.figures["auroc_unchanged"]
    assert unchanged == evaluate(Predictions(drawn), recipe).subsets["test"].figures["auroc"]
    assert unchanged.n == drawn.height < 450
    change = found.figures["auroc"].value - found.figures["auroc_change"].value
    assert unchanged.value == pytest.approx(change)


def test_a_file_that_is_no_evaluation_is_named(tmp_path):
    (tmp_path / "evaluation.json").write_text('{"subsets": {}}')
    with pytest.raises(TableError, match=r"evaluation.json: predictions: not an evaluation"):
        Evaluation.load(tmp_path / "evaluation.json")


def test_uncalibrated_errors_are_of_the_score_and_no_error_is_of_another_prevalence(predictions_frame, recipe):
    table = Predictions(predictions_frame)
    found, rare = (evaluate(table, recipe.model_copy(update={"prevalence": share})) for share in (None, 0.05))
    test = table.subset("test").scores
    for result in (found, rare):
        figures = result.subsets["test"].figures
        wanted = brier_score_loss(test.y_true, test.y_score)
        assert figures["brier_score_uncalibrated"].value == pytest.approx(wanted)
        probability = found.calibration.transform(test.y_score)
        assert figures["brier"].value == pytest.approx(brier_score_loss(test.y_true, probability))
    assert rare.calibration.prevalence == 0.05
