"""Score-CAM (Wang et al. 2020, arXiv:1910.01279)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from colles.learning.explain.layers import LayerExplainer
from colles.learning.models.base import FractureClassifier

CHANNELS = 64
"""Of the feature maps those with the largest spread are tried; the paper tries all, a pass each."""
_BATCH = 16


class ScoreCam(LayerExplainer):
    """Feature maps weighted by the score that the image keeps where they alone let it through."""

    title = "Score-CAM"
    slow = True

    @torch.no_grad()
    def attribute(self, model: FractureClassifier, x: Tensor) -> Tensor:
        """Return maps (N, h, w) at the resolution of the layer."""
        maps, _ = self.look(model, x)
        return torch.stack([self._one(model, image, own) for image, own in zip(x, maps, strict=True)])

    def _one(self, model: FractureClassifier, image: Tensor, maps: Tensor) -> Tensor:
        chosen = maps[maps.flatten(1).std(1).argsort(descending=True)[:CHANNELS]]
        masks = interpolate(chosen[:, None], size=image.shape[-2:], mode="bilinear", align_corners=False)
        low, high = masks.amin((2, 3), keepdim=True), masks.amax((2, 3), keepdim=True)
        masks = (masks - low) / (high - low).clamp(min=1e-12)
        # Hidden places are black, the lowest value of each channel.
        black = image.amin((1, 2), keepdim=True)
        logit = self.logit(model)
        scores = [logit(black + part * (image - black))[:, 0] for part in torch.split(masks, _BATCH)]
        weights = torch.softmax(torch.cat(scores), dim=0)
        return (weights[:, None, None] * chosen).sum(0).clamp(min=0)
