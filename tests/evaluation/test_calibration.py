"""Calibration finds the numbers that distorted the scores, and its errors are judged right."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import t
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from statsmodels.discrete.discrete_model import Logit

from colles.core.errors import TableError
from colles.evaluation.calibration import Calibrator, platt_targets, to_logit
from colles.evaluation.metrics.calibration_error import (
    calibration_intercept,
    calibration_slope,
    expected_calibration_error,
    reliability,
)
from colles.evaluation.scores import Scores


def calibrated(n: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return labels drawn from known probabilities, and the logits of those."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-1.0, 1.5, n)
    return rng.random(n) < expit(logit), logit


def test_platt_undoes_a_known_distortion():
    y_true, logit = calibrated()
    distorted = expit((logit - 0.7) / 0.4)
    found = Calibrator.fit(y_true, distorted, fitted_on="val")
    assert (found.slope, found.intercept) == pytest.approx((0.4, 0.7), abs=0.06)
    assert found.transform(distorted) == pytest.approx(expit(logit), abs=0.03)
    assert found.fitted_on == "val"


def test_temperature_undoes_a_scale():
    y_true, logit = calibrated()
    found = Calibrator.fit(y_true, expit(logit * 3), method="temperature")
    assert found.slope == pytest.approx(1 / 3, abs=0.02)
    assert found.intercept == 0.0


def test_platt_equals_scikit_learns_logistic_regression_on_soft_targets(make_scores):
    scores = make_scores(500)
    target, x = platt_targets(scores.y_true), to_logit(scores.y_score)[:, None]
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=2000)
    model.fit(np.tile(x, (2, 1)), np.repeat([1, 0], scores.n), sample_weight=np.concatenate([target, 1 - target]))
    found = Calibrator.fit(scores.y_true, scores.y_score)
    assert (found.slope, found.intercept) == pytest.approx((model.coef_[0, 0], model.intercept_[0]), abs=1e-4)


def test_separated_classes_give_a_finite_slope():
    found = Calibrator.fit([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1])
    assert 0 < found.slope < 100
    assert np.isfinite(found.transform([0.0, 0.5, 1.0])).all()


def test_calibration_keeps_the_order(make_scores):
    scores = make_scores()
    mapped = Calibrator.fit(scores.y_true, scores.y_score).transform(np.sort(scores.y_score))
    assert (np.diff(mapped) >= 0).all()


def test_none_changes_nothing():
    assert Calibrator.fit([1, 0], [0.3, 0.2], method="none").transform([0.0, 0.4]).tolist() == [0.0, 0.4]


def test_isotonic_equals_scikit_learn_on_platts_targets(make_scores):
    scores = make_scores(300, ties=True)
    found = Calibrator.fit(scores.y_true, scores.y_score, method="isotonic")
    peer = IsotonicRegression(out_of_bounds="clip").fit(scores.y_score, platt_targets(scores.y_true))
    grid = np.linspace(0, 1, 201)
    assert found.transform(grid) == pytest.approx(peer.predict(grid), abs=1e-12)
    assert found.rises
    assert 0 < found.transform(0.0) < found.transform(1.0) < 1


def test_isotonic_undoes_any_rising_distortion():
    y_true, logit = calibrated(20_000)
    found = Calibrator.fit(y_true, expit(logit) ** 3, method="isotonic")
    held, held_logit = calibrated(20_000, seed=1)
    scores = Scores(held, expit(held_logit))
    assert expected_calibration_error(held, scores.y_score**3) > 0.1
    assert expected_calibration_error(held, found.transform(scores.y_score**3)) < 0.02


@pytest.mark.parametrize("method", ["platt", "temperature", "isotonic"])
def test_scores_that_run_backwards_do_not_rise(make_scores, method):
    scores = make_scores(300)
    assert Calibrator.fit(scores.y_true, scores.y_score, method=method).rises
    assert not Calibrator.fit(~scores.y_true, scores.y_score, method=method).rises


def test_isotonic_of_equal_scores_cannot_be_fitted():
    with pytest.raises(TableError, match="all scores are equal"):
        Calibrator.fit([1, 0, 1], [0.3, 0.3, 0.3], method="isotonic")


@pytest.mark.parametrize("method", ["platt", "isotonic", "none"])
def test_another_prevalence_shifts_the_logit_as_bayes_says(make_scores, method):
    scores = make_scores(600)
    found = Calibrator.fit(scores.y_true, scores.y_score, method=method)
    rare = found.for_prevalence(0.1)
    share = scores.y_true.mean()
    before, after = (each.transform(0.6) / (1 - each.transform(0.6)) for each in (found, rare))
    assert after / before == pytest.approx((0.1 / 0.9) / (share / (1 - share)))
    assert rare.at_fitted_prevalence() == found
    assert rare.for_prevalence(0.3) == found.for_prevalence(0.3)


def test_a_shift_calibrates_on_a_rarer_population():
    y_true, logit = calibrated(60_000)
    found = Calibrator.fit(y_true, expit(logit)).for_prevalence(0.1)
    other, other_logit = calibrated(400_000, seed=1)
    keep = ~other | (np.random.default_rng(0).random(len(other)) < 0.1 / 0.9 * (~other).sum() / other.sum())
    rare, scores = other[keep], expit(other_logit[keep])
    assert rare.mean() == pytest.approx(0.1, abs=0.005)
    assert expected_calibration_error(rare, found.transform(scores)) < 0.01
    assert expected_calibration_error(rare, found.at_fitted_prevalence().transform(scores)) > 0.05


def test_a_shift_needs_the_share_it_was_fitted_at():
    with pytest.raises(TableError, match="is unknown"):
        Calibrator(method="platt").for_prevalence(0.1)


def test_one_class_cannot_be_fitted():
    with pytest.raises(TableError, match="one class only"):
        Calibrator.fit([1, 1], [0.3, 0.2])


def test_equal_scores_cannot_be_fitted():
    with pytest.raises(TableError, match="are all scores equal"):
        Calibrator.fit([1, 0, 1], [0.3, 0.3, 0.3])


def test_slope_and_intercept_of_good_and_of_extreme_probabilities():
    y_true, logit = calibrated()
    scores = Scores(y_true, expit(logit))
    good, extreme = calibration_slope(scores, expit(logit)), calibration_slope(scores, expit(2 * logit))
    assert good.coefficients[0] == pytest.approx(1.0, abs=0.05)
    assert extreme.coefficients[0] == pytest.approx(0.5, abs=0.03)
    assert calibration_intercept(scores, expit(logit)).coefficients[0] == pytest.approx(0.0, abs=0.06)
    assert calibration_intercept(scores, expit(logit + 1)).coefficients[0] == pytest.approx(-1.0, abs=0.08)


def test_slope_and_intercept_of_groups_have_statsmodels_clustered_errors():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), rng.integers(1, 9, 40))
    linear = rng.normal(-0.5, 1.0, 40)[groups]
    y_true = rng.random(40)[groups] < expit(0.5 * linear)
    design = np.column_stack([linear, np.ones(len(linear))])
    options = {"cov_type": "cluster", "cov_kwds": {"groups": groups, "use_correction": False}, "disp": 0}
    peer = Logit(y_true.astype(float), design).fit(**options)
    found = calibration_slope(Scores(y_true, expit(linear), groups), expit(linear))
    assert found.coefficients == pytest.approx(peer.params, abs=1e-6)
    assert found.variance == pytest.approx(peer.bse**2 * 40 / 39, rel=1e-5)
    fewer = min(len(np.unique(groups[y_true])), len(np.unique(groups[~y_true])))
    assert found.freedom == fewer - 1 < min(y_true.sum(), (~y_true).sum()) - 1
    assert found.interval(0, level=0.95)[1] - peer.params[0] == pytest.approx(
        t.ppf(0.975, fewer - 1) * np.sqrt(found.variance[0]), rel=1e-6
    )


def test_intercept_of_probabilities_far_too_low_is_found():
    y_true = np.arange(40) % 2 == 0
    fitted = calibration_intercept(Scores(y_true, np.full(40, 1e-5)), np.full(40, 1e-5))
    assert fitted.coefficients[0] == pytest.approx(np.log((1 - 1e-5) / 1e-5))


def test_copied_rows_do_not_narrow_the_slope():
    y_true, logit = calibrated(400)
    once = calibration_slope(Scores(y_true, expit(logit)), expit(logit))
    rows = np.repeat(np.arange(400), 3)
    copied = calibration_slope(Scores(y_true[rows], expit(logit[rows]), rows), expit(logit[rows]))
    assert (copied.variance <= once.variance * (1 + 1e-9)).all()
    assert (copied.variance > 0.8 * once.variance).all(), "as rows of their own they would be a third"


def test_slope_is_undefined_where_classes_do_not_overlap():
    y_true = np.arange(40) < 20
    assert calibration_slope(Scores(y_true, np.linspace(0.9, 0.1, 40)), np.linspace(0.9, 0.1, 40)) is None


def test_reliability_bins_hold_all_rows(make_scores):
    scores = make_scores(505, group=5)
    curve = reliability(scores, scores.y_score, level=0.95)
    assert sum(curve["n"]) == 505
    assert all(
        low <= seen <= high for low, seen, high in zip(*(curve[k] for k in ("low", "observed", "high")), strict=True)
    )
