"""The map that a model gives beside its logit: a location map, or the class activation map of its linear head."""

from __future__ import annotations

import torch
from torch import Tensor

from colles.learning.explain.base import OutputExplainer
from colles.learning.models.base import FractureClassifier


def has_location_map(model: FractureClassifier) -> bool:
    """Tell whether a model learned where fractures are from their boxes."""
    return model.has_cam and model.map_kind == "location"


class Location(OutputExplainer):
    """The location map: at each place the probability that a fracture's middle lies there."""

    title = "location map"
    absolute = True

    def read(self, model: FractureClassifier, outputs: dict[str, Tensor]) -> Tensor:
        """Return maps (N, h, w) in 0–1."""
        found = torch.sigmoid(outputs["cam"][:, 0])
        return found if self.target == "fracture" else 1 - found

    def refusal(self, model: FractureClassifier) -> str | None:
        """Say so where the model has no location map."""
        return None if has_location_map(model) else f"{model.name} has no location map (try gradcam)"


class Cam(OutputExplainer):
    """The positive part of the class activation map without its bias (Zhou et al. 2016, arXiv:1512.04150)."""

    title = "class activation map"

    def read(self, model: FractureClassifier, outputs: dict[str, Tensor]) -> Tensor:
        """Return maps (N, h, w) at the resolution of the last features."""
        found = outputs["cam"][:, 0] - model.head.bias
        return (found if self.target == "fracture" else -found).clamp(min=0)

    def refusal(self, model: FractureClassifier) -> str | None:
        """Say so where the logit is not the mean of a map."""
        if model.has_cam and not has_location_map(model):
            return None
        return f"{model.name} has no class activation map (try gradcam)"
