"""Likelihood ratios, predictive values at other prevalences, optimism and net benefit, against books and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import confint_proportions_2indep

from colles.core.records import Estimate
from colles.evaluation.metrics.confusion import confusion_at
from colles.evaluation.metrics.intervals import mover_difference, mover_ratio, wilson
from colles.evaluation.point_estimates import point_estimates
from colles.evaluation.scores import Scores
from colles.evaluation.worth import PREVALENCES, at_prevalences, difference, likelihood_ratios, net_benefit


def share(hits: int, n: int) -> Estimate:
    low, high = wilson(hits / n, n)
    return Estimate(value=hits / n, low=low, high=high, method="wilson", n=n, n_groups=n)


def test_ratios_counted_by_hand():
    found = likelihood_ratios(share(90, 100), share(160, 200))
    assert found["lr_positive"].value == pytest.approx(0.9 / 0.2)
    assert found["lr_negative"].value == pytest.approx(0.1 / 0.8)
    assert (found["lr_positive"].n, found["lr_positive"].n_groups) == (300, 300)


@pytest.mark.parametrize(("hits", "n", "other_hits", "m"), [(90, 100, 40, 200), (45, 60, 9, 80), (12, 15, 30, 300)])
def test_ratio_interval_is_near_the_score_interval_of_statsmodels(hits, n, other_hits, m):
    low, high = mover_ratio(hits / n, other_hits / m, wilson(hits / n, n), wilson(other_hits / m, m))
    want = confint_proportions_2indep(hits, n, other_hits, m, compare="ratio", method="score")
    assert np.log([low, high]) == pytest.approx(np.log(want), abs=0.02 + 0.05 * np.log(want[1] / want[0]))


@pytest.mark.parametrize(
    ("hits", "n", "other_hits", "m", "low", "high"),
    # Newcombe RG, Stat Med 1998; 17: 873–890, table II, method 10: examples (a), (b), (e) and (g).
    [(56, 70, 48, 80, 0.0524, 0.3339), (9, 10, 3, 10, 0.1705, 0.8090), (5, 56, 0, 29, -0.0381, 0.1926),
     (10, 10, 0, 10, 0.6075, 1.0)],
)  # fmt: skip
def test_difference_interval_equals_newcombes_table(hits, n, other_hits, m, low, high):
    found = mover_difference(hits / n, other_hits / m, wilson(hits / n, n), wilson(other_hits / m, m))
    assert found == pytest.approx((low, high), abs=1e-4)


def test_ratio_interval_turns_over_with_the_ratio():
    one, other = (0.9, 0.3), (0.3, 0.9)
    intervals = (0.7, 0.95), (0.1, 0.6)
    low, high = mover_ratio(*one, *intervals)
    assert mover_ratio(*other, *reversed(intervals)) == pytest.approx((1 / high, 1 / low))


def test_no_false_alarm_leaves_a_lower_bound_alone():
    found = likelihood_ratios(share(90, 100), share(200, 200))["lr_positive"]
    assert found.value is found.high is None
    assert found.low > 20
    worth = at_prevalences(likelihood_ratios(share(90, 100), share(200, 200)))[0]
    assert (worth.prevalence, worth.ppv.value, worth.ppv.high) == (0.01, 1.0, 1.0)
    assert 0.1 < worth.ppv.low < 1.0


def test_nothing_called_is_undefined():
    found = likelihood_ratios(share(0, 100), share(200, 200))
    assert found["lr_positive"].value is found["lr_positive"].low is None
    assert at_prevalences(found)[0].ppv.value is None
    assert at_prevalences(found)[0].npv.value == pytest.approx(0.99)


@given(st.integers(0, 40), st.integers(0, 40))
def test_ratios_lie_in_their_interval(hits, right):
    for estimate in likelihood_ratios(share(hits, 40), share(right, 40)).values():
        if estimate.value is not None:
            assert estimate.low <= estimate.value
            assert estimate.high is None or estimate.value <= estimate.high


def test_predictive_values_at_the_samples_own_prevalence_are_those_counted(make_scores, recipe):
    scores = make_scores(400)
    y_true = np.concatenate([np.ones(100, bool), np.zeros(300, bool)])
    figures = point_estimates(Scores(y_true, scores.y_score), 0.6, recipe)
    by_share = {row.prevalence: row for row in at_prevalences(figures)}
    odds = 0.25 / 0.75
    bayes = figures["lr_positive"].value * odds / (1 + figures["lr_positive"].value * odds)
    assert figures["ppv"].value == pytest.approx(bayes)
    assert tuple(by_share) == PREVALENCES
    ppv, npv = ([getattr(row, name).value for row in by_share.values()] for name in ("ppv", "npv"))
    assert ppv == sorted(ppv)
    assert npv == sorted(npv, reverse=True)


def test_predictive_values_at_the_samples_own_share_are_the_counted_ones():
    found = at_prevalences(likelihood_ratios(share(45, 50), share(180, 200)))
    at = {row.prevalence: row for row in found}[0.2]
    assert (at.ppv.value, at.npv.value) == pytest.approx((45 / 65, 180 / 185))
    assert at.ppv.low < at.ppv.value < at.ppv.high
    assert at.npv.low < at.npv.value < at.npv.high


def test_optimism_of_an_undefined_figure_is_none():
    assert difference(share(9, 10), share(9, 10).model_copy(update={"value": None})) is None
    found = difference(share(56, 70), share(48, 80))
    assert (found.value, found.n) == (pytest.approx(0.2), 150)


def test_net_benefit_counted_by_hand():
    scores = Scores(np.array([True, True, False, False, False]), np.array([0.9, 0.1, 0.7, 0.15, 0.05]))
    curve = net_benefit(scores, scores.y_score, level=0.95)
    at = {round(t, 2): i for i, t in enumerate(curve["threshold"])}
    assert curve["model"][at[0.2]] == pytest.approx(1 / 5 - 1 / 5 * 0.2 / 0.8)
    assert curve["all"][at[0.2]] == pytest.approx(2 / 5 - 3 / 5 * 0.2 / 0.8)
    for low, value, high in zip(curve["low"], curve["model"], curve["high"], strict=True):
        assert low <= value <= high


def test_net_benefit_of_calibrated_scores_is_at_least_that_of_calling_everybody_or_nobody():
    rng = np.random.default_rng(0)
    y_prob = rng.beta(1, 3, 50_000)
    scores = Scores(rng.random(50_000) < y_prob, y_prob)
    curve = net_benefit(scores, y_prob, level=0.95)
    best = np.maximum(curve["all"], 0)
    assert (np.array(curve["model"]) >= best - 0.002).all()


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_net_benefit_has_statsmodels_interval_of_a_mean(make_scores, level):
    for scores in (make_scores(60), make_scores(60, group=3)):
        curve = net_benefit(scores, scores.y_score, level=level)
        for place, threshold in ((29, 0.3), (49, 0.5)):
            weight = threshold / (1 - threshold)
            gains = np.where(scores.y_score >= threshold, np.where(scores.y_true, 1.0, -weight), 0.0)
            groups = np.arange(60) if scores.groups is None else scores.groups
            options = {"cov_type": "cluster", "cov_kwds": {"groups": groups}, "use_t": True}
            fitted = OLS(gains, np.ones(60)).fit(**options)
            found = curve["model"][place], curve["low"][place], curve["high"][place]
            assert found == pytest.approx((gains.mean(), *fitted.conf_int(1 - level)[0]))


def test_net_benefit_widens_where_patients_have_several_images(make_scores):
    scores = make_scores(600, group=4)
    grouped = net_benefit(scores, scores.y_score, level=0.95)
    alone = net_benefit(Scores(scores.y_true, scores.y_score), scores.y_score, level=0.95)
    assert grouped["model"] == pytest.approx(alone["model"])
    assert grouped["high"][9] - grouped["low"][9] > 1.2 * (alone["high"][9] - alone["low"][9])


@pytest.mark.parametrize("group", [1, 2])
def test_net_benefit_of_a_model_that_calls_nobody_was_certain(group):
    """0.000 (0.000 to 0.000): of the next forty patients some may be called, as 0 of 40 says nothing else."""
    groups = None if group == 1 else np.arange(40) // group
    curve = net_benefit(Scores(np.arange(40) % 4 == 0, np.full(40, 0.3), groups), np.full(40, 0.3), level=0.95)
    most = wilson(0, 40 // group)[1]
    assert (curve["model"][49], curve["low"][49], curve["high"][49]) == pytest.approx((0.0, -most, most))
    assert curve["low"][59] == pytest.approx(-1.5 * most)


def test_net_benefit_needs_both_classes():
    assert net_benefit(Scores(np.zeros(5, bool), np.full(5, 0.3)), np.full(5, 0.3), level=0.95)["model"] == []


def test_confusion_agrees_with_the_net_benefit_formula(make_scores):
    scores = make_scores(300)
    curve = net_benefit(scores, scores.y_score, level=0.95)
    c = confusion_at(scores.y_true, scores.y_score, 0.3)
    assert curve["model"][29] == pytest.approx(c.tp / scores.n - c.fp / scores.n * 0.3 / 0.7)
