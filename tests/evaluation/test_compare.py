"""Comparisons are paired, symmetric, and refuse what cannot be paired."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from published import delong_data
from scipy.stats import binomtest, norm, t
from statsmodels.stats.contingency_tables import mcnemar as sm_mcnemar
from statsmodels.stats.multitest import multipletests

from colles.core.errors import TableError
from colles.evaluation.compare import all_equal, compare_predictions, two_sided_p
from colles.evaluation.comparison_table import (
    caption,
    decision_table,
    estimate,
    markdown,
    model_table,
    p_value,
    pair_table,
)
from colles.evaluation.decisions import compare_decisions, difference_interval, groups_p, holm, mcnemar
from colles.evaluation.estimates import paired_difference
from colles.evaluation.metrics.bootstrap import bootstrap_p, percentile_interval
from colles.evaluation.metrics.delong import auroc_difference
from colles.evaluation.metrics.intervals import wilson
from colles.evaluation.predictions import Predictions
from colles.evaluation.scores import Scores


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
    assert holm([0.02, None, 0.5]) == [0.06, None, 1.0]


def test_p_of_nothing():
    assert two_sided_p(0.0, 0.0) == 1.0
    assert two_sided_p(1.0, 0.0) is None
    assert two_sided_p(1.96, 1.0) == pytest.approx(0.05, abs=1e-4)


def test_a_difference_without_spread_is_undefined_not_certain():
    perfect = table_of([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1])
    reversed_ = table_of([1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9])
    found = compare({"perfect": perfect, "reversed": reversed_, "again": perfect})
    pair, equal = found["pairs"][0], found["pairs"][1]
    for key in ("difference", "difference_delong"):
        assert (pair[key]["value"], pair[key]["low"], pair[key]["high"]) == (1.0, None, None)
    assert (pair["p_delong"], pair["p_bootstrap"], pair["p_holm"]) == (None, None, None)
    assert (equal["p_delong"], equal["p_holm"]) == (1.0, 1.0)
    assert pair_table(found)[1][0][1:] == ["+1.000", "undefined", "undefined", "+1.000", "undefined"]
    json.dumps(found, allow_nan=False)


def table_of(y_true, y_score, **more) -> Predictions:
    ids = [f"{i}.png" for i in range(len(y_true))]
    return Predictions(pl.DataFrame({"image_id": ids, "y_true": y_true, "y_score": y_score, **more}))


def test_few_fractures_are_warned_of_in_json_and_caption():
    table = table_of([1] * 3 + [0] * 40, np.random.default_rng(0).random(43))
    found = compare({"a": table, "b": table_of([1] * 3 + [0] * 40, np.random.default_rng(1).random(43))})
    assert found["warnings"][0].startswith("only 3 fractures among 43 images")
    assert "Warning: only 3 fractures" in caption(found)


def test_decisions_on_the_images_that_chose_the_thresholds_are_said_to_be_flattered(better_and_worse):
    assert "flattered" in compare(better_and_worse, subset="val")["warnings"][0]
    assert compare(better_and_worse)["warnings"] == []


@pytest.mark.parametrize("fractures", [2, 3, 5])
def test_a_handful_of_discordant_images_leaves_the_difference_of_rates_open(fractures):
    y_true = np.array([True] * fractures + [False] * 40)
    one, other = np.where(y_true, 0.9, 0.1), np.full(fractures + 40, 0.1)
    pair = tuple(Scores(y_true, scores) for scores in (one, other))
    found = compare_decisions(pair, ({"f1": 0.5}, {"f1": 0.5}), 0.95)["f1"]
    sensitivity, specificity = found["sensitivity"]["difference"], found["specificity"]["difference"]
    assert sensitivity["value"] == 1.0
    assert (sensitivity["low"] > 0) == (fractures > 3)  # McNemar's statistic: √5 > 1.96 > √3
    assert sensitivity["high"] == 1.0
    assert -0.1 < specificity["low"] < 0 < specificity["high"] < 0.1


def test_groups_that_all_agree_are_not_certain_and_no_interval_leaves_one():
    y_true, groups = np.array([True] * 6 + [False] * 6), np.arange(12) // 2
    one, other = np.where(y_true, 0.9, 0.1), np.full(12, 0.1)
    pair = tuple(Scores(y_true, scores, groups) for scores in (one, other))
    found = compare_decisions(pair, ({"f1": 0.5}, {"f1": 0.5}), 0.95)["f1"]
    estimate = found["sensitivity"]["difference"]
    assert (estimate["method"], estimate["n_groups"], estimate["high"]) == ("score_groups", 3, 1.0)
    assert estimate["low"] < 0
    estimate = found["specificity"]["difference"]
    assert (estimate["method"], estimate["high"]) == ("tango_groups", pytest.approx(wilson(0, 3)[1]))
    other[:2] = 0.9
    found = compare_decisions(pair, ({"f1": 0.5}, {"f1": 0.5}), 0.95)["f1"]["sensitivity"]["difference"]
    assert (found["method"], found["high"]) == ("score_groups", 1.0)
    assert -1 <= found["low"] < found["value"]


def test_an_interval_of_grouped_decisions_left_out_zero_beside_a_p_above_five_percent():
    """Ten patients, three images each; where four gained one, Student's was 0.01 to 0.26 and p 0.08."""
    groups, gains = np.arange(30) // 3, np.zeros(30)
    for gaining in range(11):
        gains[::3] = np.arange(10) < gaining
        (low, high), method = difference_interval(gains, groups, 0.95)
        assert (groups_p(gains, groups) < 0.05) == (gaining > 5)
        assert (low > 1e-9) == (5 < gaining < 10)
        assert low <= gains.mean() <= high
        assert method == ("score_groups" if 0 < gaining < 10 else "tango_groups")


