"""Occlusion (Zeiler and Fergus 2014, arXiv:1311.2901)."""

from __future__ import annotations

import torch
from captum.attr import Occlusion as Occluded
from torch import Tensor

from colles.learning.explain.base import Explainer, of_one_channel
from colles.learning.models.base import FractureClassifier

WINDOW, STRIDE = 8, 14
"""The window is a patch of 1/8 of the canvas's side, moved by 1/14 of it."""


class Occlusion(Explainer):
    """How far the logit falls when a patch is covered with the image's mean grey."""

    title = "occlusion"
    slow = True

    @torch.no_grad()
    def attribute(self, model: FractureClassifier, x: Tensor) -> Tensor:
        """Return maps (N, S, S) at the resolution of the canvas."""
        channels, side = x.shape[1], x.shape[-1]
        window, stride = max(1, side // WINDOW), max(1, side // STRIDE)
        mean = x.mean(dim=(2, 3), keepdim=True).expand_as(x)
        found: Tensor = Occluded(self.logit(model)).attribute(
            x,
            sliding_window_shapes=(channels, window, window),
            strides=(channels, stride, stride),
            baselines=mean,
            target=0,
            perturbations_per_eval=8,
        )
        return of_one_channel(found).clamp(min=0)
