"""Grad-CAM++ (Chattopadhay et al. 2018, arXiv:1710.11063)."""

from __future__ import annotations

from torch import Tensor

from colles.learning.explain.layers import LayerExplainer
from colles.learning.models.base import FractureClassifier


class GradCamPlus(LayerExplainer):
    """Grad-CAM with a weight a place, so that several small lesions count as much as one large one."""

    title = "Grad-CAM++"

    def attribute(self, model: FractureClassifier, x: Tensor) -> Tensor:
        """Return maps (N, h, w) at the resolution of the layer."""
        maps, gradient = self.look(model, x)
        # Equation 19: α = g² / (2 g² + Σ A g³), for an exponential of the logit.
        square, cube = gradient.square(), gradient.pow(3)
        below = 2 * square + maps.sum((2, 3), keepdim=True) * cube
        alpha = square / below.where(below != 0, below.new_ones(()))
        weights = (alpha * gradient.clamp(min=0)).sum((2, 3), keepdim=True)
        return (weights * maps).sum(1).clamp(min=0)
