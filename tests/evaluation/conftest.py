"""Simulated scores for the tests of evaluation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from colles.core.recipe import EvaluateRecipe
from colles.evaluation.scores import Scores

MakeScores = Callable[..., Scores]


@pytest.fixture
def recipe() -> EvaluateRecipe:
    """A recipe with few replicates."""
    return EvaluateRecipe(replicates=300)


@pytest.fixture
def make_scores() -> MakeScores:
    """A factory of binormal scores, with ties and groups where asked."""

    def make(
        n: int = 400, *, prevalence: float = 0.3, delta: float = 1.5, ties: bool = False, group: int = 1, seed: int = 0
    ) -> Scores:
        rng = np.random.default_rng(seed)
        codes = np.arange(n) // group
        y_true = rng.random(codes.max() + 1)[codes] < prevalence
        shared = rng.normal(size=codes.max() + 1)[codes] if group > 1 else 0.0
        y_score = expit(delta * y_true + (rng.normal(size=n) + shared) / np.sqrt(2 if group > 1 else 1))
        return Scores(y_true, np.round(y_score, 1) if ties else y_score, codes if group > 1 else None)

    return make


@pytest.fixture
def predictions_frame(make_scores: MakeScores) -> pl.DataFrame:
    """A table of val and test with ids and groups of three images."""
    scores = make_scores(900, group=3)
    return pl.DataFrame(
        {
            "image_id": [f"set/{i}.png" for i in range(900)],
            "group_id": [f"patient {i // 3}" for i in range(900)],
            "subset": ["val"] * 450 + ["test"] * 450,
            "y_true": scores.y_true.astype(np.int8),
            "y_score": scores.y_score,
        }
    )