@pytest.mark.parametrize("n_groups", [2, 6, 7, 40])
@pytest.mark.parametrize("pattern", [(1.0, 0.0), (1.0, 1.0), (-1.0, 0.0)])
def test_groups_that_all_gain_alike_had_an_interval_without_width(n_groups, pattern):
    """Of seven patients and more it was 0.500 (0.500 to 0.500) where one model found one view more of each."""
    groups, gains = np.repeat(np.arange(n_groups), 2), np.tile(pattern, n_groups)
    (low, high), _ = difference_interval(gains, groups, 0.95)
    assert -1 <= low <= gains.mean() <= high <= 1
    assert high - low > 0.08
    assert low <= 0 <= high or groups_p(gains, groups) < 0.05


def test_a_difference_of_grouped_decisions_is_at_most_one():
    groups = np.repeat(np.arange(10), 2)
    gains = np.where(groups > 0, 1.0, 0.0)
    (low, high), _ = difference_interval(gains, groups, 0.95)
    assert (low, high) == (pytest.approx(0.593, abs=0.001), 1.0)
    assert difference_interval(-gains, groups, 0.95)[0] == (-1.0, -low)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_limits_of_grouped_decisions_are_where_their_test_is_just_significant(level):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(25), rng.integers(1, 9, 25))
    gains = rng.choice([-1.0, 0.0, 1.0], len(groups), p=[0.1, 0.6, 0.3])
    (low, high), _ = difference_interval(gains, groups, level)
    assert low < gains.mean() < high
    assert [groups_p(gains - limit, groups) for limit in (low, high)] == pytest.approx([1 - level] * 2)


@pytest.mark.parametrize("fractures", [2, 3, 9])
def test_few_fractures_had_a_narrow_bootstrap_interval_beside_their_warning(fractures):
    """Of two equal models with two fractures, 24 of 100 such intervals left out 0; of three, the test of all did so."""
    y_true = [1] * fractures + [0] * 60
    rng = np.random.default_rng(2)
    found = compare({name: table_of(y_true, rng.random(len(y_true))) for name in "abc"})
    for pair in found["pairs"]:
        assert (pair["difference"]["low"], pair["difference"]["high"], pair["p_bootstrap"]) == (None, None, None)
        delong = pair["difference_delong"]
        assert (delong["low"] > 0 or delong["high"] < 0) == (pair["p_delong"] < 0.05)
    assert found["all_equal"] is None


def test_the_terminal_showed_a_bootstrap_interval_beside_delongs_p(better_and_worse):
    found = compare(better_and_worse)
    pair = found["pairs"][0]
    header, (cells,) = pair_table(found)
    shown = dict(zip(header, cells, strict=True))
    assert shown["Difference of AUROC"] == estimate(pair["difference_delong"], sign="+")
    assert shown["By bootstrap"] == estimate(pair["difference"], sign="+") != shown["Difference of AUROC"]
    for name, key in (("p (DeLong)", "p_delong"), ("p (Holm)", "p_holm"), ("p (bootstrap)", "p_bootstrap")):
        assert shown[name] == p_value(pair[key])


