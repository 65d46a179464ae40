"""Figures equal those of scikit-learn and a table counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from colles.core.recipe import EvaluateRecipe
from colles.evaluation.metrics.calibration_error import brier_score, equal_mass_bins, expected_calibration_error
from colles.evaluation.metrics.confusion import Confusion, confusion_at, sweep_thresholds
from colles.evaluation.metrics.ranking import RANKING_FIGURES, Ranking, partial_auroc
from colles.evaluation.point_estimates import point_estimates
from colles.evaluation.scores import Scores

CASES = [{"seed": seed, "ties": ties} for seed in range(4) for ties in (False, True)]


@pytest.mark.parametrize("case", CASES)
def test_ranking_figures_equal_scikit_learn(make_scores, case):
    scores = make_scores(**case)
    counts = Ranking.from_scores(scores.y_true, scores.y_score).count_once()
    found = {name: figure(counts)[0] for name, figure in RANKING_FIGURES.items()}
    fpr, tpr, _ = sk.roc_curve(scores.y_true, scores.y_score, drop_intermediate=False)
    assert found["auroc"] == pytest.approx(sk.roc_auc_score(scores.y_true, scores.y_score), abs=1e-12)
    assert found["average_precision"] == pytest.approx(
        sk.average_precision_score(scores.y_true, scores.y_score), abs=1e-12
    )
    assert found["partial_auroc"] == pytest.approx(
        sk.roc_auc_score(scores.y_true, scores.y_score, max_fpr=0.1), abs=1e-12
    )
    assert found["sensitivity_at_specificity_90"] == pytest.approx(tpr[1 - fpr >= 0.90 - 1e-9].max())
    assert found["specificity_at_sensitivity_95"] == pytest.approx(1 - fpr[tpr >= 0.95 - 1e-9].min())


@pytest.mark.parametrize("max_fpr", [0.05, 0.2, 0.5])
def test_partial_auroc_of_other_ranges_equals_scikit_learn(make_scores, max_fpr):
    scores = make_scores(ties=True)
    counts = Ranking.from_scores(scores.y_true, scores.y_score).count_once()
    wanted = sk.roc_auc_score(scores.y_true, scores.y_score, max_fpr=max_fpr)
    assert partial_auroc(counts, max_fpr)[0] == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_weighted_counts_equal_scikit_learn_with_sample_weights(make_scores, case):
    scores = make_scores(**case)
    weights = np.random.default_rng(1).integers(0, 4, scores.n)
    ranking = Ranking.from_scores(scores.y_true, scores.y_score)
    counts = ranking.count(weights[ranking.positives][None], weights[ranking.negatives][None])
    args = scores.y_true, scores.y_score
    wanted = sk.roc_auc_score(*args, sample_weight=weights), sk.average_precision_score(*args, sample_weight=weights)
    found = RANKING_FIGURES["auroc"](counts)[0], RANKING_FIGURES["average_precision"](counts)[0]
    assert found == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
def test_point_figures_equal_scikit_learn(make_scores, recipe, threshold):
    scores = make_scores(ties=True)
    y_true, y_pred = scores.y_true, scores.y_score >= threshold
    found = {name: estimate.value for name, estimate in point_estimates(scores, threshold, recipe).items()}
    wanted = {
        "sensitivity": sk.recall_score(y_true, y_pred),
        "specificity": sk.recall_score(~y_true, ~y_pred),
        "ppv": sk.precision_score(y_true, y_pred),
        "npv": sk.precision_score(~y_true, ~y_pred),
        "accuracy": sk.accuracy_score(y_true, y_pred),
        "balanced_accuracy": sk.balanced_accuracy_score(y_true, y_pred),
        "f1": sk.f1_score(y_true, y_pred),
        "mcc": sk.matthews_corrcoef(y_true, y_pred),
        **dict(zip(("lr_positive", "lr_negative"), sk.class_likelihood_ratios(y_true, y_pred), strict=True)),
    }
    assert found == pytest.approx(wanted, abs=1e-12)
    c = confusion_at(y_true, scores.y_score, threshold)
    assert [[c.tn, c.fp], [c.fn, c.tp]] == sk.confusion_matrix(y_true, y_pred).tolist()


def test_table_counted_by_hand():
    y_true = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], dtype=bool)
    y_score = np.array([0.9, 0.8, 0.5, 0.1, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1])
    c = confusion_at(y_true, y_score, 0.5)
    assert c == Confusion(tp=3, fp=2, tn=4, fn=1)
    found = point_estimates(Scores(y_true, y_score), 0.5, EvaluateRecipe(replicates=100))
    assert found["sensitivity"].value == 0.75
    assert found["specificity"].value == pytest.approx(4 / 6)
    assert found["balanced_accuracy"].value == pytest.approx((3 / 4 + 4 / 6) / 2)
    assert found["f1"].value == pytest.approx(6 / 9)
    assert found["mcc"].value == pytest.approx((3 * 4 - 2 * 1) / np.sqrt(5 * 4 * 6 * 5))


def test_empty_rows_of_the_table_are_undefined_not_zero():
    none_called = Scores(np.zeros(5, dtype=bool), np.full(5, 0.1))
    found = point_estimates(none_called, 0.5, EvaluateRecipe(replicates=100))
    undefined = ("sensitivity", "ppv", "f1", "mcc", "balanced_accuracy")
    assert {name: found[name].value for name in undefined} == dict.fromkeys(undefined)


def test_sweep_agrees_with_counting_at_every_threshold(make_scores):
    scores = make_scores(ties=True)
    sweep = sweep_thresholds(scores.y_true, scores.y_score)
    for threshold, tp, fp in zip(sweep.thresholds, sweep.tp, sweep.fp, strict=True):
        c = confusion_at(scores.y_true, scores.y_score, threshold)
        assert (c.tp, c.fp) == (tp, fp)


def test_brier_equals_scikit_learn(make_scores):
    scores = make_scores()
    assert brier_score(scores.y_true, scores.y_score) == pytest.approx(
        sk.brier_score_loss(scores.y_true, scores.y_score), abs=1e-12
    )


def test_ece_of_bins_counted_by_hand():
    y_prob = np.repeat([0.1, 0.6], 10)
    y_true = np.array([1] * 2 + [0] * 8 + [1] * 9 + [0] * 1, dtype=bool)
    bins = equal_mass_bins(y_true, y_prob)
    assert bins.n.tolist() == [10, 10]
    assert bins.observed == pytest.approx([0.2, 0.9])
    assert expected_calibration_error(y_true, y_prob) == pytest.approx(0.5 * 0.1 + 0.5 * 0.3)


def test_bins_have_equal_mass(make_scores):
    scores = make_scores(1000)
    assert set(equal_mass_bins(scores.y_true, scores.y_score).n) == {100}
