"""All figures of one set of images, each an estimate with its interval."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from colles.core.recipe import EvaluateRecipe
from colles.core.records import Estimate, OperatingPoint
from colles.evaluation.calibration import Calibrator
from colles.evaluation.metrics.bootstrap import bootstrap, group_weights, percentile_interval
from colles.evaluation.metrics.calibration_error import brier_error, ece_error
from colles.evaluation.metrics.confusion import confusion_counts, confusion_figures
from colles.evaluation.metrics.delong import delong_covariance, delong_interval
from colles.evaluation.metrics.intervals import proportion_interval
from colles.evaluation.metrics.ranking import (
    Ranking,
    auroc_score,
    average_precision_score,
    sensitivity_at_specificity_score,
)

Array = NDArray[np.float64]
Values = dict[str, Array]
_PROPORTIONS = ("sensitivity", "specificity", "accuracy", "ppv", "npv")


class Sample:
    """Labels, scores, probabilities and groups of one set of images."""

    def __init__(
        self, y_true: NDArray[np.int8], y_score: Array, groups: NDArray[np.int64], calibrator: Calibrator | None = None
    ) -> None:
        self.y_true, self.y_score, self.groups = y_true, y_score, groups
        self.probability = y_score if calibrator is None else calibrator.transform(y_score)
        self.n = len(y_true)
        self.n_positive = int((y_true == 1).sum())
        self.n_groups = len(np.unique(groups))

    @property
    def clustered(self) -> bool:
        """True where some images share a group."""
        return self.n_groups < self.n

    @property
    def both_classes(self) -> bool:
        """True where there is a positive and a negative."""
        return 0 < self.n_positive < self.n


def judge(
    sample: Sample, points: Mapping[str, OperatingPoint], recipe: EvaluateRecipe
) -> tuple[dict[str, Estimate], dict[str, dict[str, Estimate]]]:
    """Return figures without a threshold, and those at each operating point."""
    ranking = Ranking.from_scores(sample.y_true, sample.y_score)

    def statistics(weights: Array) -> Values:
        values = _overall(sample, ranking, weights)
        for name, point in points.items():
            counts = confusion_counts(sample.y_true, sample.y_score, point.threshold, weights)
            values.update({f"{name}/{key}": value for key, value in confusion_figures(counts).items()})
        return values

    values = statistics(np.ones((1, sample.n)))
    weights = group_weights(sample.y_true, sample.groups, recipe.replicates, recipe.seed)
    replicates = bootstrap(statistics, weights)
    estimates = {name: _bootstrapped(sample, float(values[name][0]), replicates[name], recipe) for name in values}
    overall = {name: estimate for name, estimate in estimates.items() if "/" not in name}
    if not sample.clustered:
        overall["auroc"] = _delong(sample, recipe)
    overall |= uncertain_figures(sample, points, recipe)
    at_points = {}
    for name, point in points.items():
        own = {key.partition("/")[2]: value for key, value in estimates.items() if key.startswith(f"{name}/")}
        at_points[name] = own | _proportions(sample, point.threshold, recipe)
    return overall, at_points


def _overall(sample: Sample, ranking: Ranking, weights: Array) -> Values:
    tp, fp = ranking.counts(weights)
    values = {
        "auroc": auroc_score(tp, fp),
        "average_precision": average_precision_score(tp, fp),
        "brier": brier_error(sample.y_true, sample.probability, weights),
        "ece": ece_error(sample.y_true, sample.probability, weights),
        "brier_uncalibrated": brier_error(sample.y_true, sample.y_score, weights),
        "ece_uncalibrated": ece_error(sample.y_true, sample.y_score, weights),
    }
    for specificity in (0.90, 0.95):
        at = sensitivity_at_specificity_score(tp, fp, specificity)
        values[f"sensitivity_at_specificity_{round(100 * specificity)}"] = at
    return values


def _bootstrapped(sample: Sample, value: float, replicates: Array, recipe: EvaluateRecipe) -> Estimate:
    interval = percentile_interval(replicates, recipe.level) if np.isfinite(value) else None
    return _estimate(sample, value, interval, "bootstrap_groups" if sample.clustered else "bootstrap", recipe)


def _delong(sample: Sample, recipe: EvaluateRecipe) -> Estimate:
    if min(sample.n_positive, sample.n - sample.n_positive) < 2:
        value = float("nan") if not sample.both_classes else _plain_auroc(sample)
        return _estimate(sample, value, None, "delong", recipe)
    aurocs, covariance = delong_covariance(sample.y_true, [sample.y_score])
    interval = delong_interval(float(aurocs[0]), float(covariance[0, 0]), recipe.level)
    return _estimate(sample, float(aurocs[0]), interval, "delong", recipe)


def _plain_auroc(sample: Sample) -> float:
    counts = Ranking.from_scores(sample.y_true, sample.y_score).counts(np.ones((1, sample.n)))
    return float(auroc_score(*counts)[0])


def _proportions(sample: Sample, threshold: float, recipe: EvaluateRecipe) -> dict[str, Estimate]:
    called, fractured = sample.y_score >= threshold, sample.y_true == 1
    of, hit = (
        {
            "sensitivity": fractured,
            "specificity": ~fractured,
            "accuracy": np.ones(sample.n, bool),
            "ppv": called,
            "npv": ~called,
        },
        called == fractured,
    )
    return {name: proportion(sample, hit, of[name], recipe) for name in _PROPORTIONS}


def proportion(sample: Sample, hits: NDArray[np.bool_], among: NDArray[np.bool_], recipe: EvaluateRecipe) -> Estimate:
    """Estimate the share of `hits` among some of the images, both (n,) masks."""
    n = int(among.sum())
    groups = len(np.unique(sample.groups[among]))
    if n == 0:
        return Estimate(value=None, low=None, high=None, level=recipe.level, method="wilson", n=0, n_groups=0)
    low, high, method = proportion_interval(hits[among], sample.groups[among], recipe.level)
    value = float(hits[among].mean())
    return Estimate(value=value, low=low, high=high, level=recipe.level, method=method, n=n, n_groups=groups)


def uncertain_figures(
    sample: Sample, points: Mapping[str, OperatingPoint], recipe: EvaluateRecipe
) -> dict[str, Estimate]:
    """Return the share of images between rule-out and rule-in, and the error among the others."""
    if not {"rule_out", "rule_in"} <= set(points):
        return {}
    out, into = points["rule_out"].threshold, points["rule_in"].threshold
    uncertain = (sample.y_score >= out) & (sample.y_score < into)
    wrong = (sample.y_score >= into) != (sample.y_true == 1)
    everything = np.ones(sample.n, bool)
    return {
        "uncertain_share": proportion(sample, uncertain, everything, recipe),
        "certain_error": proportion(sample, wrong, ~uncertain, recipe),
    }


def _estimate(
    sample: Sample, value: float, interval: tuple[float, float] | None, method: str, recipe: EvaluateRecipe
) -> Estimate:
    low, high = interval if interval is not None else (None, None)
    defined = float(value) if np.isfinite(value) else None
    return Estimate(
        value=defined,
        low=low if defined is not None else None,
        high=high if defined is not None else None,
        level=recipe.level,
        method=method,
        n=sample.n,
        n_groups=sample.n_groups,
    )
