"""The network that every stage sees: pixels to one logit, with its features, embedding and class activation map."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Literal

import torch
from torch import Tensor, nn


class FractureClassifier(nn.Module, ABC):
    """Score a batch of radiographs; positive logits mean fracture.

    A subclass gives `_maps` (the convolutional part) and `_embed`, and names its linear `head`.
    """

    name: str
    """The registry's name, or `timm:NAME`."""
    weights_from: str = "random initialisation"
    """In words, for the model card: what the weights started from."""
    pretrained: bool = False
    """True where the backbone starts from learned weights."""
    has_cam: bool = True
    """True where `outputs` gives a map."""
    map_kind: Literal["class_activation", "location"] = "class_activation"
    """What the map is: the logit is its mean, or it was trained on boxes to say where fractures are."""
    map_stride: Literal[8, 16] = 16
    """Canvas pixels a cell of a location map."""
    second_look: bool = False
    """True where the places that the map proposes are judged again."""
    head: nn.Linear

    def __init__(self) -> None:
        super().__init__()
        # Gradient methods hook this layer: its output is exactly what `features` returns.
        self.last_feature_layer: nn.Module = nn.Identity()
        self._resting: list[nn.Module] = []

    @abstractmethod
    def _maps(self, x: Tensor) -> Tensor:
        """Return the last feature maps (N, c, h, w) of a batch (N, C, S, S)."""

    @abstractmethod
    def _embed(self, features: Tensor) -> Tensor:
        """Return the embedding (N, d) that the head reads, from feature maps (N, c, h, w)."""

    @abstractmethod
    def backbone_modules(self) -> list[nn.Module]:
        """Return the parts that are frozen while the head alone learns."""

    def features(self, x: Tensor) -> Tensor:
        """Return the last feature maps (N, c, h, w)."""
        maps: Tensor = self.last_feature_layer(self._maps(x))
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, 1) of a normalised batch (N, C, S, S)."""
        logit: Tensor = self.head(self._regularise(self._embed(self.features(x))))
        return logit

    def _regularise(self, embedding: Tensor) -> Tensor:
        return embedding

    def outputs(self, x: Tensor) -> dict[str, Tensor]:
        """Return `logit` (N, 1), `embedding` (N, d) and, with `has_cam`, `cam` (N, 1, h, w).

        The map is in logits: of a fracture's centre in a cell (`location`), or such that its mean is the logit.
        """
        maps = self.features(x)
        embedding = self._embed(maps)
        found = {"logit": self.head(self._regularise(embedding)), "embedding": embedding}
        if self.has_cam:
            found["cam"] = nn.functional.conv2d(maps, self.head.weight[:, :, None, None], self.head.bias)
        return found

    def training_outputs(self, x: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what the losses read: `logit` (N, 1), `embedding` (N, d), and with a location head `pooled` and `cam`.

        A second look reads boxes of the `batch` that the images are of.
        """
        embedding = self._embed(self.features(x))
        return {"logit": self.head(self._regularise(embedding)), "embedding": embedding}

    def backbone_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of the frozen parts."""
        for module in self.backbone_modules():
            yield from module.parameters()

    def head_parameters(self) -> Iterator[nn.Parameter]:
        """Yield all parameters that are not the backbone's."""
        backbone = {id(parameter) for parameter in self.backbone_parameters()}
        yield from (parameter for parameter in self.parameters() if id(parameter) not in backbone)

    def stages(self) -> list[list[nn.Module]]:
        """Return the backbone's stages from input to output: modules that learn or rest together."""
        return [[module] for module in self.backbone_modules()]

    @property
    def last_bias(self) -> Tensor:
        """The number that is added last to every logit."""
        return self.head.bias

    def learn_stages(self, last: int | None) -> None:
        """Let the `last` stages of the backbone learn (None: all, 0: none); the others rest, batch norms too."""
        for parameter in self.backbone_parameters():
            parameter.requires_grad_(True)
        stages = [self.backbone_modules()] if last == 0 else self.stages()
        resting = 0 if last is None else max(0, len(stages) - last)
        self._resting = [module for stage in stages[:resting] for module in stage]
        for module in self._resting:
            module.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> FractureClassifier:
        """Set training mode, leaving resting stages in evaluation mode."""
        super().train(mode)
        for module in self._resting:
            module.eval()
        return self


def count_parameters(model: nn.Module) -> int:
    """Count the numbers that a network learns."""
    return sum(parameter.numel() for parameter in model.parameters())


@torch.no_grad()
def probe_features(model: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of `model`'s output for one black input of `shape` (N, C, S, S), in evaluation mode."""
    training = model.training
    model.eval()
    found = tuple(int(n) for n in model(torch.zeros(shape)).shape)
    model.train(training)
    return found
