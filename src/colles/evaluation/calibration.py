"""From score to probability, fitted on val."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from colles.core.records import Record

Array = NDArray[np.float64]
_EDGE = 1e-7  # scores of exactly 0 or 1 have no logit


class Calibrator(Record):
    """Platt scaling on the logit: probability = sigmoid(slope · logit(score) + intercept) (Platt 1999)."""

    method: Literal["platt", "none"] = "none"
    slope: float = 1.0
    intercept: float = 0.0
    fitted_on: str | None = None
    """Subset whose labels fitted it."""

    @classmethod
    def fit(cls, y_true: NDArray[np.int8], y_score: Array, *, fitted_on: str = "val") -> Calibrator:
        """Fit slope and intercept; with fewer than 10 of a class nothing can be fitted and `none` is returned."""
        if min(int((y_true == 1).sum()), int((y_true == 0).sum())) < 10:
            return cls(fitted_on=fitted_on)
        # C: hardly any shrinkage, but finite where the classes are separable
        model = LogisticRegression(C=1e4, max_iter=1000).fit(to_logit(y_score)[:, None], y_true)
        slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
        return cls(method="platt", slope=slope, intercept=intercept, fitted_on=fitted_on)

    def transform(self, y_score: Array) -> Array:
        """Return probabilities of scores, any shape, 0–1."""
        if self.method == "none":
            return np.asarray(y_score, np.float64)
        return np.asarray(1.0 / (1.0 + np.exp(-(self.slope * to_logit(y_score) + self.intercept))))


def to_logit(y_score: Array) -> Array:
    """Return the logit of scores, kept finite."""
    inside = np.clip(np.asarray(y_score, np.float64), _EDGE, 1.0 - _EDGE)
    return np.asarray(np.log(inside / (1.0 - inside)))
