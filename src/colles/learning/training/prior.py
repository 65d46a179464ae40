"""Undo what drawing and weighting taught a network about how common fractures are."""

from __future__ import annotations

import math

import numpy as np

from colles.core.logistic import to_logit
from colles.learning.loaders.datamodule import RadiographDataModule

_EPOCHS = 5
"""Epochs that are drawn to learn the share of fractures that the network sees."""
_EDGE = 1e-6  # a share of 0 or 1 would shift without end


def prior_shift(data: RadiographDataModule) -> float:
    """Return what to add to the trained logits so that they fit the share of fractures in train.

    A network trained with cross-entropy learns the odds of what it is shown; showing another share, or weighting
    fractures by w, adds a constant to the logit: logit(shown) − logit(real) + log w (Saerens M, Latinne P, Decaestecker
    C, Neural Comput 2002; 14: 21–41; Elkan C, IJCAI 2001, theorem 2). The focal loss has no such constant; calibration
    on val sees to it. Real is the share among the radiographs of train, augmented copies counted once.
    """
    recipe = data.recipe
    if not recipe.prior_correction:
        return 0.0
    real = data.prevalence()
    shown = float(np.mean([data.shown_labels(epoch).mean() for epoch in range(_EPOCHS)]))
    weight = data.positive_weight() if recipe.loss == "weighted_bce" else 1.0
    return float(to_logit(real, _EDGE) - to_logit(shown, _EDGE)) - math.log(weight)