def test_what_cannot_be_paired_is_refused(predictions_frame, better_and_worse):
    good = better_and_worse["good"]
    with pytest.raises(TableError, match="lacks the column 'image_id'"):
        compare({"a": good, "b": Predictions(predictions_frame.drop("image_id"))})
    with pytest.raises(TableError, match="no image of test is in all tables"):
        other = predictions_frame.with_columns(image_id=pl.lit("other/") + pl.col("image_id"))
        compare({"a": good, "b": Predictions(other)})
    with pytest.raises(TableError, match="no image of test is in all tables"):
        compare({"a": good, "b": Predictions(other.with_columns(image_id=None))})
    with pytest.raises(TableError, match="b: y_true: 450 images have another label"):
        compare({"a": good, "b": Predictions(predictions_frame.with_columns(y_true=1 - pl.col("y_true")))})
    with pytest.raises(TableError, match="at least two images of each class"):
        only = Predictions(predictions_frame.filter(pl.col("y_true") == 0).drop("group_id"))
        compare({"a": only, "b": only})


def test_three_fractures_of_one_patient_were_said_to_be_fewer_than_two_images():
    rows = {"image_id": list("abcdef"), "y_true": [1, 1, 1, 0, 0, 0], "group_id": list("ppp123")}
    table = Predictions(pl.DataFrame({**rows, "y_score": [0.9, 0.8, 0.7, 0.3, 0.2, 0.1]}))
    with pytest.raises(TableError, match="at least two groups of each class; the tables share 6 images, of which 3"):
        compare({"a": table, "b": table})


def test_ids_spelt_otherwise_were_called_another_split(predictions_frame):
    other = predictions_frame.with_columns(image_id=pl.lit("other/") + pl.col("image_id"))
    with pytest.raises(TableError, match=r"image_id: no image .* tables \(a: '(set/.+)', b: 'other/\1'\)") as caught:
        compare({"a": Predictions(predictions_frame), "b": Predictions(other)})
    assert "Spell" in caught.value.repair


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 3, 12])
def test_holm_equals_statsmodels(n):
    p_values = (np.random.default_rng(n).random(n) ** 3).tolist()
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


@pytest.mark.parametrize(
    ("only_first", "only_second", "both"), [(0, 0, 3), (1, 0, 0), (12, 3, 5), (30, 31, 2), (0, 9, 1)]
)
def test_mcnemar_equals_statsmodels(only_first, only_second, both):
    right = np.array([[True, False]] * only_first + [[False, True]] * only_second + [[True, True]] * both)
    want = sm_mcnemar([[both, only_first], [only_second, 0]], exact=True).pvalue
    assert mcnemar(right[:, 0], right[:, 1])["p"] == pytest.approx(min(1.0, want))


