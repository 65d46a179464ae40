"""Activations and gradients of one layer, by name, or of the last features."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from colles.core.errors import UsageError
from colles.core.names import suggest
from colles.learning.explain.base import Explainer, with_gradient
from colles.learning.models.base import FractureClassifier
from colles.serving.maps import Target


class LayerExplainer(Explainer):
    """A method that weighs the feature maps of one layer; `METHOD@LAYER` names another than the last."""

    def __init__(self, target: Target = "fracture", layer: str | None = None) -> None:
        super().__init__(target)
        self.layer = layer

    def layer_of(self, model: FractureClassifier) -> nn.Module:
        """Return the layer that is explained; raise `UsageError` for a name that the network does not have."""
        if self.layer is None:
            last: nn.Module = model.last_feature_layer
            return last
        named = {name: module for name, module in model.named_modules() if name}
        if self.layer not in named:
            some = ", ".join(name for name in named if name.count(".") < 2)[:300]
            repair = suggest(self.layer, named, f"It has {some}")
            raise UsageError(f"{model.name} has no layer {self.layer!r}", field="method", repair=repair)
        found: nn.Module = named[self.layer]
        return found

    def look(self, model: FractureClassifier, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the layer's maps (N, c, h, w) and the gradient of the target's logit by them, of the same shape.

        Raise `UsageError` where the layer gives no maps.
        """
        found = activation_and_gradient(self.logit(model), self.layer_of(model), x)
        if found is None:
            raise UsageError(
                f"{model.name} never calls {self.layer or 'its last layer'} by itself",
                field="method",
                repair="Name a layer inside it",
            )
        maps, gradient = found
        if maps.ndim != 4:
            raise UsageError(
                f"{model.name} has no spatial features at {self.layer or 'its last layer'}: shape {tuple(maps.shape)}",
                field="method",
                repair="Name a convolutional layer, as in gradcam@LAYER, or use input_gradient",
            )
        return maps, gradient


def activation_and_gradient(
    logit: Callable[[Tensor], Tensor], layer: nn.Module, x: Tensor
) -> tuple[Tensor, Tensor] | None:
    """Return a layer's output and the gradient of the summed logits by it; zeros where the logit does not use it.

    None where the layer gave no tensor: the network uses its parts alone, or it gives something else.
    """
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            kept.append(output)

    handle = layer.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            total = logit(with_gradient(x)).sum()
    finally:
        handle.remove()
    if not kept:
        return None
    (gradient,) = torch.autograd.grad(total, kept[-1], allow_unused=True)
    found = torch.zeros_like(kept[-1]) if gradient is None else gradient
    return kept[-1].detach(), found.detach()
