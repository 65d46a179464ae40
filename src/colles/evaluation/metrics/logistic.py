"""Logistic regression of a label on one number, with a variance that holds where rows come in groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from colles.evaluation.metrics.intervals import Interval, student_quantile
from colles.evaluation.scores import BoolArray, FloatArray, IntArray

_STEPS = 100
_LARGEST = 1e3


@dataclass(frozen=True, slots=True, eq=False)
class LogisticFit:
    """Coefficients (K,) of the design's columns, the larger of their two variances (K,), and the degrees of freedom.

    The sandwich holds where rows come in groups, the inverse information where one class is rare (there the sandwich
    is far too small: Carroll, Wang, Simpson et al., 1998); each of them falls short in the other's case.
    """

    coefficients: FloatArray
    variance: FloatArray
    freedom: int

    def interval(self, index: int, *, level: float) -> Interval:
        """Return the Wald interval of one coefficient with Student's quantile."""
        half = float(student_quantile(level, self.freedom) * np.sqrt(self.variance[index]))
        value = float(self.coefficients[index])
        return value - half, value + half


def fit_logistic(
    design: FloatArray, target: FloatArray, *, offset: FloatArray | None = None, groups: IntArray | None = None
) -> LogisticFit | None:
    """Fit by Newton's method; `design` (N, K), `target` (N,) in 0–1, `offset` (N,) added to the linear part.

    None where the likelihood has no maximum (one class, classes apart without overlap).
    """
    shift = np.zeros(len(target)) if offset is None else offset
    beta = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        p = expit(design @ beta + shift)
        gradient = design.T @ (target - p)
        step = _solve(_information(design, p), gradient)
        if step is None:
            return None
        step = _shorten(design, target, shift, beta, step)
        beta = beta + step
        if np.abs(beta).max() > _LARGEST:
            return None
        if np.abs(step).max() < 1e-10:
            return _with_variance(design, target, expit(design @ beta + shift), beta, groups)
    return None


def _information(design: FloatArray, p: FloatArray) -> FloatArray:
    return np.asarray((design * (p * (1 - p))[:, None]).T @ design)


def _solve(matrix: FloatArray, vector: FloatArray) -> FloatArray | None:
    if not np.isfinite(matrix).all() or np.linalg.cond(matrix) > 1e12:
        return None
    return np.asarray(np.linalg.solve(matrix, vector))


def _shorten(
    design: FloatArray, target: FloatArray, shift: FloatArray, beta: FloatArray, step: FloatArray
) -> FloatArray:
    before = _log_likelihood(design @ beta + shift, target)
    for _ in range(30):
        if _log_likelihood(design @ (beta + step) + shift, target) >= before - 1e-9 * abs(before):
            break
        step = step / 2
    return step


def _log_likelihood(linear: FloatArray, target: FloatArray) -> float:
    return float((target * linear - np.logaddexp(0.0, linear)).sum())


def _with_variance(
    design: FloatArray, target: FloatArray, p: FloatArray, beta: FloatArray, groups: IntArray | None
) -> LogisticFit | None:
    pieces = design * (target - p)[:, None]
    if groups is not None:
        pieces = np.stack([np.bincount(groups, weights=column) for column in pieces.T], axis=1)
    information = _information(design, p)
    if np.linalg.cond(information) > 1e12:
        return None
    bread, count = np.linalg.inv(information), len(pieces)
    sandwich = bread @ (pieces.T @ pieces) @ bread * (count / max(1, count - 1))
    freedom = min(count, *(_units(rows, groups) for rows in (target > 0.5, target <= 0.5))) - 1
    return LogisticFit(beta, np.maximum(np.diag(sandwich), np.diag(bread)), max(1, freedom))


def _units(rows: BoolArray, groups: IntArray | None) -> int:
    return int(rows.sum()) if groups is None else len(np.unique(groups[rows]))
