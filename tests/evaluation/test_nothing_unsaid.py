"""What a table leaves unsaid is said: rows left out, subsets not named, figures without any spread."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from colles.core.recipe import EvaluateRecipe
from colles.evaluation.compare import compare_predictions
from colles.evaluation.estimates import calibration_estimates, paired_difference
from colles.evaluation.evaluate import evaluate
from colles.evaluation.metrics.calibration_error import ece_interval
from colles.evaluation.predictions import Predictions
from colles.evaluation.scores import Scores

QUICK = EvaluateRecipe(replicates=100)


def frame_of(n: int = 120, *, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    y_true = np.arange(n) % 3 == 0
    score = np.clip(0.3 * y_true + 0.6 * rng.random(n), 0, 1)
    return pl.DataFrame({"image_id": [f"i{k}" for k in range(n)], "y_true": y_true, "y_score": score})


def test_a_comparison_counts_the_images_that_it_leaves_out():
    """Thirty images of one table stood in no other and went without a word."""
    whole, part = frame_of(), frame_of(seed=1).slice(30)
    unnamed = part.with_columns(image_id=pl.when(pl.int_range(90) < 5).then(None).otherwise(pl.col("image_id")))
    found = compare_predictions({"whole": Predictions(whole), "part": Predictions(unnamed)}, replicates=100)
    assert found["n"] == 85
    assert "whole: 35 of 120 labelled images of test are left out, since not every table has them" in found["warnings"]
    assert "part: 5 of 90 labelled images of test are left out, since not every table has them" in found["warnings"]


def test_a_comparison_repeats_what_was_done_to_its_tables():
    logits = frame_of().with_columns(y_score=(pl.col("y_score") - 0.5) * 8)
    found = compare_predictions({"one": Predictions(frame_of(seed=1)), "other": Predictions(logits)}, replicates=100)
    assert "other: scores outside 0–1 were taken as logits and mapped by the sigmoid" in found["warnings"]


def test_a_comparison_without_decisions_says_why():
    both = frame_of().with_columns(subset=pl.when(pl.int_range(120) < 60).then(pl.lit("val")).otherwise(pl.lit("test")))
    alone = both.filter(pl.col("subset") == "test")
    found = compare_predictions({"both": Predictions(both), "alone": Predictions(alone)}, replicates=100)
    assert found["pairs"][0]["mcnemar"] == {}
    assert (
        "alone: no val of both classes, so it has no thresholds and its decisions are not compared"
        in (found["warnings"])
    )
    assert not any(warning.startswith("both") for warning in found["warnings"])


def test_a_comparison_tells_of_groups_that_chose_and_are_judged():
    frame = frame_of().with_columns(
        subset=pl.when(pl.int_range(120) < 60).then(pl.lit("val")).otherwise(pl.lit("test")),
        group_id=pl.format("g{}", pl.int_range(120) % 40),
    )
    found = compare_predictions({"one": Predictions(frame), "other": Predictions(frame)}, replicates=100)
    assert "one, other: 40 groups stand on val and test: the figures of test flatter" in found["warnings"]


def test_two_faultless_models_are_not_known_to_be_equal():
    """Their difference was 0.000 (0.000–0.000) with a p of 1, on seven images."""
    y_true = [1, 1, 1, 0, 0, 0, 0]
    one = pl.DataFrame({"image_id": list("abcdefg"), "y_true": y_true, "y_score": [0.9, 0.8, 0.7, 0.4, 0.3, 0.2, 0.1]})
    other = one.with_columns(y_score=pl.Series([0.7, 0.8, 0.9, 0.1, 0.2, 0.3, 0.4]))
    pair = compare_predictions({"one": Predictions(one), "other": Predictions(other)}, replicates=100)["pairs"][0]
    assert (pair["difference"]["value"], pair["difference"]["low"], pair["difference"]["high"]) == (0.0, None, None)
    assert (pair["p_delong"], pair["p_bootstrap"]) == (None, None)
    scores = Predictions(one).scores
    found = paired_difference(scores, Predictions(other).scores.y_score, level=0.95)
    assert (found.value, found.low, found.high) == (0.0, None, None)
    same = paired_difference(scores, scores.y_score, level=0.95)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("written", "meant"), [("Validation", "val"), ("valid", "val"), ("Testing", "test")])
def test_subsets_by_their_other_names(written, meant):
    """`validation` was a subset of its own: the thresholds were then chosen on test."""
    table = Predictions(frame_of().with_columns(subset=pl.lit(written)))
    assert table.subsets == (meant,)
    assert len(table.subset(written)) == 120


def test_rows_without_a_subset_are_counted():
    """An empty cell among named ones made a row one of test, without a word."""
    named = pl.when(pl.int_range(120) < 60).then(pl.lit("val")).when(pl.int_range(120) < 100).then(pl.lit("test"))
    table = Predictions(frame_of().with_columns(subset=named))
    assert "20 of 120 rows name no subset: taken as test" in evaluate(table, QUICK).warnings
    assert not Predictions(frame_of().with_columns(subset=pl.lit(None))).warnings


def test_a_perfect_reader_has_no_certain_calibration():
    """Forty right answers of 0 and 1 made a Brier score and a calibration error of 0.000 (0.000–0.000)."""
    y_true = np.arange(40) % 4 == 0
    found = calibration_estimates(Scores(y_true, y_true.astype(float)), y_true.astype(float), QUICK)
    for figure in ("brier", "ece"):
        estimate = found[figure]
        assert (estimate.value, estimate.low, estimate.method) == (0.0, 0.0, "wilson")
        assert estimate.high == pytest.approx(0.0876, abs=1e-4)  # Wilson's of 0 in 40
    grouped = Scores(y_true, y_true.astype(float), np.arange(40) // 2)
    estimate = calibration_estimates(grouped, grouped.y_score, QUICK)["brier"]
    assert (estimate.method, estimate.high) == ("wilson_groups", pytest.approx(0.1611, abs=1e-4))  # of 0 in 20


def test_a_calibration_error_of_nothing_is_as_uncertain_as_its_share():
    """One score for all that happens to equal the share of fractures: the interval was empty."""
    y_true, probability = np.arange(40) % 2 == 0, np.full(40, 0.5)
    low, high = ece_interval(y_true, probability, None, level=0.95, seed=0)
    assert low == 0.0
    assert high == pytest.approx(1.96 * 0.5 / 39**0.5, rel=0.06)


def test_a_ratio_rests_on_no_more_groups_than_there_are():
    """A group with a fracture and without one counted twice."""
    frame = frame_of().with_columns(group_id=pl.format("g{}", pl.int_range(120) // 4))
    point = evaluate(Predictions(frame), QUICK).subsets["test"].operating_points["default"]
    assert point.figures["lr_positive"].n_groups == 30
    assert point.figures["lr_negative"].n_groups == 30
    assert {row.ppv.n_groups for row in point.at_prevalence} == {30}
