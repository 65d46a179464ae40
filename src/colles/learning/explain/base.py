"""What every heat map method is: a network and a batch to a non-negative map on the canvas."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from colles.learning.models.base import FractureClassifier


class Explainer(ABC):
    """Show what raised the logit of `fracture`."""

    @abstractmethod
    def attribute(self, model: FractureClassifier, x: Tensor) -> Tensor:
        """Return maps (N, h, w) ≥ 0 over the whole canvas, h and w being the method's own resolution.

        `x` is a normalised batch (N, C, S, S); the model is in evaluation mode.
        """
