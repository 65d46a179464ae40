"""Scores of a trained network on batches of network input; `checkpoint_score` is for rooms that know no torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from colles.core.recipe import PreprocessRecipe
from colles.learning.checkpoint import load_classifier
from colles.learning.models.base import FractureClassifier


def score_batch(model: FractureClassifier, batch: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the scores (N,), 0 to 1, of a batch (N, C, S, S), by the network in evaluation mode."""
    model.eval()
    with torch.no_grad():
        return np.asarray(torch.sigmoid(model(torch.from_numpy(batch)).double()).reshape(-1).numpy())


def checkpoint_score(run: Path) -> tuple[Callable[[NDArray[np.float32]], NDArray[np.float64]], PreprocessRecipe]:
    """Return a function (N, C, S, S) → scores (N,) of a run's best checkpoint on the CPU, and its preprocessing."""
    model, preprocess = load_classifier(run)
    return partial(score_batch, model), preprocess
