"""From a score to a probability: a rising map fitted on val that travels with the weights."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from colles.core.errors import TableError
from colles.core.logistic import to_logit
from colles.core.records import Record
from colles.evaluation.metrics.logistic import fit_logistic
from colles.evaluation.scores import BoolArray, FloatArray, Scores

Method = Literal["platt", "temperature", "isotonic", "none"]


class Calibrator(Record):
    """probability = sigmoid(slope · logit(score) + intercept), or a rising line through knots (isotonic).

    `offset`, added to the probability's logit, moves it to another share of fractures.
    """

    method: Method = "none"
    slope: float = 1.0
    intercept: float = 0.0
    fitted_on: str | None = None
    """The subset whose labels fitted it."""
    x: tuple[float, ...] = ()
    """Isotonic: scores of the knots, ascending; flat beyond the first and the last."""
    y: tuple[float, ...] = ()
    """Isotonic: probabilities of the knots."""
    fitted_prevalence: float | None = None
    """Share of fractures in the data that fitted it."""
    prevalence: float | None = None
    """The stated share of fractures that probabilities are meant for; None: that of the fitting data."""
    offset: float = 0.0

    @classmethod
    def fit(
        cls, y_true: ArrayLike, y_score: ArrayLike, *, method: Method = "platt", fitted_on: str | None = None
    ) -> Self:
        """Fit by maximum likelihood: slope and intercept (Platt), the slope alone (temperature), or isotonic.

        Platt's targets, (P + 1)/(P + 2) and 1/(N + 2), keep the slope finite where the classes do not overlap, and
        isotonic's probabilities off 0 and 1 (Platt J, Advances in Large Margin Classifiers 1999, 61–74). Raise
        `TableError` where a class is absent.
        """
        scores = Scores.from_arrays(y_true, y_score)
        if not scores.has_both_classes:
            if method == "none":
                return cls()
            raise TableError("one class only, so nothing to calibrate on", repair="Give labels of both classes")
        known = cls(method=method, fitted_on=fitted_on, fitted_prevalence=float(scores.y_true.mean()))
        if method == "none":
            return known
        return known.model_copy(update=_isotonic(scores) if method == "isotonic" else _linear(scores, method))

    @property
    def rises(self) -> bool:
        """Tell whether a higher score means a higher probability anywhere."""
        return self.y[-1] > self.y[0] if self.method == "isotonic" else self.slope > 0

    def for_prevalence(self, prevalence: float) -> Self:
        """Return the same map for patients of whom another share has a fracture (strictly between 0 and 1).

        Adds logit(new) − logit(fitted) (Saerens M, Latinne P, Decaestecker C, Neural Comput 2002; 14: 21–41): right
        where fractures and others look as they did, only in other numbers. Raise `TableError` where the share of the
        fitting data is unknown.
        """
        if self.fitted_prevalence is None:
            raise TableError("the share of fractures it was fitted at is unknown", field="calibration.prevalence",
                             repair="Fit it again on labels of both classes")  # fmt: skip
        offset = float(logit(prevalence) - logit(self.fitted_prevalence))
        return self.model_copy(update={"prevalence": prevalence, "offset": offset})

    def at_fitted_prevalence(self) -> Self:
        """Return the map without its shift: what labels like those that fitted it can judge."""
        return self.model_copy(update={"prevalence": None, "offset": 0.0})

    def transform(self, y_score: ArrayLike) -> FloatArray:
        """Return probabilities of scores (0–1), in any shape."""
        scores = np.asarray(y_score, dtype=np.float64)
        if self.method == "isotonic":
            found = np.interp(scores, self.x, self.y)
        elif self.method == "none":
            found = scores
        else:
            return np.asarray(expit(self.slope * to_logit(scores) + self.intercept + self.offset), dtype=np.float64)
        return np.asarray(expit(to_logit(found) + self.offset) if self.offset else found, dtype=np.float64)


def _linear(scores: Scores, method: Method) -> dict[str, float]:
    x = to_logit(scores.y_score)
    design = np.stack([x, np.ones_like(x)], axis=1) if method == "platt" else x[:, None]
    fitted = fit_logistic(design, platt_targets(scores.y_true))
    if fitted is None:
        raise TableError(
            "calibration found no answer (are all scores equal?)", field="y_score", repair="Use calibration: none"
        )
    slope, *rest = (float(value) for value in fitted.coefficients)
    return {"slope": slope, "intercept": rest[0] if rest else 0.0}


def _isotonic(scores: Scores) -> dict[str, tuple[float, ...]]:
    from sklearn.isotonic import IsotonicRegression

    if scores.y_score.min() == scores.y_score.max():
        raise TableError(
            "calibration found no answer (all scores are equal)", field="y_score", repair="Use calibration: none"
        )
    fitted = IsotonicRegression().fit(scores.y_score, platt_targets(scores.y_true))
    return {"x": tuple(fitted.X_thresholds_.tolist()), "y": tuple(fitted.y_thresholds_.tolist())}


def platt_targets(y_true: BoolArray) -> FloatArray:
    """Return the softened targets (N,) of Platt's fit."""
    positives, negatives = int(y_true.sum()), int((~y_true).sum())
    return np.where(y_true, (positives + 1) / (positives + 2), 1 / (negatives + 2))
