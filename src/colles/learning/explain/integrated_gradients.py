"""Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365)."""

from __future__ import annotations

from captum.attr import IntegratedGradients as Integrated
from torch import Tensor

from colles.learning.explain.base import Explainer, of_one_channel, with_gradient
from colles.learning.models.base import FractureClassifier

STEPS = 32
"""Points of the path (Gauss–Legendre); the paper uses 20 to 300."""


class IntegratedGradients(Explainer):
    """What each pixel adds to the logit on the way from a black image, where that is positive."""

    title = "integrated gradients"
    slow = True

    def attribute(self, model: FractureClassifier, x: Tensor) -> Tensor:
        """Return maps (N, S, S) at the resolution of the canvas."""
        # Black is the letterbox's padding, the lowest value of each channel of a canvas that has one.
        black = x.amin(dim=(2, 3), keepdim=True).expand_as(x)
        found: Tensor = Integrated(self.logit(model)).attribute(
            with_gradient(x), baselines=black, target=0, n_steps=STEPS, internal_batch_size=4
        )
        return of_one_channel(found).clamp(min=0).float()