def test_the_form_for_groups_is_mcnemars_where_every_group_has_one_image():
    gains = np.array([1.0] * 15 + [-1.0] * 5 + [0.0] * 30)
    assert groups_p(gains, np.arange(50)) == pytest.approx(2 * t.sf((15 - 5) / np.sqrt(20), 49))
    assert groups_p(gains, np.arange(50) // 2) > groups_p(gains, np.arange(50))
    assert groups_p(np.zeros(4), np.arange(4)) == 1.0


def test_p_of_the_form_for_groups_is_uniform_where_nothing_differs():
    rng, below = np.random.default_rng(0), 0
    for _ in range(400):
        groups = np.repeat(np.arange(60), 4)
        gains = rng.choice([-1.0, 0.0, 1.0], 60)[groups] * (rng.random(240) < 0.7)
        below += groups_p(gains, groups) < 0.05
    assert 0.02 < below / 400 < 0.085


def test_paired_delong_of_a_handful_takes_students_quantile():
    assert two_sided_p(0.3, 0.01) == pytest.approx(2 * norm.sf(3))
    assert two_sided_p(0.3, 0.01, 5) == pytest.approx(2 * t.sf(3, 4))
    y_true = np.arange(100) < 5
    first, second = np.random.default_rng(3).random((2, 100)) + np.array([[0.6], [0.0]]) * y_true
    ids = [f"i{i}" for i in range(100)]
    frame = pl.DataFrame({"image_id": ids, "y_true": y_true.astype(int), "y_score": first / 2})
    other = frame.with_columns(y_score=pl.Series(second / 2))
    pair = compare_predictions({"a": Predictions(frame), "b": Predictions(other)}, replicates=100)["pairs"][0]
    value, low = pair["difference_delong"]["value"], pair["difference_delong"]["low"]
    change = paired_difference(Scores(y_true, first), second, level=0.95)
    assert (change.value, change.low) == pytest.approx((value, low))
    _, variance = auroc_difference(y_true, first, second)
    assert value - low == pytest.approx(t.ppf(0.975, 4) * variance**0.5)
    assert pair["p_delong"] == pytest.approx(2 * t.sf(abs(value) / variance**0.5, 4))


def test_bootstrap_p_counts_replicates_beyond_zero():
    drawn = np.array([0.1] * 95 + [-0.1] * 4)
    many = 10**7  # groups, so that nothing is expanded
    assert bootstrap_p(drawn, many) == pytest.approx(2 * 5 / 100, rel=1e-4)
    assert bootstrap_p(np.zeros(9), many) == 1.0
    assert bootstrap_p(np.full(999, 0.1), many) == pytest.approx(2 / 1000, rel=1e-4)


@pytest.mark.parametrize("groups", [2, 3, 5, 12, 200])
def test_bootstrap_p_is_below_five_percent_only_where_its_interval_leaves_out_zero(groups):
    drawn = np.random.default_rng(0).normal(0.0, 1.0, 9999)
    for shift in np.arange(0.5, 6.0, 0.02):
        low, _ = percentile_interval(drawn + shift, groups, level=0.95)
        p = bootstrap_p(drawn + shift, groups)
        assert p >= 0.05 or low > 0.0
        # Fewer than five groups would take more replicates than anybody draws.
        assert p < 0.05 or low < 0.1 or groups < 5


def test_bootstrap_p_of_one_group_is_undefined():
    assert bootstrap_p(np.full(99, 0.1), 1) is None


def test_all_equal_is_delongs_contrast_of_his_own_example():
    y_true, tests = delong_data()
    found = all_equal([Scores(y_true, scores) for scores in tests])
    # SAS/STAT prints chi-square 2.5340 with 2 degrees of freedom, p 0.2817.
    assert (found["chi2"], found["df"], found["p"]) == (
        pytest.approx(2.5340, abs=5e-5),
        2,
        pytest.approx(0.2817, abs=5e-5),
    )


def test_copies_of_every_image_in_its_group_change_no_comparison(make_scores):
    one, other, third = (make_scores(100, seed=seed).y_score for seed in range(3))
    y_true, rows = make_scores(100).y_true, np.repeat(np.arange(100), 3)

    def table(y_score, rows, **more):
        ids = [f"{place} {row}" for place, row in enumerate(rows)]
        columns = {"image_id": ids, "y_true": y_true[rows].astype(int), "y_score": y_score[rows], **more}
        return Predictions(pl.DataFrame(columns))

    models = {"one": one, "other": other, "third": third}
    once = compare({name: table(score, np.arange(100)) for name, score in models.items()})
    copied = compare({name: table(score, rows, group_id=rows.astype(str)) for name, score in models.items()})
    assert copied["n_groups"] == once["n"] == 100
    for first, second in zip(once["pairs"], copied["pairs"], strict=True):
        for key in ("value", "low", "high"):
            assert first["difference_delong"][key] == pytest.approx(second["difference_delong"][key])
    assert copied["all_equal"] == pytest.approx(once["all_equal"])


def test_the_level_is_that_of_every_interval_and_few_groups_widen_the_bootstraps(better_and_worse):
    frames = {name: table.frame.filter(pl.col("subset") == "test") for name, table in better_and_worse.items()}
    groups = frames["good"].group_by("group_id", maintain_order=True).agg(pl.col("y_true").max())
    kept = pl.concat([groups.filter(pl.col("y_true") == label).head(12) for label in (0, 1)])["group_id"]
    tables = {
        name: Predictions(frame.filter(pl.col("group_id").is_in(kept.implode()))) for name, frame in frames.items()
    }
    for level in (0.8, 0.95):
        found = compare_predictions(tables, level=level, replicates=2000)
        pair = found["pairs"][0]
        assert {pair[key]["level"] for key in ("difference", "difference_delong")} == {found["level"]} == {level}
        scores = [table.scores for table in tables.values()]
        value, variance = auroc_difference(
            scores[0].y_true, scores[0].y_score, scores[1].y_score, groups=scores[0].groups
        )
        half = norm.ppf((1 + level) / 2) * variance**0.5
        assert pair["difference_delong"]["high"] - value == pytest.approx(half)
        # Expanded (Hesterberg 2015), the bootstrap is as wide as Student's interval of twelve groups.
        width = pair["difference"]["high"] - pair["difference"]["low"]
        assert width == pytest.approx(2 * t.ppf((1 + level) / 2, 11) * variance**0.5, rel=0.1)


def test_groups_that_were_learned_from_are_told(better_and_worse):
    leaky = {
        name: Predictions(table.frame.with_columns(subset=pl.col("subset").replace("val", "train"), group_id=pl.lit("p")
                          + (pl.int_range(pl.len()) % 150).cast(pl.String)))
        for name, table in better_and_worse.items()
    }  # fmt: skip
    assert "good, noisy: 150 groups stand on train and test: the figures of test flatter" in compare(leaky)["warnings"]


def test_thresholds_are_chosen_on_unchanged_images_of_val(better_and_worse):
    noisy = better_and_worse["noisy"].frame
    changed = noisy.filter(pl.col("subset") == "val").with_columns(condition=pl.lit("noise 1"), y_score=pl.lit(0.5))
    mixed = Predictions(pl.concat([noisy.with_columns(condition=pl.lit("")), changed]))
    one, other = (compare({"good": better_and_worse["good"], "b": table})["models"][1]["operating_points"]
                  for table in (better_and_worse["noisy"], mixed))  # fmt: skip
    assert one == other


def test_all_equal_of_copies_says_nothing(make_scores):
    scores = make_scores(100)
    assert all_equal([scores, scores, scores]) is None


def test_the_tables_of_a_paper(better_and_worse, predictions_frame):
    third = Predictions(predictions_frame.with_columns(y_score=pl.lit(0.5)))
    found = compare({**better_and_worse, "a|b": third})
    header, rows = model_table(found)
    assert header[:2] == ["Model", "AUROC"]
    assert [row[0] for row in rows] == ["good", "noisy", "a|b"]
    assert "–" in rows[0][1]
    header, rows = pair_table(found)
    assert [row[0] for row in rows] == ["good − noisy", "good − a|b", "noisy − a|b"]
    assert rows[1][1].startswith("+0.")
    at = found["models"][0]["operating_points"]["rule_in"]["figures"]
    shown = dict(zip(model_table(found)[0], model_table(found)[1][0], strict=True))
    assert shown["Sensitivity at rule-in"] == estimate(at["sensitivity"])
    assert shown["Specificity at rule-in"] == estimate(at["specificity"])
    header, rows = decision_table(found)
    test = found["pairs"][0]["mcnemar"]["f1"]["sensitivity"]
    assert rows[0][3:] == [
        estimate(test["difference"], sign="+"), str(test["only_first"]), str(test["only_second"]),
        p_value(test["p_groups"]), p_value(test["p_holm"]),
    ]  # fmt: skip
    assert {row[2] for row in rows} == {"sensitivity", "specificity"}
    assert "groups are the units of every interval" in caption(found)
    text = markdown(found)
    assert "All models equal: χ²" in text
    assert "in 150 groups" in text
    assert "a\\|b" in text
    widths = {line.replace("\\|", "").count("|") for line in text.split("\n\n")[1].splitlines()}
    assert len(widths) == 1
    json.dumps(found, allow_nan=False)


def test_holm_is_over_the_pairs_within_one_point_and_class(better_and_worse, predictions_frame):
    third = Predictions(predictions_frame.with_columns(y_score=pl.lit(0.5)))
    pairs = compare({**better_and_worse, "flat": third})["pairs"]
    tests = [pair["mcnemar"]["f1"]["specificity"] for pair in pairs]
    assert [test["p_holm"] for test in tests] == pytest.approx(holm([test["p_groups"] for test in tests]))


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0004, "<0.001"),
        (0.0042, "0.004"),
        (0.042, "0.04"),
        (0.0468, "0.047"),
        (0.0497, "<0.05"),
        (0.05, "0.05"),
        (1.0, "1.00"),
    ],
)
def test_p_as_a_journal_prints_it(p, text):
    assert p_value(p) == text


