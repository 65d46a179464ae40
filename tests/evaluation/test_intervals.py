"""Intervals against published values, independent formulas, and each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from published import delong_data, hanley
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit, xlogy
from scipy.stats import norm, t
from statsmodels.discrete.discrete_model import Logit
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import proportion_confint

from colles.core.recipe import EvaluateRecipe
from colles.evaluation.estimates import calibration_estimates, paired_difference, ranking_estimates
from colles.evaluation.metrics.bootstrap import bootstrap_ranking, logit_bootstrap_interval, percentile_interval
from colles.evaluation.metrics.calibration_error import (
    calibration_slope,
    ece_interval,
    expected_calibration_error,
)
from colles.evaluation.metrics.confusion import confusion_at, mcc
from colles.evaluation.metrics.delong import auroc_covariance, auroc_difference, auroc_variance, placements
from colles.evaluation.metrics.intervals import (
    logit_interval,
    mean_interval,
    mover_mean,
    newcombe_auroc,
    tango_paired,
    wilson,
    wilson_groups,
)
from colles.evaluation.metrics.ranking import RANKING_FIGURES, auroc
from colles.evaluation.point_estimates import point_estimates
from colles.evaluation.scores import Scores


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # Newcombe RG, Stat Med 1998; 17: 857–872, table I, method 3 (score without continuity correction).
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_equals_newcombes_table(hits, n, low, high):
    assert wilson(hits / n, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("hits", "n"), [(0, 7), (3, 3), (81, 263), (999, 1000)])
def test_wilson_equals_statsmodels(hits, n, level):
    want = proportion_confint(hits, n, alpha=1 - level, method="wilson")
    assert wilson(hits / n, n, level=level) == pytest.approx(want, abs=1e-12)


def test_tangos_interval_equals_a_published_example():
    # Fagerland MW, Lydersen S, Laake P, Stat Med 2014; 33: 2850–2875: 1 and 7 of 21 pairs are discordant.
    assert tango_paired(1, 7, 21, level=0.95) == pytest.approx((-0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize(("first", "second", "n"), [(1, 7, 21), (0, 4, 9), (12, 2, 50), (3, 3, 8)])
def test_tangos_limits_are_where_the_score_statistic_is_just_significant(first, second, n):
    for delta in tango_paired(first, second, n, level=0.95):

        def unlikely(share, delta=delta):
            cells = np.array([share + delta, share, 1 - 2 * share - delta])
            return -float(xlogy([first, second, n - first - second], np.maximum(cells, 1e-300)).sum())

        likely = minimize_scalar(unlikely, bounds=(max(0.0, -delta), (1 - delta) / 2), method="bounded",
                                 options={"xatol": 1e-12}).x  # fmt: skip
        spread = np.sqrt(n * (2 * likely + delta * (1 - delta)))
        assert abs(first - second - n * delta) / spread == pytest.approx(1.959964, abs=1e-4)


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_tangos_interval_is_that_of_mcnemar_never_empty_and_turns_with_the_order(first, second, same):
    n = first + second + same
    if not n:
        return
    low, high = tango_paired(first, second, n, level=0.95)
    assert -1 <= low <= (first - second) / n <= high <= 1
    assert high - low > 0.01
    assert tango_paired(second, first, n, level=0.95) == pytest.approx((-high, -low))
    assert (low > 1e-9 or high < -1e-9) == (abs(first - second) > 1.959964 * np.sqrt(first + second))
    if not first + second:
        assert high == pytest.approx(wilson(0, n)[1])


def test_delong_equals_the_published_hanley_example():
    # Area 0.893; Stata's manual ([R] roctab, same data, DeLong): 0.8932, standard error 0.0307, 0.83295–0.95339.
    value, variance = auroc_variance(*hanley())
    assert value == pytest.approx(0.8932, abs=5e-5)
    assert np.sqrt(variance) == pytest.approx(0.0307, abs=5e-5)
    half = 1.959964 * np.sqrt(variance)
    assert (value - half, value + half) == pytest.approx((0.83295, 0.95339), abs=1e-5)


def test_areas_and_errors_equal_delongs_own_example():
    values, covariance = auroc_covariance(*delong_data())
    assert values == pytest.approx([0.7366, 0.7258, 0.6478], abs=5e-5)
    assert np.sqrt(np.diag(covariance)) == pytest.approx([0.0927, 0.1028, 0.1000], abs=5e-5)


@pytest.mark.parametrize(
    ("test", "difference", "error", "low", "chi2"),
    [(0, 0.0108, 0.0953, -0.1761, 0.0127), (2, -0.0780, 0.1046, -0.2830, 0.5554)],
)
def test_differences_equal_delongs_own_example(test, difference, error, low, chi2):
    y_true, tests = delong_data()
    value, variance = auroc_difference(y_true, tests[test], tests[1])
    assert (value, variance**0.5) == (pytest.approx(difference, abs=5e-5), pytest.approx(error, abs=5e-5))
    found = paired_difference(Scores(y_true, tests[test]), tests[1], level=0.95)
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(2 * value - found.low)
    assert value**2 / variance == pytest.approx(chi2, abs=5e-5)


def slow_covariance(y_true, y_scores):
    """Compare every pair of a positive and a negative, then take covariances of the means (DeLong 1988, eq. 5–6)."""
    v10, v01 = [], []
    for y_score in y_scores:
        wins = np.array([[(x > y) + 0.5 * (x == y) for y in y_score[~y_true]] for x in y_score[y_true]])
        v10.append(wins.mean(axis=1))
        v01.append(wins.mean(axis=0))
    return np.atleast_2d(np.cov(v10)) / y_true.sum() + np.atleast_2d(np.cov(v01)) / (~y_true).sum()


@pytest.mark.parametrize("ties", [False, True])
def test_delong_equals_the_slow_way(make_scores, ties):
    one, other = make_scores(120, ties=ties, seed=1), make_scores(120, ties=ties, seed=2)
    y_scores = [one.y_score, other.y_score]
    _, covariance = auroc_covariance(one.y_true, y_scores)
    assert covariance == pytest.approx(slow_covariance(one.y_true, y_scores), abs=1e-12)


def test_clustered_variance_of_lone_rows_is_delongs(make_scores):
    scores = make_scores(200)
    alone = auroc_variance(scores.y_true, scores.y_score)
    own = auroc_variance(scores.y_true, scores.y_score, groups=np.arange(200))
    assert own == pytest.approx(alone)


def test_clustered_variance_of_few_patients_with_both_classes_is_obuchowskis():
    """Sums and counts as in Obuchowski 1997, section 2, over five patients and a lone image of each class."""
    rng = np.random.default_rng(0)
    groups = np.append(np.repeat(np.arange(5), [2, 3, 4, 5, 6]), [5, 6])
    y_true = np.append(np.arange(20) % 2 == 0, [True, False])
    y_score = y_true + rng.normal(size=22) + rng.normal(size=7)[groups]
    value, found = auroc_variance(y_true, y_score, groups=groups)
    wins = (y_score[y_true][:, None] > y_score[~y_true]).astype(float)
    (m, n), area = wins.shape, wins.mean()
    fractures = np.array([(wins.mean(1) - area)[groups[y_true] == code].sum() for code in range(7)])
    others = np.array([(wins.mean(0) - area)[groups[~y_true] == code].sum() for code in range(7)])
    s10, s01 = 6 / (5 * m) * (fractures**2).sum(), 6 / (5 * n) * (others**2).sum()
    s11 = 7 / 6 * (fractures * others).sum()
    assert value == pytest.approx(area)
    assert found == pytest.approx(s10 / m + s01 / n + 2 * s11 / (m * n))


def test_copies_of_every_row_add_nothing_where_groups_are_known(make_scores):
    scores = make_scores(200)
    three = [np.repeat(values, 3) for values in (scores.y_true, scores.y_score, np.arange(200))]
    once, copied = auroc_variance(scores.y_true, scores.y_score), auroc_variance(three[0], three[1], groups=three[2])
    assert copied == pytest.approx(once)
    assert auroc_variance(three[0], three[1])[1] < 0.4 * once[1]


def test_bootstrap_and_clustered_delong_agree(make_scores):
    scores = make_scores(900, group=3)
    drawn = bootstrap_ranking(scores, {"auroc": auroc}, replicates=2000, seed=0)["auroc"]
    _, variance = auroc_variance(scores.y_true, scores.y_score, groups=scores.groups)
    assert drawn.std() == pytest.approx(np.sqrt(variance), rel=0.08)


def test_patients_with_both_classes_narrow_the_auroc():
    # One fracture and one other image a patient, both moved alike by the patient: pairs hardly ever swap.
    rng = np.random.default_rng(0)
    groups, y_true = np.repeat(np.arange(150), 2), np.tile([True, False], 150)
    scores = Scores(y_true, y_true + 0.3 * rng.normal(size=300) + np.repeat(rng.normal(size=150), 2), groups)
    drawn = bootstrap_ranking(scores, {"auroc": auroc}, replicates=2000, seed=0)["auroc"]
    clustered = auroc_variance(y_true, scores.y_score, groups=groups)[1]
    assert clustered < 0.7 * auroc_variance(y_true, scores.y_score)[1]
    assert drawn.std() == pytest.approx(np.sqrt(clustered), rel=0.1)


def test_bootstrap_of_lone_rows_agrees_with_delong(make_scores):
    scores = make_scores(500)
    drawn = bootstrap_ranking(scores, {"auroc": auroc}, replicates=2000, seed=0)["auroc"]
    assert drawn.std() == pytest.approx(np.sqrt(auroc_variance(scores.y_true, scores.y_score)[1]), rel=0.08)


def test_bootstrap_is_seeded_and_blind_to_the_order_of_rows(make_scores):
    scores = make_scores(600, group=3)
    order = np.random.default_rng(3).permutation(600)
    shuffled = Scores(scores.y_true[order], scores.y_score[order], scores.groups[order])
    one, other = (bootstrap_ranking(s, RANKING_FIGURES, replicates=300, seed=4) for s in (scores, shuffled))
    for name in RANKING_FIGURES:
        assert other[name] == pytest.approx(one[name], abs=1e-12)
    again = bootstrap_ranking(scores, RANKING_FIGURES, replicates=300, seed=5)
    assert not np.allclose(again["auroc"], one["auroc"])


def test_groups_widen_the_interval_of_a_share(make_scores):
    hits = np.repeat(np.random.default_rng(0).random(60) < 0.7, 5)
    low, high = wilson_groups(hits, np.repeat(np.arange(60), 5), level=0.95)
    alone = wilson(float(hits.mean()), 300)
    copies = wilson(float(hits.mean()), 60)
    assert high - low > 2 * (alone[1] - alone[0])
    assert (low, high) == pytest.approx(copies, abs=0.01)


@pytest.mark.parametrize("n_groups", [4, 30])
def test_groups_of_unlike_size_count_as_statsmodels_clustered_variance_says(n_groups):
    rng = np.random.default_rng(n_groups)
    groups = np.repeat(np.arange(n_groups), rng.integers(1, 12, n_groups))
    hits = rng.random(len(groups)) < rng.random(n_groups)[groups]
    fitted = OLS(hits.astype(float), np.ones(len(hits))).fit(
        cov_type="cluster", cov_kwds={"groups": groups}, use_t=True
    )
    share, effective = hits.mean(), hits.mean() * (1 - hits.mean()) / fitted.bse[0] ** 2
    alpha = 2 * norm.sf(t.ppf(0.975, n_groups - 1))
    want = proportion_confint(share * effective, effective, alpha=alpha, method="wilson")
    assert effective < len(hits)
    assert wilson_groups(hits, groups, level=0.95) == pytest.approx(want)
    assert mean_interval(hits.astype(float), groups, level=0.95) == pytest.approx(fitted.conf_int()[0])


def test_one_group_is_one_image():
    assert wilson_groups(np.ones(20, bool), np.zeros(20, np.int64), level=0.95) == pytest.approx(wilson(1.0, 1))


def test_a_perfect_share_of_few_groups_is_not_certain():
    low, high = wilson_groups(np.ones(100, dtype=bool), np.repeat(np.arange(4), 25), level=0.95)
    assert low < 0.5
    assert high == 1.0


@given(st.integers(1, 200), st.integers(1, 2000), st.floats(0.0, 1.0))
def test_newcombes_interval_holds_the_value_and_stays_inside(positives, negatives, value):
    low, high = newcombe_auroc(value, positives, negatives, level=0.95)
    assert 0.0 <= low <= value + 1e-9
    assert value - 1e-9 <= high <= 1.0


def test_newcombes_interval_agrees_with_hanley_mcneil_in_large_samples():
    value, m, n = 0.8, 4000, 4000
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    se = np.sqrt((value * (1 - value) + (m - 1) * (q1 - value**2) + (n - 1) * (q2 - value**2)) / (m * n))
    low, high = newcombe_auroc(value, m, n, level=0.95)
    assert high - low == pytest.approx(2 * 1.959964 * se, rel=0.01)


@pytest.mark.parametrize(("positives", "negatives"), [(4, 9), (30, 6)])
def test_newcombes_limits_are_where_hanley_and_mcneils_error_just_reaches(positives, negatives):
    value, size = 0.85, (positives + negatives) / 2
    for area in newcombe_auroc(value, positives, negatives, level=0.95):
        q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
        variance = area * (1 - area) + (size - 1) * (q1 - area**2) + (size - 1) * (q2 - area**2)
        assert abs(area - value) == pytest.approx(1.959964 * np.sqrt(variance / (positives * negatives)))
    low, high = newcombe_auroc(1.0, negatives, positives, level=0.95)
    assert newcombe_auroc(0.0, positives, negatives, level=0.95) == pytest.approx((1 - high, 1 - low))


def test_logit_interval_by_hand():
    for units, quantile in ((None, 1.959964), (11, 2.228139)):
        low, high = logit_interval(0.9, 0.02, level=0.95, units=units)
        half = quantile * 0.02 / 0.09
        assert (logit(low), logit(high)) == pytest.approx((np.log(9) - half, np.log(9) + half))


def test_bootstrap_error_is_that_about_the_value_of_few_groups():
    drawn = np.array([0.86, 0.88] * 50)
    se = np.sqrt((0.04**2 + 0.02**2) / 2 * 20 / 19)
    want = logit_interval(0.9, se, level=0.95, units=20)
    assert logit_bootstrap_interval(0.9, drawn, 20, level=0.95) == pytest.approx(want)


@given(st.floats(0.001, 0.999), st.floats(1e-6, 0.5))
def test_logit_interval_stays_inside(value, se):
    low, high = logit_interval(value, se, level=0.95)
    assert 0.0 <= low < value < high <= 1.0


def test_mover_of_equal_independent_rates():
    low, high = mover_mean(0.8, 0.8, (0.7, 0.9), (0.7, 0.9))
    assert (low, high) == pytest.approx((0.8 - 0.1 / np.sqrt(2), 0.8 + 0.1 / np.sqrt(2)))
    low, high = mover_mean(0.8, 0.6, (0.7, 0.85), (0.4, 0.8))
    assert (low, high) == pytest.approx((0.7 - np.hypot(0.1, 0.2) / 2, 0.7 + np.hypot(0.05, 0.2) / 2))


def test_few_fractures_give_an_interval_that_says_so(recipe):
    # The practicum's validation set: 3 fractures among 1,647 images, AUROC 0.9994 and 1.0.
    y_true = np.arange(1647) < 3
    rng = np.random.default_rng(0)
    y_score = np.where(y_true, 0.9, rng.random(1647) * 0.5)
    found = ranking_estimates(Scores(y_true, y_score), recipe)
    assert found["auroc"].value == 1.0
    assert found["auroc"].method == "newcombe"
    assert found["auroc"].low < 0.75
    assert all(estimate.low < 0.75 for estimate in found.values())
    assert point_estimates(Scores(y_true, y_score), 0.5, recipe)["mcc"].low < 0.75


@pytest.mark.parametrize("n_groups", [1, 3])
def test_mcc_of_a_handful_of_groups_is_not_called_certain(recipe, n_groups):
    # Every cell of the table is filled, but nothing shows how the groups differ.
    y_true, called = np.array([1, 1, 1, 0, 0, 0, 1, 0] * 3, bool), np.array([1, 1, 0, 0, 0, 1, 1, 0] * 3)
    groups = np.arange(24) // 8 if n_groups == 3 else np.zeros(24, dtype=np.int64)
    found = point_estimates(Scores(y_true, called * 0.9, groups), 0.5, recipe)["mcc"]
    assert found.method == "jeffreys"
    assert found.value == pytest.approx(0.5)
    assert found.high - found.low > 0.8


def test_mcc_of_the_fractures_of_three_patients_was_too_certain():
    """The images of the other class, each a group, lent their number to the fractures."""
    y_true = np.arange(200) < 100
    groups = np.where(y_true, np.arange(200) % 3, np.arange(200) - 97)
    called = np.where(y_true, np.arange(200) % 10 > 0, np.arange(200) % 10 == 0) * 0.9
    found = point_estimates(Scores(y_true, called, groups), 0.5, EvaluateRecipe(replicates=4000))["mcc"]
    assert (found.method, found.value) == ("jeffreys", pytest.approx(0.8))
    # Three fractures, 90 % of them found, and a hundred others, 10 % of them called.
    draws = np.random.default_rng(1).beta([2.7 + 0.5, 90.5], [0.3 + 0.5, 10.5], (4000, 2))
    low, high = np.quantile([(a + b - 1) / np.sqrt((1 + a - b) * (1 + b - a)) for a, b in draws], [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)


def test_mcc_of_a_dozen_of_each_class_has_the_expanded_percentiles_of_binomial_draws():
    y_true, place = np.arange(24) < 12, np.arange(24) % 12
    called = np.where(np.where(y_true, place < 7, place < 2), 0.9, 0.1)
    found = point_estimates(Scores(y_true, called), 0.5, EvaluateRecipe(replicates=20_000))["mcc"]
    tp, fp = np.random.default_rng(1).binomial(12, [7 / 12, 2 / 12], (20_000, 2)).T
    with np.errstate(invalid="ignore"):
        drawn = (tp * (12 - fp) - fp * (12 - tp)) / np.sqrt((tp + fp) * 144.0 * (24 - tp - fp))
    tail = norm.cdf(np.sqrt(12 / 11) * t.ppf(0.025, 11))
    assert found.method == "bootstrap"
    assert (found.low, found.high) == pytest.approx(np.nanquantile(drawn, [tail, 1 - tail]), abs=0.03)


def test_perfect_separation_of_many_is_not_called_certain(recipe):
    y_true = np.arange(200) < 100
    found = ranking_estimates(Scores(y_true, np.where(y_true, 0.9, 0.1)), recipe)
    assert all(estimate.value == 1.0 and 0.9 < estimate.low < 1.0 for estimate in found.values())


@pytest.mark.parametrize("group", [1, 3])
def test_every_interval_holds_its_value(make_scores, recipe, group):
    scores = make_scores(300, group=group)
    found = [*ranking_estimates(scores, recipe).values(), *point_estimates(scores, 0.5, recipe).values()]
    assert all(estimate.low <= estimate.value <= estimate.high for estimate in found)
    assert all(("groups" in estimate.method) == (group > 1) for estimate in found)
    assert found[0].n == 300
    assert found[0].n_groups == 300 // group


@pytest.mark.parametrize("group", [1, 4])
def test_mcc_interval_is_that_of_drawing_groups_one_by_one(make_scores, group):
    scores = make_scores(400, group=group)
    codes = np.arange(400) // group
    rows_of = np.arange(400).reshape(-1, group)
    has_positive = np.array([scores.y_true[codes == code].any() for code in range(codes.max() + 1)])
    rng, drawn = np.random.default_rng(0), []
    for _ in range(1500):
        strata = (rng.choice(np.flatnonzero(stratum), stratum.sum()) for stratum in (has_positive, ~has_positive))
        rows = rows_of[np.concatenate(list(strata))].ravel()
        drawn.append(mcc(confusion_at(scores.y_true[rows], scores.y_score[rows], 0.6)))
    found = point_estimates(scores, 0.6, EvaluateRecipe(replicates=4000))["mcc"]
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.02)


def test_ece_interval_holds_the_estimate_and_widens_with_groups(make_scores):
    scores = make_scores(600, group=4)
    value = expected_calibration_error(scores.y_true, scores.y_score)
    low, high = ece_interval(scores.y_true, scores.y_score, scores.groups, level=0.95, seed=0)
    alone = ece_interval(scores.y_true, scores.y_score, None, level=0.95, seed=0)
    assert low <= value <= high
    assert high - low > alone[1] - alone[0]


def test_ece_of_a_handful_of_groups_may_be_much_larger(recipe):
    codes = np.repeat(np.arange(4), 40)
    y_true = np.random.default_rng(0).random(160) < np.array([0.2, 0.35, 0.5, 0.4])[codes]
    y_prob = np.full(160, 0.2)
    found = calibration_estimates(Scores(y_true, y_prob, codes), y_prob, recipe)["ece"]
    assert found.low <= found.value <= found.high
    assert found.high > wilson(found.value, 5)[1]


def _probabilities(n, seed, *, shift=0.0, slope=1.0):
    rng = np.random.default_rng(seed)
    linear = rng.normal(-2.0, 1.5, n)
    return rng.random(n) < expit(shift + slope * linear), expit(linear)


def test_a_small_calibration_error_was_its_own_upper_limit():
    """0.013 (0.000–0.013) of 641 images: right probabilities would show up to 0.04."""
    rng = np.random.default_rng(0)
    y_prob = expit(rng.normal(-1.0, 1.0, 400))
    drawn = rng.random((200, 400)) < y_prob
    errors = np.array([expected_calibration_error(y_true, y_prob) for y_true in drawn])
    for place in np.argsort(errors)[:25:4]:
        low, high = ece_interval(drawn[place], y_prob, None, level=0.95, seed=0)
        assert low == 0.0
        assert high > 0.85 * np.quantile(errors, 0.95)


@pytest.mark.parametrize("n_groups", [5, 40])
def test_ece_of_one_probability_has_students_interval_of_its_gap(n_groups):
    groups = np.repeat(np.arange(n_groups), 30)
    y_true = np.random.default_rng(0).random(len(groups)) < np.linspace(0.4, 0.9, n_groups)[groups]
    low, high = ece_interval(y_true, np.full(len(groups), 0.05), groups, level=0.95, seed=0)
    assert (low, high) == pytest.approx(mean_interval(y_true - 0.05, groups, level=0.95), abs=0.03 * (high - low))


@pytest.mark.slow
def test_ece_interval_covers_in_nine_of_ten_studies_and_holds_zero_of_right_probabilities():
    """With bin edges held still, and centred on the (too high) estimate, these were 0.84 and 0.01."""
    truth = expected_calibration_error(*_probabilities(400_000, 0, shift=-2.0, slope=0.5))
    wrong = [
        ece_interval(*_probabilities(800, seed, shift=-2.0, slope=0.5), None, level=0.95, seed=0)
        for seed in range(1, 151)
    ]
    right = [ece_interval(*_probabilities(800, seed), None, level=0.95, seed=0) for seed in range(1, 151)]
    assert np.mean([low <= truth <= high for low, high in wrong]) > 0.9
    assert np.mean([low == 0 for low, _ in right]) > 0.9


def test_groups_of_one_give_the_ece_interval_of_rows():
    y_true, y_prob = _probabilities(500, 0, shift=-1.0)
    assert ece_interval(y_true, y_prob, np.arange(500), level=0.95, seed=0) == pytest.approx(
        ece_interval(y_true, y_prob, None, level=0.95, seed=0)
    )
    doubled = np.tile(y_true, 2), np.tile(y_prob, 2), np.tile(np.arange(500), 2)
    assert ece_interval(*doubled, level=0.95, seed=0) == pytest.approx(
        ece_interval(y_true, y_prob, None, level=0.95, seed=0), abs=1e-6
    )


def test_calibration_slope_of_three_positives_says_little():
    """The sandwich alone gave ±0.09, a fifth of what the likelihood says (statsmodels: 0.22 a standard error)."""
    rng = np.random.default_rng(0)
    y_true, y_prob = np.arange(1647) < 3, np.concatenate([[0.6, 0.7, 0.9], rng.random(1644) ** 3])
    design = np.column_stack([logit(y_prob), np.ones(1647)])
    standard = float(Logit(y_true.astype(float), design).fit(disp=0).bse[0])
    fitted = calibration_slope(Scores(y_true, y_prob, None), y_prob)
    low, high = fitted.interval(0, level=0.95)
    assert (high - low) / 2 >= 4.3 * standard


def test_interval_of_a_mean_is_students():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    assert mean_interval(values, None, level=0.95) == pytest.approx(
        (2.5 - 3.18245 * 0.645497, 2.5 + 3.18245 * 0.645497), abs=1e-4
    )


def test_mostly_undefined_replicates_give_no_interval():
    assert percentile_interval(np.array([np.nan, np.nan, 0.5]), 10, level=0.95) is None


def test_wide_percentiles_for_few_groups():
    values = np.random.default_rng(0).normal(size=4000)
    few, many = percentile_interval(values, 10, level=0.95), percentile_interval(values, 10_000, level=0.95)
    assert many == pytest.approx((-1.96, 1.96), abs=0.1)
    assert few[0] < many[0] - 0.2


def test_placements_are_shares_of_pairs_won():
    y_true = np.array([True, True, False, False])
    assert placements(y_true, np.array([3.0, 1.0, 2.0, 1.0])).tolist() == [1.0, 0.25, 0.5, 0.75]
