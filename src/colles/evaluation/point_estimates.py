"""Figures at a threshold with their intervals."""

from __future__ import annotations

import numpy as np

from colles.core.recipe import EvaluateRecipe
from colles.core.records import Estimate
from colles.evaluation.estimates import FEW, proportion, smaller_class, undefined
from colles.evaluation.metrics.bootstrap import percentile_interval
from colles.evaluation.metrics.confusion import Confusion, confusion_at, mcc
from colles.evaluation.metrics.intervals import mover_mean
from colles.evaluation.scores import FloatArray, IntArray, Scores
from colles.evaluation.worth import bounds, likelihood_ratios


def point_estimates(scores: Scores, threshold: float, recipe: EvaluateRecipe) -> dict[str, Estimate]:
    """Estimate every figure at a threshold; score ≥ threshold is positive."""
    counts = confusion_at(scores.y_true, scores.y_score, threshold)
    shares = share_estimates(scores, threshold, recipe)
    return {
        **shares,
        **_ratios(shares, scores),
        "balanced_accuracy": _balanced_accuracy(shares["sensitivity"], shares["specificity"], scores),
        "f1": _f1(scores, threshold, recipe),
        "mcc": _mcc(scores, counts, threshold, recipe),
    }


def _ratios(shares: dict[str, Estimate], scores: Scores) -> dict[str, Estimate]:
    # A group may hold both classes: those of the two rates together would count it twice.
    found = likelihood_ratios(shares["sensitivity"], shares["specificity"])
    return {name: ratio.model_copy(update={"n_groups": scores.n_groups()}) for name, ratio in found.items()}


def share_estimates(scores: Scores, threshold: float, recipe: EvaluateRecipe) -> dict[str, Estimate]:
    """Estimate the figures that are shares of images: sensitivity, specificity, PPV, NPV, accuracy."""
    called, right, level = scores.y_score >= threshold, (scores.y_score >= threshold) == scores.y_true, recipe.level
    return {
        "sensitivity": proportion(called, scores, scores.y_true, level=level),
        "specificity": proportion(~called, scores, ~scores.y_true, level=level),
        "ppv": proportion(scores.y_true, scores, called, level=level),
        "npv": proportion(~scores.y_true, scores, ~called, level=level),
        "accuracy": proportion(right, scores, np.ones(scores.n, dtype=bool), level=level),
    }


def _balanced_accuracy(sensitivity: Estimate, specificity: Estimate, scores: Scores) -> Estimate:
    first, second, level = sensitivity.value, specificity.value, sensitivity.level
    if first is None or second is None:
        return undefined(scores, level)
    low, high = mover_mean(first, second, bounds(sensitivity), bounds(specificity))
    return Estimate(
        value=(first + second) / 2, low=low, high=high, level=level, method=f"mover_{sensitivity.method}",
        n=scores.n, n_groups=scores.n_groups(),
    )  # fmt: skip


def _f1(scores: Scores, threshold: float, recipe: EvaluateRecipe) -> Estimate:
    # F1 = 2J / (1 + J) of J = TP / (TP + FP + FN), which is a share of images, so Wilson's interval carries over
    # (Lam KFY, Gopal V, Qian J, Confidence intervals for the F1 score, arXiv:2309.14621).
    called = scores.y_score >= threshold
    share = proportion(called & scores.y_true, scores, called | scores.y_true, level=recipe.level)
    if share.value is None:
        return undefined(scores, recipe.level)
    value, low, high = (2 * j / (1 + j) for j in (share.value, *bounds(share)))
    return share.model_copy(update={"value": value, "low": low, "high": high, "method": f"{share.method}_of_jaccard"})


