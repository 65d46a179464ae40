"""A classifier with a location head: a pyramid of feature maps becomes a map of where fractures are.

The image's logit is a learned sum of the pooled head and of the map, so that both learn from boxes and labels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from colles.core.errors import RecipeError
from colles.learning.models.timm_backbone import TimmClassifier

STRIDES = (16, 32)
COARSEST = STRIDES[-1]
"""Canvas pixels a cell of the fine and of the coarse features that every map is made of."""
FINEST = 8
"""Canvas pixels a cell of the features that a map of half the stride adds."""
LATER_BRANCH = "pyramid.finest."
"""Weights that a network with a finer map has beside those of one without."""
# The map starts at a probability of 0.01 everywhere (RetinaNet, arXiv:1708.02002, section 4.1).
PRIOR_LOGIT = math.log(0.01 / 0.99)


class PyramidMap(nn.Module):
    """Feature maps at strides 16 and 32 → one map of logits at stride 16, or with those at 8 → one at stride 8.

    After FPN (arXiv:1612.03144). The finest branch starts at zero, so that weights of a coarser map can go on with it.
    """

    def __init__(self, fine: int, coarse: int, finest: int | None = None, width: int = 96) -> None:
        super().__init__()
        self.finest = None if finest is None else nn.Conv2d(finest, width, 1)
        if self.finest is not None:
            nn.init.zeros_(self.finest.weight)
        self.fine = nn.Conv2d(fine, width, 1)
        self.coarse = nn.Conv2d(coarse, width, 1)
        self.blocks = nn.Sequential(_separable(width), _separable(width))
        self.out = nn.Conv2d(width, 1, 1)
        nn.init.constant_(self.out.bias, PRIOR_LOGIT)  # type: ignore[arg-type]

    def forward(self, coarse: Tensor, fine: Tensor, finest: Tensor | None = None) -> Tensor:
        """Return logits (N, 1, h, w) of features (N, c', h', w'), (N, c, 2h', 2w') and perhaps finer ones."""
        merged = self.fine(fine) + _grow(self.coarse(coarse), fine)
        if self.finest is not None and finest is not None:
            merged = self.finest(finest) + _grow(merged, finest)
        found: Tensor = self.out(self.blocks(merged))
        return found


def _grow(small: Tensor, like: Tensor) -> Tensor:
    return nn.functional.interpolate(small, size=like.shape[-2:], mode="nearest")


def _separable(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )


class LocationClassifier(TimmClassifier):
    """A timm network with pooled head and location map; `cam` holds the logits of a fracture's centre in each cell."""

    map_kind = "location"

    def __init__(
        self,
        name: str,
        backbone: nn.Module,
        *,
        size: int,
        channels: int = 3,
        dropout: float = 0.0,
        stride: Literal[8, 16] = 16,
    ) -> None:
        """`stride` is the map's, in canvas pixels a cell."""
        super().__init__(name, backbone, size=size, channels=channels, dropout=dropout)
        strides = (*STRIDES, FINEST) if stride == FINEST else STRIDES
        stages = pyramid_stages(backbone, strides)
        if stages is None:
            raise RecipeError(
                f"{name} has no features at strides {', '.join(map(str, strides))}, which a location head needs",
                field="model.location",
                repair="Set model.location=off, or choose another network",
            )
        self.map_stride = stride
        self._indices = sorted(index for index, _ in stages)
        self.pyramid = PyramidMap(*(width for _, width in stages))
        self.mix = nn.Linear(2, 1)
        with torch.no_grad():
            self.mix.weight.copy_(torch.tensor([[1.0, 0.5]]))
            self.mix.bias.zero_()

    @property
    def last_bias(self) -> Tensor:
        """The number that is added last to every logit."""
        return self.mix.bias

    def parts(self, x: Tensor) -> dict[str, Tensor]:
        """Return `logit` (N, 1), `pooled` (N, 1), `embedding` (N, d) and `cam` (N, 1, h, w), all but d as logits."""
        last, features = self.backbone.forward_intermediates(x, indices=self._indices)  # type: ignore[operator]
        embedding = self._embed(self.last_feature_layer(last))
        pooled = self.head(self._regularise(embedding))
        cam = self.pyramid(*reversed(features))
        logit = self.mix(torch.cat([pooled, map_evidence(cam)], dim=1))
        return {"logit": logit, "embedding": embedding, "pooled": pooled, "cam": cam}

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, 1) of a normalised batch (N, C, S, S)."""
        return self.parts(x)["logit"]

    def outputs(self, x: Tensor) -> dict[str, Tensor]:
        """Return `logit`, `embedding` and the location map `cam` (N, 1, h, w)."""
        found = self.parts(x)
        return {name: found[name] for name in ("logit", "embedding", "cam")}

    def training_outputs(self, x: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return everything that the losses read."""
        return self.parts(x)


def map_evidence(cam: Tensor) -> Tensor:
    """Return the log-sum-exp (N, 1) of maps (N, 1, h, w), 0 for an untrained map of any size."""
    flat = cam.flatten(1)
    return torch.logsumexp(flat, dim=1, keepdim=True) - math.log(flat.shape[1]) - PRIOR_LOGIT


def pyramid_stages(backbone: nn.Module, strides: tuple[int, ...] = STRIDES) -> list[tuple[int, int]] | None:
    """Return (index, channels) of the last features of each stride of a timm network, or None where one is missing."""
    described: Any = getattr(backbone, "feature_info", None)
    if described is None or not hasattr(backbone, "forward_intermediates"):
        return None
    stages = described if isinstance(described, list) else described.info
    found = {stage["reduction"]: (index, stage["num_chs"]) for index, stage in enumerate(stages)}
    return [found[stride] for stride in strides] if all(stride in found for stride in strides) else None
