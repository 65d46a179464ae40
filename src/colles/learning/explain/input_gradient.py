"""Gradient attention: how strongly each pixel moves the logit (Simonyan et al. 2014, arXiv:1312.6034)."""

from __future__ import annotations

from captum.attr import Saliency
from torch import Tensor

from colles.learning.explain.base import Explainer, with_gradient
from colles.learning.models.base import FractureClassifier


class InputGradient(Explainer):
    """The absolute gradient of the logit by the input, its largest value over the channels."""

    title = "input gradient"

    def attribute(self, model: FractureClassifier, x: Tensor) -> Tensor:
        """Return maps (N, S, S) at the resolution of the canvas."""
        gradients: Tensor = Saliency(self.logit(model)).attribute(with_gradient(x), target=0, abs=True)
        return gradients.amax(dim=1).detach()
