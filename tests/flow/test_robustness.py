"""Predictions under perturbations: one row an image and condition, judged beside the unchanged images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from colles.core.errors import MissingInputError
from colles.core.recipe import EvaluateRecipe, PreprocessRecipe, RobustnessRecipe
from colles.evaluation.evaluate import evaluate
from colles.evaluation.predictions import Predictions
from colles.flow.robustness import choose_images, perturbed_predictions

PREPROCESS = PreprocessRecipe(size=32, channels=1, mean=(0.0,), std=(1.0,))
RECIPE = RobustnessRecipe(kinds=("noise", "inversion"), strengths=(1, 2), images=None)
N = 40


def brightness(batch: np.ndarray) -> np.ndarray:
    """Score by mean grey level: a model that an inverted image turns upside down."""
    return batch.mean(axis=(1, 2, 3)).astype(np.float64)


@pytest.fixture
def data(tmp_path) -> tuple[pl.DataFrame, dict[str, str]]:
    """Brighter images are fractured; the scores are those of `brightness`."""
    rng, rows, paths = np.random.default_rng(0), [], {}
    for number in range(N):
        label = int(number % 4 == 0)
        level = int(rng.normal(130 if label else 100, 12))
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.full((32, 32), level, np.uint8)).save(path)
        paths[f"i{number}"] = str(path)
        rows.append((f"i{number}", f"g{number // 2}", "val" if number < 12 else "test", label, level / 255))
    frame = pl.DataFrame(rows, schema=["image_id", "group_id", "subset", "y_true", "y_score"], orient="row")
    return frame, paths


def test_a_row_an_image_and_condition(data):
    frame, paths = data
    found = perturbed_predictions(frame, paths, brightness, PREPROCESS, RECIPE)
    assert found.height == 28 * 3
    assert set(found["condition"]) == {"noise 1", "noise 2", "inversion"}
    inverted = found.filter(pl.col("condition") == "inversion").join(frame, on="image_id", suffix="_clean")
    assert (inverted["y_score"] + inverted["y_score_clean"]).to_numpy() == pytest.approx(1.0, abs=1e-6)


def test_scores_depend_on_no_other_image(data):
    frame, paths = data
    every = perturbed_predictions(frame, paths, brightness, PREPROCESS, RECIPE)
    few = perturbed_predictions(frame.tail(5), paths, brightness, PREPROCESS, RECIPE)
    both = few.join(every, on=["image_id", "condition"], suffix="_all")
    assert both.height == 15
    assert (both["y_score"] == both["y_score_all"]).all()


def test_evaluation_reports_change_and_flips(data):
    frame, paths = data
    worse = perturbed_predictions(frame, paths, brightness, PREPROCESS, RECIPE)
    predictions = Predictions(frame)
    found = evaluate(predictions, EvaluateRecipe(replicates=100), perturbed=Predictions(worse))
    by_name = {condition.value: condition for condition in found.robustness}
    assert list(by_name) == ["inversion", "noise 1", "noise 2"]
    assert by_name["inversion"].figures["auroc_change"].value < -0.5
    assert by_name["inversion"].operating_points["f1"].figures["flips"].value > 0.5
    assert by_name["noise 1"].operating_points["f1"].figures["flips"].value < 0.2
    assert found.predictions.digest == predictions.digest
    assert found.subsets == evaluate(predictions, EvaluateRecipe(replicates=100)).subsets


def test_a_sample_keeps_the_classes_in_proportion(data):
    chosen = choose_images(data[0], RobustnessRecipe(images=16))
    assert (chosen.height, chosen["y_true"].sum()) == (16, 4)
    assert set(chosen["subset"]) == {"test"}
    assert chosen.equals(choose_images(data[0], RobustnessRecipe(images=16)))


def test_a_file_that_is_gone_is_left_out_and_said(data, capsys):
    frame, paths = data
    Path(paths["i20"]).unlink()
    found = perturbed_predictions(frame, paths, brightness, PREPROCESS, RECIPE)
    assert "i20" not in set(found["image_id"])
    assert "left out of robustness" in capsys.readouterr().err
    with pytest.raises(MissingInputError, match="no test image could be read"):
        perturbed_predictions(frame, {}, brightness, PREPROCESS, RECIPE)
