"""Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391)."""

from __future__ import annotations

from torch import Tensor

from colles.learning.explain.layers import LayerExplainer
from colles.learning.models.base import FractureClassifier


class GradCam(LayerExplainer):
    """Feature maps weighted by the mean gradient of the logit, and the positive part of their sum.

    For pooling and one linear layer this is the positive part of the class activation map without its bias, scaled.
    """

    title = "Grad-CAM"

    def attribute(self, model: FractureClassifier, x: Tensor) -> Tensor:
        """Return maps (N, h, w) at the resolution of the layer."""
        maps, gradient = self.look(model, x)
        return (gradient.mean((2, 3), keepdim=True) * maps).sum(1).clamp(min=0)
