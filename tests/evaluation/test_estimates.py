"""Which method gives which figure its interval: by hand, statsmodels and SciPy, on both sides of each limit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, t
from statsmodels.stats.proportion import proportion_confint

from colles.core.recipe import EvaluateRecipe
from colles.evaluation.estimates import (
    calibration_estimates,
    paired_difference,
    paired_interval,
    proportion,
    ranking_estimates,
)
from colles.evaluation.metrics.bootstrap import bootstrap_ranking, logit_bootstrap_interval, percentile_interval
from colles.evaluation.metrics.calibration_error import calibration_intercept, calibration_slope, ece_interval
from colles.evaluation.metrics.delong import auroc_variance
from colles.evaluation.metrics.intervals import logit_interval, newcombe_auroc
from colles.evaluation.metrics.ranking import RANKING_FIGURES
from colles.evaluation.scores import Scores


def overlapping(positives: int, n: int = 60, *, copies: int = 1) -> Scores:
    """Return scores whose classes overlap, each row `copies` times in a group of its own where that is more than 1."""
    y_true = np.arange(n) < positives
    y_score = np.random.default_rng(0).normal(0.4 + 0.15 * y_true, 0.1).clip(0, 1)
    groups = np.repeat(np.arange(n), copies) if copies > 1 else None
    return Scores(y_true.repeat(copies), y_score.repeat(copies), groups)


@pytest.mark.parametrize("rarer", ["fractures", "others"])
@pytest.mark.parametrize(("copies", "suffix"), [(1, ""), (2, "_groups")])
def test_nine_of_a_class_are_few_and_ten_are_not(recipe, copies, suffix, rarer):
    cases = [overlapping(k if rarer == "fractures" else 60 - k, copies=copies) for k in (9, 10)]
    few, enough = (ranking_estimates(scores, recipe, both_methods=True) for scores in cases)
    assert {name: found.method for name, found in few.items()} == {
        name: "newcombe" if name == "auroc" else "wilson_smaller_class" for name in RANKING_FIGURES
    }
    own = {"auroc": "bootstrap_groups" if suffix else "delong_logit"}
    both = {"auroc_delong": f"delong_logit{suffix}", "auroc_bootstrap": f"bootstrap{suffix}"}
    rest = dict.fromkeys(RANKING_FIGURES, f"bootstrap{suffix}")
    assert {name: found.method for name, found in enough.items()} == {**rest, **own, **both}


@pytest.mark.parametrize("copies", [1, 2])
def test_few_of_a_class_have_newcombes_and_wilsons_interval_of_their_groups(recipe, copies):
    found = ranking_estimates(overlapping(4, copies=copies), recipe)
    auroc, precision = found["auroc"], found["average_precision"]
    assert (auroc.low, auroc.high) == pytest.approx(newcombe_auroc(auroc.value, 4, 56, level=0.95))
    assert (precision.low, precision.high) == pytest.approx(proportion_confint(4 * precision.value, 4, method="wilson"))


@pytest.mark.parametrize("copies", [1, 2])
def test_each_method_gives_its_own_interval(recipe, copies):
    scores = overlapping(20, 80, copies=copies)
    found = ranking_estimates(scores, recipe, both_methods=True)
    value, variance = auroc_variance(scores.y_true, scores.y_score, groups=scores.groups)
    delong = logit_interval(value, np.sqrt(variance), level=0.95, units=20)
    drawn = bootstrap_ranking(scores, RANKING_FIGURES, replicates=recipe.replicates, seed=recipe.seed)
    assert (found["auroc_delong"].low, found["auroc_delong"].high) == pytest.approx(delong)
    for name in RANKING_FIGURES:
        own = found["auroc_bootstrap" if name == "auroc" else name]
        if name in ("auroc", "average_precision", "partial_auroc"):
            want = logit_bootstrap_interval(own.value, drawn[name], 20, level=0.95)
        else:
            want = percentile_interval(drawn[name], 20, level=0.95)
        assert (own.low, own.high) == pytest.approx((min(want[0], own.value), max(want[1], own.value)))
    assert (found["auroc"].low, found["auroc"].high) == pytest.approx(
        delong if copies == 1 else (found["auroc_bootstrap"].low, found["auroc_bootstrap"].high)
    )


def test_a_narrow_interval_of_many_images_is_kept(recipe):
    y_true, y_score = np.arange(4000) < 2000, np.append(np.full(2000, 0.9), np.linspace(0, 0.905, 2000))
    found = ranking_estimates(Scores(y_true, y_score), recipe)
    assert found["auroc"].method == "delong_logit"
    assert found["auroc"].high - found["auroc"].low < 0.01


def test_a_share_of_rows_that_share_no_group_is_wilsons():
    """Each patient has a fractured image and another one: two rows a group, but one of each class."""
    y_true, called = np.arange(40) % 2 == 0, np.arange(40) % 5 > 0
    scores = Scores(y_true, called * 0.9, np.arange(40) // 2)
    found = proportion(called, scores, y_true, level=0.9)
    assert (found.method, found.n, found.n_groups) == ("wilson", 20, 20)
    assert (found.low, found.high) == pytest.approx(proportion_confint(16, 20, alpha=0.1, method="wilson"))
    first = proportion(called, scores, np.arange(40) < 10, level=0.9)
    assert (first.method, first.n, first.n_groups) == ("wilson_groups", 10, 5)


@pytest.mark.parametrize(("units", "law"), [(2, t(1)), (9, t(8)), (10, norm), (500, norm)])
def test_a_paired_difference_of_few_follows_students_law(units, law):
    low, high = paired_interval(0.01, 1e-6, units, level=0.9)
    assert (low, high) == pytest.approx((0.01 - law.ppf(0.95) / 1000, 0.01 + law.ppf(0.95) / 1000))
    assert paired_interval(0.5, 4.0, units, level=0.95) == (-1, 1)


def test_two_rankings_without_spread_are_certain_only_where_they_are_one():
    y_true, y_score = np.arange(30) < 15, np.linspace(0.9, 0.1, 30)
    scores = Scores(y_true, y_score)
    same = paired_difference(scores, y_score**2, level=0.95)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    other = paired_difference(scores, np.append(y_score[:15][::-1], y_score[15:]), level=0.95)
    assert (other.value, other.low, other.high) == (0, None, None)
    for label in (True, False):
        assert paired_difference(Scores(np.full(30, label), y_score), y_score**2, level=0.95).value is None
    one_fracture = Scores(np.arange(30) < 1, y_score)
    assert paired_difference(one_fracture, y_score**2, level=0.95).method == "undefined"


def test_copies_in_their_groups_change_no_paired_difference():
    once, copied = overlapping(20), overlapping(20, copies=3)
    other = np.random.default_rng(1).random(60)
    alone = paired_difference(once, other, level=0.95)
    together = paired_difference(copied, other.repeat(3), level=0.95)
    assert (together.value, together.low, together.high) == pytest.approx(
        (alone.value, alone.low, alone.high), rel=0.02
    )
    assert (alone.method, together.method) == ("paired_delong", "paired_delong_groups")


def test_the_seed_is_the_recipes_and_no_spread_is_no_interval_of_a_method():
    scores = overlapping(20)
    one, same, other = (ranking_estimates(scores, EvaluateRecipe(replicates=200, seed=seed)) for seed in (1, 1, 2))
    assert one == same and one["average_precision"].low != other["average_precision"].low
    apart = Scores(np.arange(60) < 20, np.linspace(1, 0, 60))
    found = ranking_estimates(apart, EvaluateRecipe(replicates=200), both_methods=True)
    assert set(found) == set(RANKING_FIGURES) and found["auroc"].low < found["auroc"].value == 1


@pytest.mark.parametrize("copies", [1, 3])
def test_errors_of_probabilities_by_students_and_the_sandwich(copies):
    scores = overlapping(25, 60, copies=copies)
    found = calibration_estimates(scores, scores.y_score, EvaluateRecipe())
    suffix = "_groups" if copies > 1 else ""
    errors = np.square(scores.y_score - scores.y_true)[::copies]
    half = t.ppf(0.975, 59) * errors.std(ddof=1) / np.sqrt(60)
    assert (found["brier"].low, found["brier"].high) == pytest.approx((errors.mean() - half, errors.mean() + half))
    bins = ece_interval(scores.y_true, scores.y_score, scores.groups, level=0.95, seed=0)
    assert (found["ece"].low, found["ece"].high) == pytest.approx(bins)
    for name, fit in (("calibration_slope", calibration_slope), ("calibration_intercept", calibration_intercept)):
        fitted = fit(scores, scores.y_score)
        assert found[name].value == fitted.coefficients[0]
        assert (found[name].low, found[name].high) == fitted.interval(0, level=0.95)
        assert found[name].method == f"wald_sandwich{suffix}"
    assert (found["brier"].method, found["ece"].method) == (f"student{suffix}", f"normal_bins{suffix}")


def test_limits_of_an_error_stay_between_0_and_1():
    y_true = np.array([True, False, True, False])
    found = calibration_estimates(Scores(y_true, np.full(4, 0.5)), np.array([0.1, 0.9, 0.9, 0.1]), EvaluateRecipe())
    assert (found["brier"].low, found["brier"].high) == (0, 1)


@pytest.mark.parametrize("copies", [1, 3])
def test_answers_that_are_all_right_have_wilsons_upper_limit(copies):
    y_true = np.repeat(np.arange(8) % 2 == 0, copies)
    groups = np.repeat(np.arange(8), copies) if copies > 1 else None
    found = calibration_estimates(Scores(y_true, y_true * 1.0, groups), y_true * 1.0, EvaluateRecipe())
    for name in ("brier", "ece"):
        assert found[name].high == pytest.approx(proportion_confint(0, 8, method="wilson")[1])
    assert found["brier"].method == "wilson" + ("_groups" if copies > 1 else "")


@pytest.mark.parametrize("copies", [1, 3])
def test_the_calibration_error_of_equal_probabilities_that_are_all_right_had_no_width(copies):
    """A reader who is always right, calibrated to 0.9 and 0.1, had an error of 0.1 (0.1 to 0.1)."""
    y_true = np.repeat(np.arange(40) % 2 == 0, copies)
    groups = np.repeat(np.arange(40), copies) if copies > 1 else None
    y_prob = np.where(y_true, 0.9, 0.1)
    ece = calibration_estimates(Scores(y_true, y_prob, groups), y_prob, EvaluateRecipe())["ece"]
    assert ece.value == pytest.approx(0.1) and ece.method == "wilson" + ("_groups" if copies > 1 else "")
    assert (ece.low, ece.high) == pytest.approx(proportion_confint(4, 40, method="wilson"))


@pytest.mark.parametrize("n", [9, 10])
def test_nine_groups_show_too_little_of_the_calibration_error(n):
    y_true = np.arange(n) < n // 2
    y_prob = np.where(y_true, 0.99, 0.01) + np.linspace(-0.009, 0.009, n)
    found = calibration_estimates(Scores(y_true, y_prob), y_prob, EvaluateRecipe(seed=3))["ece"]
    own = ece_interval(y_true, y_prob, None, level=0.95, seed=3)[1]
    assert found.high == pytest.approx(
        proportion_confint(n * found.value, n, method="wilson")[1] if n == 9 else own, rel=1e-9
    )


def test_one_group_gives_no_slope():
    scores = overlapping(25)
    one = Scores(scores.y_true, scores.y_score, np.zeros(60, dtype=np.int64))
    found = calibration_estimates(one, scores.y_score, EvaluateRecipe())
    assert found["calibration_slope"].method == found["calibration_intercept"].method == "undefined"
    absent = Scores(np.ones(60, bool), scores.y_score)
    assert calibration_estimates(absent, scores.y_score, EvaluateRecipe())["calibration_intercept"].value is None
