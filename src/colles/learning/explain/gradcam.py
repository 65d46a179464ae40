"""Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391)."""

from __future__ import annotations

from captum.attr import LayerGradCam
from torch import Tensor

from colles.learning.explain.base import Explainer
from colles.learning.models.base import FractureClassifier


class GradCam(Explainer):
    """Last feature maps weighted by the mean gradient of the logit, and the positive part of their sum.

    For pooling and one linear layer this is the positive part of the class activation map without its bias, scaled.
    """

    def attribute(self, model: FractureClassifier, x: Tensor) -> Tensor:
        """Return maps (N, h, w) at the resolution of the last features."""
        # Gradients must flow to the features although a backbone may be frozen.
        x = x.clone().requires_grad_()
        method = LayerGradCam(model, model.last_feature_layer)
        maps: Tensor = method.attribute(x, target=0, relu_attributions=True)
        return maps[:, 0].detach()
