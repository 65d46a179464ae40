"""Scores of a trained checkpoint on batches of network input, for rooms that know no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from colles.core.recipe import PreprocessRecipe
from colles.learning.checkpoint import load_classifier


def checkpoint_score(run: Path) -> tuple[Callable[[NDArray[np.float32]], NDArray[np.float64]], PreprocessRecipe]:
    """Return a function (N, C, S, S) → scores (N,) of a run's best checkpoint on the CPU, and its preprocessing."""
    model, preprocess = load_classifier(run)
    model.eval()

    def score(batch: NDArray[np.float32]) -> NDArray[np.float64]:
        with torch.inference_mode():
            return np.asarray(torch.sigmoid(model(torch.from_numpy(batch)).double()).reshape(-1).numpy())

    return score, preprocess
