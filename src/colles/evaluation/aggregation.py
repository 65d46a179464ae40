"""Several images, one study: the scores of a study's images made one, by the largest, the mean or noisy-or."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np

from colles.evaluation.scores import FloatArray, IntArray, Scores, dense

Aggregation = Literal["max", "mean", "noisy_or"]
AGGREGATIONS: tuple[Aggregation, ...] = get_args(Aggregation)


def aggregate(y_score: FloatArray, units: IntArray, how: Aggregation) -> FloatArray:
    """Return one score a unit (U,) of scores (N,) whose unit codes (N,) are 0…U−1.

    `noisy_or` is 1 − Π(1 − s): the chance that at least one image shows a fracture, were the images independent
    (Pearl J, Probabilistic Reasoning in Intelligent Systems, 1988, section 4.3.2).
    """
    count = int(units.max()) + 1
    if how == "max":
        found = np.zeros(count)
        np.maximum.at(found, units, y_score)
        return found
    if how == "mean":
        return np.asarray(np.bincount(units, weights=y_score) / np.bincount(units))
    # In logarithms, since a product over many images would underflow to 0.
    with np.errstate(divide="ignore"):
        return np.asarray(-np.expm1(np.bincount(units, weights=np.log1p(-y_score))))


def unit_scores_of(scores: Scores, units: IntArray, how: Aggregation) -> Scores:
    """Return one row a unit: fractured where any of its images is, in the group of its first image."""
    positive = np.bincount(units, weights=scores.y_true) > 0
    groups = None
    if scores.groups is not None:
        _, first = np.unique(units, return_index=True)
        groups = dense(scores.groups[first])
    return Scores(positive, aggregate(scores.y_score, units, how), groups)


def best_aggregation(aurocs: Mapping[Aggregation, float | None]) -> Aggregation:
    """Return the aggregation with the largest AUROC; the earlier of `AGGREGATIONS` where they tie or are undefined."""
    return max(AGGREGATIONS, key=lambda how: (aurocs.get(how) or 0.0, -AGGREGATIONS.index(how)))
