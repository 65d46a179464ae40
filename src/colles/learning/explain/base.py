"""What every heat map method is: a network and a batch to a non-negative map on the canvas."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from colles.learning.models.base import FractureClassifier
from colles.serving.maps import Target


class Explainer(ABC):
    """Show what raised the logit of the target."""

    title: ClassVar[str]
    """Name for people."""
    slow: ClassVar[bool] = False
    """True where an image takes many passes, so that a run judges it on a sample."""
    absolute: ClassVar[bool] = False
    """True where the values are probabilities that compare between images."""

    def __init__(self, target: Target = "fracture") -> None:
        self.target = target

    @abstractmethod
    def attribute(self, model: FractureClassifier, x: Tensor) -> Tensor:
        """Return maps (N, h, w) ≥ 0 over the whole canvas, h and w being the method's own resolution.

        `x` is a normalised batch (N, C, S, S); the model is in evaluation mode.
        """

    def refusal(self, model: FractureClassifier) -> str | None:
        """Say why this method cannot explain `model`; None where it can."""
        return None

    def logit(self, model: FractureClassifier) -> Callable[[Tensor], Tensor]:
        """Return the function x → (N, 1) whose rise is to be explained."""
        return model if self.target == "fracture" else lambda x: -model(x)


class OutputExplainer(Explainer):
    """A method that reads what the network gives anyway, so that it costs no pass of its own."""

    @abstractmethod
    def read(self, model: FractureClassifier, outputs: dict[str, Tensor]) -> Tensor:
        """Return maps (N, h, w) ≥ 0 from the network's `outputs`."""

    @torch.no_grad()
    def attribute(self, model: FractureClassifier, x: Tensor) -> Tensor:
        """Return maps (N, h, w) ≥ 0 over the whole canvas."""
        return self.read(model, model.outputs(x))


def with_gradient(batch: Tensor) -> Tensor:
    """Return a copy of a batch through which gradients flow, although a backbone may be frozen."""
    return batch.detach().clone().requires_grad_()


def of_one_channel(values: Tensor) -> Tensor:
    """Sum attributions (N, C, S, S) over the channels, which are copies of one grey canvas: (N, S, S)."""
    return torch.sum(values, dim=1).detach()
