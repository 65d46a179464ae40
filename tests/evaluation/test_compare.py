"""Comparisons are paired, symmetric, and refuse what cannot be paired."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest

from colles.core.errors import TableError
from colles.evaluation.compare import compare_predictions, holm, mcnemar, two_sided_p
from colles.evaluation.predictions import Predictions


@pytest.fixture
def better_and_worse(predictions_frame) -> dict[str, Predictions]:
    """A model and the same one with noise on its scores."""
    noise = np.random.default_rng(1).random(predictions_frame.height)
    worse = predictions_frame.with_columns(y_score=0.6 * pl.col("y_score") + 0.4 * pl.Series(noise))
    return {"good": Predictions(predictions_frame), "noisy": Predictions(worse)}


def compare(tables, **more):
    return compare_predictions(tables, replicates=1000, **more)


def test_a_real_difference_is_found_by_both_methods(better_and_worse):
    found = compare(better_and_worse)
    pair = found["pairs"][0]
    assert (found["n"], found["n_groups"]) == (450, 150)
    assert (pair["first"], pair["second"]) == ("good", "noisy")
    values = {name: estimate["value"] for name, estimate in found["auroc"].items()}
    assert pair["difference"]["value"] == pytest.approx(values["good"] - values["noisy"])
    assert pair["p_delong"] < 0.01
    assert pair["difference"]["low"] > 0
    assert pair["difference"]["method"] == "paired_bootstrap_groups"
    widths = [pair[key]["high"] - pair[key]["low"] for key in ("difference", "difference_delong")]
    assert widths[0] == pytest.approx(widths[1], rel=0.25)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("grouped", [True, False])
def test_pairing_narrows_the_interval(better_and_worse, grouped):
    if not grouped:
        better_and_worse = {name: Predictions(table.frame.drop("group_id")) for name, table in better_and_worse.items()}
    found = compare(better_and_worse)
    difference = found["pairs"][0]["difference"]
    alone = [estimate["high"] - estimate["low"] for estimate in found["auroc"].values()]
    assert difference["high"] - difference["low"] < 0.9 * np.hypot(*alone)
    delong = found["pairs"][0]["difference_delong"]
    assert difference["high"] - difference["low"] == pytest.approx(delong["high"] - delong["low"], rel=0.1)


def test_a_model_does_not_differ_from_itself_or_from_a_monotone_map(predictions_frame):
    mapped = predictions_frame.with_columns(pl.col("y_score") ** 3).sample(fraction=1.0, shuffle=True, seed=3)
    pair = compare({"one": Predictions(predictions_frame), "cubed": Predictions(mapped)})["pairs"][0]
    difference = pair["difference"]
    assert (difference["value"], difference["low"], difference["high"]) == pytest.approx((0, 0, 0), abs=1e-12)
    assert pair["p_delong"] == pytest.approx(1.0)


def test_order_of_the_models_turns_the_sign(better_and_worse):
    one = compare(better_and_worse)["pairs"][0]
    other = compare(dict(reversed(better_and_worse.items())))["pairs"][0]
    assert other["difference"]["value"] == pytest.approx(-one["difference"]["value"])
    assert other["difference"]["low"] == pytest.approx(-one["difference"]["high"], abs=1e-9)
    assert other["p_delong"] == pytest.approx(one["p_delong"])


def test_only_shared_images_count(better_and_worse):
    half = Predictions(better_and_worse["noisy"].frame.filter(pl.int_range(pl.len()) % 2 == 0))
    assert compare({"good": better_and_worse["good"], "half": half})["n"] == 225


def test_three_models_make_three_pairs_with_corrected_p(better_and_worse, predictions_frame):
    random = predictions_frame.with_columns(y_score=pl.Series(np.random.default_rng(2).random(900)))
    found = compare({**better_and_worse, "random": Predictions(random)})
    assert len(found["pairs"]) == 3
    assert all(pair["p_holm"] >= pair["p_delong"] for pair in found["pairs"])


def test_mcnemar_at_each_models_own_val_threshold(better_and_worse):
    pair = compare(better_and_worse)["pairs"][0]
    assert set(pair["mcnemar"]) == {"f1", "youden", "rule_out", "rule_in"}
    without_val = {
        name: Predictions(table.frame.filter(pl.col("subset") == "test")) for name, table in better_and_worse.items()
    }
    assert compare(without_val)["pairs"][0]["mcnemar"] == {}


def test_mcnemar_counted_by_hand():
    first = np.array([1, 1, 1, 1, 1, 0, 0, 1], dtype=bool)
    second = np.array([0, 0, 0, 0, 1, 1, 0, 1], dtype=bool)
    assert mcnemar(first, second) == {"only_first": 4, "only_second": 1, "p": pytest.approx(binomtest(4, 5).pvalue)}
    assert mcnemar(first, first)["p"] == 1.0


def test_holm_by_hand():
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_p_of_nothing():
    assert two_sided_p(0.0, 0.0) == 1.0
    assert two_sided_p(1.96, 1.0) == pytest.approx(0.05, abs=1e-4)


def test_what_cannot_be_paired_is_refused(predictions_frame, better_and_worse):
    good = better_and_worse["good"]
    with pytest.raises(TableError, match="lacks the column 'image_id'"):
        compare({"a": good, "b": Predictions(predictions_frame.drop("image_id"))})
    with pytest.raises(TableError, match="no image of test is in all tables"):
        other = predictions_frame.with_columns(image_id=pl.lit("other/") + pl.col("image_id"))
        compare({"a": good, "b": Predictions(other)})
    with pytest.raises(TableError, match="b: y_true: 450 images have another label"):
        compare({"a": good, "b": Predictions(predictions_frame.with_columns(y_true=1 - pl.col("y_true")))})
    with pytest.raises(TableError, match="at least two images of each class"):
        only = Predictions(predictions_frame.filter(pl.col("y_true") == 0))
        compare({"a": only, "b": only})
