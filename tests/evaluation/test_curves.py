"""Curves keep their shape when thinned."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from colles.evaluation.curves import MAX_POINTS, curves, precision_recall_curve, roc_curve
from colles.evaluation.scores import Scores


@pytest.mark.parametrize("n", [30, 400, 50_000])
def test_thinned_roc_keeps_area_and_ends(make_scores, n):
    scores = make_scores(n)
    curve = roc_curve(scores)
    assert len(curve["fpr"]) == len(curve["tpr"]) == len(curve["thresholds"]) <= MAX_POINTS
    assert (curve["fpr"][0], curve["tpr"][0], curve["thresholds"][0]) == (0.0, 0.0, None)
    assert (curve["fpr"][-1], curve["tpr"][-1]) == (1.0, 1.0)
    wanted = sk.roc_auc_score(scores.y_true, scores.y_score)
    assert sk.auc(curve["fpr"], curve["tpr"]) == pytest.approx(wanted, abs=0.002 if n > 1000 else 1e-9)


def test_points_stand_at_their_thresholds(make_scores):
    scores = make_scores(5000)
    curve = roc_curve(scores)
    for fpr, tpr, threshold in list(zip(*curve.values(), strict=True))[1::40]:
        called = scores.y_score >= threshold
        assert (called[~scores.y_true].mean(), called[scores.y_true].mean()) == pytest.approx((fpr, tpr))


@pytest.mark.parametrize("n", [30, 50_000])
def test_thinned_precision_recall_keeps_the_area(make_scores, n):
    scores = make_scores(n)
    curve = precision_recall_curve(scores)
    assert len(curve["recall"]) <= MAX_POINTS
    assert (curve["recall"][-1], curve["precision"][-1], curve["thresholds"][-1]) == (0.0, 1.0, None)
    area = -np.sum(np.diff(curve["recall"]) * np.array(curve["precision"])[:-1])
    wanted = sk.average_precision_score(scores.y_true, scores.y_score)
    assert area == pytest.approx(wanted, abs=0.004 if n > 1000 else 0.03)


def test_small_precision_recall_curve_is_scikit_learns_corners(make_scores):
    scores = make_scores(60, ties=True)
    recall_at = {}
    precision, recall, _ = sk.precision_recall_curve(scores.y_true, scores.y_score)
    for p, r in zip(precision, recall, strict=True):
        recall_at.setdefault(round(r, 9), []).append(round(p, 9))
    curve = precision_recall_curve(scores)
    assert all(round(p, 9) in recall_at[round(r, 9)] for r, p in zip(curve["recall"], curve["precision"], strict=True))


def test_reliability_and_net_benefit_are_those_of_the_probabilities(make_scores):
    scores = make_scores(200)
    probability = scores.y_score**3
    found = curves(scores, probability, level=0.95)
    assert np.average(found["reliability"]["predicted"], weights=found["reliability"]["n"]) == pytest.approx(
        probability.mean()
    )
    called = probability >= 0.3
    gain = np.where(called, np.where(scores.y_true, 1, -3 / 7), 0).mean()
    assert found["net_benefit"]["model"][29] == pytest.approx(gain)


def test_one_class_has_no_curve():
    scores = Scores(np.zeros(5, dtype=bool), np.linspace(0, 1, 5))
    assert roc_curve(scores)["fpr"] == precision_recall_curve(scores)["recall"] == []
