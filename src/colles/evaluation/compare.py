"""Compare models on the same images: AUROC by DeLong and by bootstrap over groups, decisions by McNemar."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import binomtest, norm

from colles.core.errors import TableError
from colles.core.recipe import EvaluateRecipe
from colles.core.records import Estimate
from colles.evaluation.estimates import ranking_estimates
from colles.evaluation.metrics.bootstrap import (
    Strata,
    affordable_replicates,
    bootstrap_ranking,
    percentile_interval,
)
from colles.evaluation.metrics.delong import auroc_difference
from colles.evaluation.metrics.ranking import Ranking, auroc
from colles.evaluation.operating import choose_operating_points
from colles.evaluation.predictions import Predictions, to_scores
from colles.evaluation.robustness import clean_rows
from colles.evaluation.scores import BoolArray, FloatArray, Scores

AUROC = {"auroc": auroc}


def compare_predictions(
    tables: Mapping[str, Predictions],
    *,
    subset: str = "test",
    level: float = 0.95,
    replicates: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare every pair of tables on the images that all share.

    Return `{"subset", "n", "n_positive", "n_groups", "auroc": {name: Estimate}, "pairs": [{"first", "second",
    "difference": Estimate (bootstrap), "difference_delong": Estimate, "p_delong", "p_holm", "mcnemar"}]}`. With groups
    both methods take the groups as units; McNemar's test takes images as independent. Raise `TableError` where tables
    share no image, contradict each other's labels, or lack a class.
    """
    recipe = EvaluateRecipe(level=level, replicates=replicates, seed=seed)
    shared = shared_scores(tables, subset)
    drawn = {name: _paired_replicates(scores, recipe) for name, scores in shared.items()}
    pairs = [_compare(first, second, shared, drawn, recipe) for first, second in combinations(tables, 2)]
    for pair, corrected in zip(pairs, holm([pair["p_delong"] for pair in pairs]), strict=True):
        pair["p_holm"] = corrected
        pair["mcnemar"] = _mcnemar_by_point(tables, shared, pair["first"], pair["second"])
    one = next(iter(shared.values()))
    return {
        "subset": subset,
        "n": one.n,
        "n_positive": one.n_positive,
        "n_groups": one.n_groups(),
        "auroc": {name: ranking_estimates(s, recipe, AUROC)["auroc"].model_dump() for name, s in shared.items()},
        "pairs": pairs,
    }


def shared_scores(tables: Mapping[str, Predictions], subset: str) -> dict[str, Scores]:
    """Return each table's scores of the images that all tables have in `subset`, in the same order."""
    parts = {name: _labelled(name, table, subset) for name, table in tables.items()}
    first, *others = parts.values()
    ids = first.select("image_id")
    for other in others:
        ids = ids.join(other.select("image_id"), on="image_id", how="semi")
    if ids.is_empty():
        raise TableError(f"no image of {subset} is in all tables", repair="Compare models on the same split")
    ids = ids.sort("image_id")
    groups = None if "group_id" not in first.columns else first.select("image_id", "group_id")
    scores = {}
    for name, part in parts.items():
        rows = ids.join(part.drop("group_id", strict=False), on="image_id", how="left", maintain_order="left")
        if groups is not None:
            rows = rows.join(groups, on="image_id", how="left", maintain_order="left")
        scores[name] = to_scores(rows)
    _refuse_unlike(scores, ids, tables)
    return scores


def _labelled(name: str, table: Predictions, subset: str) -> pl.DataFrame:
    rows = clean_rows(table.subset(subset).frame)
    if "image_id" not in rows.columns:
        raise TableError(
            "lacks the column 'image_id', by which images are paired", path=table.path or name, repair="Add it"
        )
    return rows.filter(pl.col("y_true").is_not_null() & pl.col("image_id").is_not_null())


def _refuse_unlike(scores: Mapping[str, Scores], ids: pl.DataFrame, tables: Mapping[str, Predictions]) -> None:
    first = next(iter(scores.values()))
    for name, other in scores.items():
        unlike = np.flatnonzero(first.y_true != other.y_true)
        if len(unlike):
            image = ids["image_id"][int(unlike[0])]
            raise TableError(
                f"{len(unlike)} images have another label than in the first table, first {image!r}",
                path=tables[name].path or name,
                field="y_true",
                repair="Give both tables the same labels",
            )
    if min(first.n_groups(first.y_true), first.n_groups(~first.y_true)) < 2:
        raise TableError(
            "a comparison needs at least two images of each class", field="y_true", repair="Compare on more images"
        )


