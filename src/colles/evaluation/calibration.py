"""From a score to a probability: two numbers fitted on val that travel with the weights."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from colles.core.errors import TableError
from colles.core.records import Record
from colles.evaluation.metrics.logistic import fit_logistic
from colles.evaluation.scores import BoolArray, FloatArray, Scores

Method = Literal["platt", "temperature", "none"]
EPSILON = 1e-12
"""Scores are kept this far from 0 and 1, where the logit is infinite."""


def to_logit(y_score: FloatArray) -> FloatArray:
    """Return log(s / (1 − s)), bounded to ±27.6."""
    clipped = np.clip(y_score, EPSILON, 1 - EPSILON)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


class Calibrator(Record):
    """probability = sigmoid(slope · logit(score) + intercept)."""

    method: Method = "none"
    slope: float = 1.0
    intercept: float = 0.0
    fitted_on: str | None = None
    """The subset whose labels fitted it."""

    @classmethod
    def fit(
        cls, y_true: ArrayLike, y_score: ArrayLike, *, method: Method = "platt", fitted_on: str | None = None
    ) -> Self:
        """Fit slope and intercept (Platt), or the slope alone (temperature), by maximum likelihood.

        Platt's targets, (P + 1)/(P + 2) and 1/(N + 2), keep the slope finite where the classes do not overlap (Platt J,
        Advances in Large Margin Classifiers 1999, 61–74). Raise `TableError` where a class is absent.
        """
        scores = Scores.from_arrays(y_true, y_score)
        if method == "none":
            return cls(method="none")
        if not scores.has_both_classes:
            raise TableError("one class only, so nothing to calibrate on", repair="Give labels of both classes")
        x = to_logit(scores.y_score)
        design = np.stack([x, np.ones_like(x)], axis=1) if method == "platt" else x[:, None]
        fitted = fit_logistic(design, platt_targets(scores.y_true))
        if fitted is None:
            raise TableError(
                "calibration found no answer (are all scores equal?)", field="y_score", repair="Use calibration: none"
            )
        slope, *rest = (float(value) for value in fitted.coefficients)
        return cls(method=method, slope=slope, intercept=rest[0] if rest else 0.0, fitted_on=fitted_on)

    def transform(self, y_score: ArrayLike) -> FloatArray:
        """Return probabilities of scores (0–1), in any shape."""
        scores = np.asarray(y_score, dtype=np.float64)
        if self.method == "none":
            return scores
        return np.asarray(expit(self.slope * to_logit(scores) + self.intercept), dtype=np.float64)


def platt_targets(y_true: BoolArray) -> FloatArray:
    """Return the softened targets (N,) of Platt's fit."""
    positives, negatives = int(y_true.sum()), int((~y_true).sum())
    return np.where(y_true, (positives + 1) / (positives + 2), 1 / (negatives + 2))
