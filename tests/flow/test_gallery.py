"""Which images get a heat map: some of each outcome, and the worst errors."""

from __future__ import annotations

import numpy as np
import polars as pl

from colles.core.recipe import ExplainRecipe
from colles.flow.gallery import choose_gallery


def predictions(n: int = 400) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, 2, n)
    scores = np.clip(0.5 + 0.2 * (y_true - 0.5) + rng.normal(0, 0.2, n), 0, 1)
    subset = np.where(np.arange(n) % 4 == 0, "val", "test")
    columns = {"image_id": [f"{i:03d}" for i in range(n)], "subset": subset, "y_true": y_true, "y_score": scores}
    return pl.DataFrame(columns)


def test_the_worst_errors_are_always_explained() -> None:
    frame = predictions()
    chosen = choose_gallery(frame, 0.5, ExplainRecipe(per_outcome=3, worst=5))
    test = frame.filter(pl.col("subset") == "test")
    alarms = test.filter((pl.col("y_true") == 0) & (pl.col("y_score") >= 0.5)).sort("y_score", descending=True)
    missed = test.filter((pl.col("y_true") == 1) & (pl.col("y_score") < 0.5)).sort("y_score")
    by_outcome = {name: part["image_id"].to_list() for (name,), part in chosen.group_by("outcome")}
    assert by_outcome["FP"][:5] == alarms["image_id"].head(5).to_list()
    assert by_outcome["FN"][:5] == missed["image_id"].head(5).to_list()
    assert len(by_outcome["TP"]) == len(by_outcome["TN"]) == 3
    assert 5 <= len(by_outcome["FN"]) <= 8
    assert chosen["image_id"].is_unique().all()


def test_without_the_worst_the_draw_is_as_before() -> None:
    chosen = choose_gallery(predictions(), 0.5, ExplainRecipe(per_outcome=3, worst=0))
    assert chosen.group_by("outcome").len()["len"].to_list() == [3, 3, 3, 3]


def test_an_image_of_unknown_label_is_no_false_alarm() -> None:
    """It was shown among them, or as rightly left alone."""
    unknown = predictions().with_columns(y_true=pl.when(pl.col("y_score") < 0.9).then("y_true"))
    chosen = choose_gallery(unknown, 0.5, ExplainRecipe(per_outcome=300))
    assert chosen["y_true"].null_count() == 0
    assert chosen.height == unknown.filter(pl.col("subset") == "test")["y_true"].count()