def _paired_replicates(scores: Scores, recipe: EvaluateRecipe) -> FloatArray:
    # Explicit groups make the multiplicities depend on the seed alone, not on the scores: that pairs the models.
    own = Scores(scores.y_true, scores.y_score, np.arange(scores.n) if scores.groups is None else scores.groups)
    count = affordable_replicates(scores.n, recipe.replicates)
    return bootstrap_ranking(own, AUROC, replicates=count, seed=recipe.seed)["auroc"]


def _compare(
    first: str,
    second: str,
    shared: Mapping[str, Scores],
    drawn: Mapping[str, FloatArray],
    recipe: EvaluateRecipe,
) -> dict[str, Any]:
    one, other = shared[first], shared[second]
    difference, variance = auroc_difference(one.y_true, one.y_score, other.y_score, groups=one.groups)
    half = float(norm.ppf((1 + recipe.level) / 2)) * variance**0.5
    size = Strata.from_ranking(Ranking.from_scores(one.y_true, one.y_score), one.groups).smallest
    bootstrap = percentile_interval(drawn[first] - drawn[second], size, level=recipe.level)
    suffix = "" if one.groups is None else "_groups"

    def estimate(bounds: tuple[float, float] | None, method: str) -> dict[str, Any]:
        low, high = bounds if bounds is not None else (None, None)
        return Estimate(
            value=difference, low=low, high=high, level=recipe.level, method=method + suffix,
            n=one.n, n_groups=one.n_groups(),
        ).model_dump()  # fmt: skip

    return {
        "first": first,
        "second": second,
        "difference": estimate(bootstrap, "paired_bootstrap"),
        "difference_delong": estimate((difference - half, difference + half), "paired_delong"),
        "p_delong": two_sided_p(difference, variance),
    }


def two_sided_p(difference: float, variance: float) -> float:
    """Return the normal p of a difference; 1 where both are zero (equal scores), 0 where only the variance is."""
    if variance <= 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * norm.sf(abs(difference) / variance**0.5))


def holm(p_values: list[float]) -> list[float]:
    """Correct p-values for their number (Holm S, Scand J Stat 1979; 6: 65–70), in the given order."""
    order = np.argsort(p_values)
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def _mcnemar_by_point(
    tables: Mapping[str, Predictions], shared: Mapping[str, Scores], first: str, second: str
) -> dict[str, Any]:
    """Return McNemar's test by operating point and class; empty where a table has no usable val to choose them on."""
    points = [_own_points(tables[name]) for name in (first, second)]
    truth, found = shared[first].y_true, {}
    for name in points[0].keys() & points[1].keys():
        called = [shared[table].y_score >= own[name] for table, own in zip((first, second), points, strict=True)]
        right = [calls == truth for calls in called]
        found[name] = {
            "sensitivity": mcnemar(right[0][truth], right[1][truth]),
            "specificity": mcnemar(right[0][~truth], right[1][~truth]),
        }
    return dict(sorted(found.items()))


def _own_points(table: Predictions) -> dict[str, float]:
    if "val" not in table.subsets:
        return {}
    scores = to_scores(clean_rows(table.subset("val").frame))
    if not scores.has_both_classes:
        return {}
    return {name: point.threshold for name, point in choose_operating_points(scores, chosen_on="val").items()}


def mcnemar(first_right: BoolArray, second_right: BoolArray) -> dict[str, Any]:
    """Test whether two models are right equally often (exact binomial; McNemar Q, Psychometrika 1947; 12: 153–157).

    Return `{"only_first", "only_second", "p"}`.
    """
    only_first = int((first_right & ~second_right).sum())
    only_second = int((~first_right & second_right).sum())
    total = only_first + only_second
    p = float(binomtest(only_first, total, 0.5).pvalue) if total else 1.0
    return {"only_first": only_first, "only_second": only_second, "p": p}