def _mcc(scores: Scores, counts: Confusion, threshold: float, recipe: EvaluateRecipe) -> Estimate:
    value = mcc(counts)
    if value is None:
        return undefined(scores, recipe.level)
    rng = np.random.default_rng(recipe.seed)
    fewest = smaller_class(scores)
    if fewest < FEW or min(counts.tp, counts.fp, counts.tn, counts.fn) == 0:
        # Resampling never fills an empty cell nor adds a group, so it would call a perfect or a lone result certain.
        drawn, method = _mcc_of(_jeffreys_tables(rng, counts, scores, recipe.replicates)), "jeffreys"
        low, high = np.nanquantile(drawn, [(1 - recipe.level) / 2, (1 + recipe.level) / 2])
    else:
        drawn = _mcc_of(_resampled_tables(rng, scores, threshold, recipe.replicates))
        method = "bootstrap" if scores.groups is None else "bootstrap_groups"
        low, high = percentile_interval(drawn, fewest, level=recipe.level) or (-1.0, 1.0)
    return Estimate(
        value=value, low=min(float(low), value), high=max(float(high), value), level=recipe.level, method=method,
        n=scores.n, n_groups=scores.n_groups(),
    )  # fmt: skip


def _mcc_of(tables: FloatArray) -> FloatArray:
    tp, fp, tn, fn = tables.T
    with np.errstate(invalid="ignore", divide="ignore"):
        margins = np.sqrt(tp + fp) * np.sqrt(tp + fn) * np.sqrt(tn + fp) * np.sqrt(tn + fn)
        return np.asarray(np.clip((tp * tn - fp * fn) / margins, -1.0, 1.0))


def _jeffreys_tables(rng: np.random.Generator, c: Confusion, scores: Scores, replicates: int) -> FloatArray:
    # Beta(½, ½) priors on both rates; rows of a class in one group count as one.
    p, n = c.tp + c.fn, c.tn + c.fp
    of_p, of_n = scores.n_groups(scores.y_true) / p, scores.n_groups(~scores.y_true) / n
    sensitivity = rng.beta(c.tp * of_p + 0.5, c.fn * of_p + 0.5, replicates)
    specificity = rng.beta(c.tn * of_n + 0.5, c.fp * of_n + 0.5, replicates)
    parts = (sensitivity * p, (1 - specificity) * n, specificity * n, (1 - sensitivity) * p)
    return np.stack(parts, axis=1)


def _resampled_tables(rng: np.random.Generator, scores: Scores, threshold: float, replicates: int) -> FloatArray:
    """Return the 2×2 tables (R, 4) of a stratified bootstrap over groups.

    Groups with equal tables are interchangeable, so how often each kind is drawn is multinomial: no row is touched.
    """
    kinds, counts = _kinds_of_groups(scores, threshold)
    total = np.zeros((replicates, 4))
    has_positive = kinds[:, 0] + kinds[:, 3] > 0
    for stratum in (has_positive, ~has_positive):
        if stratum.any():
            drawn = counts[stratum]
            total += rng.multinomial(drawn.sum(), drawn / drawn.sum(), size=replicates) @ kinds[stratum]
    return total


def _kinds_of_groups(scores: Scores, threshold: float) -> tuple[IntArray, IntArray]:
    """Return the distinct tables (K, 4) of groups, columns TP, FP, TN, FN, and how many groups have each (K,)."""
    called = scores.y_score >= threshold
    cell = np.where(scores.y_true, np.where(called, 0, 3), np.where(called, 1, 2))
    if scores.groups is None:
        return np.eye(4, dtype=np.int64), np.bincount(cell, minlength=4)
    count = int(scores.groups.max()) + 1
    tables = np.bincount(scores.groups * 4 + cell, minlength=4 * count).reshape(-1, 4)
    # One number a table sorts far faster than four.
    base = int(tables.max()) + 1
    if base**4 < 2**62:
        codes, counts = np.unique(tables @ base ** np.arange(4), return_counts=True)
        return np.stack([codes // base**k % base for k in range(4)], axis=1), counts
    kinds, counts = np.unique(tables, axis=0, return_counts=True)
    return kinds, counts