def test_groups_of_either_table_count_whichever_is_named_first(better_and_worse):
    plain = Predictions(better_and_worse["noisy"].frame.drop("group_id"))
    one = compare({"good": better_and_worse["good"], "plain": plain})
    other = compare({"plain": plain, "good": better_and_worse["good"]})
    assert one["n_groups"] == other["n_groups"] == 150
    for key in ("difference", "difference_delong"):
        first, second = one["pairs"][0][key], other["pairs"][0][key]
        assert (first["value"], first["low"], first["high"]) == pytest.approx(
            (-second["value"], -second["high"], -second["low"]), abs=1e-12
        )
    assert one["warnings"] == []


def test_tables_that_group_differently_are_joined_and_said(better_and_worse):
    pairs = better_and_worse["noisy"].frame.with_columns(group_id=pl.format("pair {}", pl.int_range(pl.len()) // 2))
    tables = {"good": better_and_worse["good"], "pairs": Predictions(pairs)}
    one, other = compare(tables), compare(dict(reversed(tables.items())))
    assert one["n_groups"] == other["n_groups"] == 75
    assert one["pairs"][0]["difference"]["low"] == pytest.approx(-other["pairs"][0]["difference"]["high"])
    assert "group the images differently (good, pairs" in one["warnings"][0]
    assert "Warning: the tables group" in markdown(one)
