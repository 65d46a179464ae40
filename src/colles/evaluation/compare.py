"""Compare models on the same images: paired DeLong, and a paired bootstrap over groups."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from colles.core.errors import TableError
from colles.core.records import Estimate
from colles.evaluation.metrics.bootstrap import Array, bootstrap, group_weights, percentile_interval
from colles.evaluation.metrics.delong import delong_covariance, delong_p
from colles.evaluation.metrics.ranking import Ranking, auroc_score
from colles.evaluation.predictions import Predictions


def compare_predictions(
    tables: Mapping[str, Predictions],
    *,
    subset: str = "test",
    level: float = 0.95,
    replicates: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare every pair of tables on the images that all share.

    Return `{"subset", "n", "n_groups", "auroc": {name: Estimate}, "pairs": [{"first", "second", "difference": Estimate,
    "p_delong"}]}`; DeLong's p takes images as independent, the interval of the difference draws groups. Raise
    `TableError` where tables share no image, contradict each other's labels, or lack a class.
    """
    shared = _join(tables, subset)
    y_true, groups = shared.y_true, shared.groups
    scores = {name: shared.frame[f"score {i}"].to_numpy() for i, name in enumerate(tables)}
    aurocs, covariance = delong_covariance(y_true, list(scores.values()))
    rankings = {name: Ranking.from_scores(y_true, score) for name, score in scores.items()}

    def statistics(weights: Array) -> dict[str, Array]:
        return {name: auroc_score(*ranking.counts(weights)) for name, ranking in rankings.items()}

    drawn = bootstrap(statistics, group_weights(y_true, groups, replicates, seed))
    n, n_groups = len(y_true), len(np.unique(groups))
    method = "bootstrap_groups" if n_groups < n else "bootstrap"

    def estimate(value: float, values: Array) -> dict[str, Any]:
        low, high = percentile_interval(values, level) or (None, None)
        made = Estimate(value=value, low=low, high=high, level=level, method=method, n=n, n_groups=n_groups)
        return made.model_dump()

    pairs = [
        {
            "first": first,
            "second": second,
            "difference": estimate(float(aurocs[i] - aurocs[j]), drawn[first] - drawn[second]),
            "p_delong": delong_p(aurocs[[i, j]], covariance[np.ix_([i, j], [i, j])]),
        }
        for (i, first), (j, second) in combinations(enumerate(scores), 2)
    ]
    figures = {name: estimate(float(aurocs[i]), drawn[name]) for i, name in enumerate(scores)}
    return {"subset": subset, "n": n, "n_groups": n_groups, "auroc": figures, "pairs": pairs}


def _join(tables: Mapping[str, Predictions], subset: str) -> Predictions:
    joined: pl.DataFrame | None = None
    for i, (name, table) in enumerate(tables.items()):
        part = table.subset(subset)
        if "image_id" not in part.frame.columns:
            raise TableError("lacks image_id, so images cannot be paired", path=part.path or name, repair="Add it")
        own = part.frame.with_columns(pl.col("y_score").alias(f"score {i}"), pl.col("y_true").alias(f"label {i}"))
        keep = ["image_id", f"score {i}", f"label {i}"]
        keep += ["group_id"] if joined is None and "group_id" in own.columns else []
        own = own.select(keep)
        joined = own if joined is None else joined.join(own, on="image_id", how="inner")
    assert joined is not None
    contradicting = joined.filter(pl.any_horizontal(pl.col("label 0") != pl.col(r"^label \d+$")))
    if joined.is_empty():
        raise TableError(f"no image of {subset} is in all tables", repair="Compare models on the same split")
    if contradicting.height:
        first = contradicting["image_id"][0]
        raise TableError(f"tables give {first!r} different labels", field="y_true", repair="Use the same labels")
    joined = joined.sort("image_id").with_columns(y_true=pl.col("label 0"), y_score=pl.col("score 0"))
    shared = Predictions(joined)
    if min(int(shared.y_true.sum()), int((shared.y_true == 0).sum())) < 2:
        raise TableError("needs two images of each class", field="y_true", repair="Compare on more images")
    return shared
