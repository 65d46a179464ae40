"""The price of a careless split: one frozen-feature probe, cross-validated at random and by group.

A logistic regression on embeddings. By group no radiograph, and no visit as far as it is known, lies in two folds; at
random they do. The difference of the two AUROCs is what a random split would add to the figure. Its interval is over
groups; that other folds would give slightly other figures is not in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from colles.core.recipe import EvaluateRecipe
from colles.core.records import Estimate
from colles.datasets.audit.duplicates import Embeddings
from colles.datasets.audit.fold_groups import FOLDS, by_source, enough, with_fold_groups
from colles.evaluation.estimates import auroc_estimate, smaller_class
from colles.evaluation.metrics.bootstrap import bootstrap_ranking, percentile_interval
from colles.evaluation.metrics.ranking import auroc
from colles.evaluation.scores import Scores

_PENALTY = 0.003  # inverse strength; 1,280 standardised features of some thousand images
_STEPS = 200
_REPLICATES = 1000
_SEED = 0

Floats = NDArray[np.float64]


def measure_inflation(frame: pl.DataFrame, clusters: pl.DataFrame, embeddings: Embeddings) -> list[dict[str, Any]]:
    """Return, over all sources and for each, both AUROCs and their difference with intervals by group.

    Sources with too few groups of a class are left out.
    """
    rows = with_fold_groups(frame, clusters).filter(pl.col("image_id").is_in(list(embeddings)))
    return [found for over, part in by_source(rows) for found in _measure(over, part, embeddings)]


def _measure(over: str, rows: pl.DataFrame, embeddings: Embeddings) -> Iterator[dict[str, Any]]:
    label = rows["label"].to_numpy().astype(int)
    groups = rows["fold_group"].rank("dense").cast(pl.Int64).to_numpy() - 1
    if not enough(label, groups):
        return
    features = np.stack([embeddings[image] for image in rows["image_id"].to_list()])
    at_random = Scores(label.astype(bool), _out_of_fold(features, label, None), groups)
    by_group = Scores(label.astype(bool), _out_of_fold(features, label, groups), groups)
    yield {"over": over, "folds": FOLDS, "seed": _SEED, **_figures(at_random, by_group)}


def _out_of_fold(features: NDArray[np.float32], label: NDArray[Any], groups: NDArray[Any] | None) -> Floats:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    score = np.zeros(len(label))
    for train, test in kind(FOLDS, shuffle=True, random_state=_SEED).split(features, label, groups):
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=_PENALTY, max_iter=_STEPS))
        score[test] = probe.fit(features[train], label[train]).predict_proba(features[test])[:, 1]
    return score


def _figures(at_random: Scores, by_group: Scores) -> dict[str, Any]:
    recipe = EvaluateRecipe(replicates=_REPLICATES, seed=_SEED)
    figures = {name: auroc_estimate(scores, recipe) for name, scores in (("random", at_random), ("grouped", by_group))}
    drawn = [
        bootstrap_ranking(scores, {"auroc": auroc}, replicates=_REPLICATES, seed=_SEED)["auroc"]
        for scores in (at_random, by_group)
    ]
    value = (figures["random"].value or 0.0) - (figures["grouped"].value or 0.0)
    low, high = percentile_interval(drawn[0] - drawn[1], smaller_class(at_random), level=recipe.level) or (None, None)
    difference = figures["random"].model_copy(
        update={"value": value, "low": low, "high": high, "method": "paired_bootstrap_groups"}
    )
    return {
        **{name: figure.model_dump(mode="json") for name, figure in figures.items()},
        "difference": difference.model_dump(mode="json"),
        "sentence": _sentence(figures["random"], figures["grouped"], difference),
    }


def _sentence(at_random: Estimate, by_group: Estimate, difference: Estimate) -> str:
    bounds = "" if difference.low is None else f" ({difference.low:+z.3f} to {difference.high:+z.3f})"
    return (
        f"A random split gives an AUROC of {at_random.value:.3f}, a split by group {by_group.value:.3f}: "
        f"the random one adds {difference.value:+z.3f}{bounds}"
    )
