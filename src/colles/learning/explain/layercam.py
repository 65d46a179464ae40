"""LayerCAM (Jiang et al. 2021, IEEE Trans Image Process 30: 5875–5888)."""

from __future__ import annotations

from torch import Tensor

from colles.learning.explain.layers import LayerExplainer
from colles.learning.models.base import FractureClassifier


class LayerCam(LayerExplainer):
    """Each place of each feature map weighted by its own positive gradient, so that early layers work too."""

    title = "LayerCAM"

    def attribute(self, model: FractureClassifier, x: Tensor) -> Tensor:
        """Return maps (N, h, w) at the resolution of the layer."""
        maps, gradient = self.look(model, x)
        return (gradient.clamp(min=0) * maps).sum(1).clamp(min=0)
