"""Any convolutional network of timm with global average pooling and one linear layer."""

from __future__ import annotations

from collections.abc import Sequence

import timm
from timm.models import group_parameters
from torch import Tensor, nn

from colles.core.errors import RecipeError
from colles.learning.models.base import FractureClassifier, probe_features


class TimmClassifier(FractureClassifier):
    """timm features → mean over places → dropout → one linear layer, so that the logit is the mean of its map."""

    def __init__(self, name: str, backbone: nn.Module, *, size: int, channels: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        self.name = name
        self.backbone = backbone
        shape = _probed(name, backbone, (1, channels, size, size))
        if len(shape) != 4 or shape[2] != shape[3]:
            raise RecipeError(
                f"{name} gives features of shape {shape[1:]}, not maps (channels, height, width)",
                field="model.name",
                repair="Choose a convolutional network, such as timm:resnet18",
            )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(shape[1], 1)

    def _maps(self, x: Tensor) -> Tensor:
        maps: Tensor = self.backbone(x)
        return maps

    def _embed(self, features: Tensor) -> Tensor:
        return features.mean((2, 3))

    def _regularise(self, embedding: Tensor) -> Tensor:
        dropped: Tensor = self.dropout(embedding)
        return dropped

    def backbone_modules(self) -> list[nn.Module]:
        """Return timm's network."""
        return [self.backbone]

    def stages(self) -> list[list[nn.Module]]:
        """Return the stages of timm's network."""
        return backbone_stages(self.backbone)


def assert_grows(model: FractureClassifier, sizes: Sequence[int], *, channels: int) -> None:
    """Raise `RecipeError` for the first of the `sizes` that a training grows through and the network does not take."""
    for size in sizes:
        _probed(model.name, model, (1, channels, size, size), field="train.progressive")


def _probed(
    name: str, network: nn.Module, shape: tuple[int, ...], *, field: str = "preprocess.size"
) -> tuple[int, ...]:
    try:
        return probe_features(network, shape)
    except (AssertionError, RuntimeError) as error:  # timm's, and torch's
        reason = " ".join(str(error).split())[:120]
        raise RecipeError(
            f"{name} takes no images of {shape[-1]} pixels ({reason})",
            field=field,
            repair="Set it to what the network was made for, often 224 or 256, or choose another model.name",
        ) from error


def backbone_stages(backbone: nn.Module) -> list[list[nn.Module]]:
    """Return a timm network's stages from input to output, as timm groups them for layer-wise rates.

    Each stage lists the innermost modules that own its parameters; a network without groups is one stage.
    """
    matcher = getattr(backbone, "group_matcher", None)
    if matcher is None:
        return [[backbone]]
    groups: dict[int, list[str]] = group_parameters(backbone, matcher(coarse=True))
    owners = [dict.fromkeys(name.rpartition(".")[0] for name in groups[key]) for key in sorted(groups)]
    return [[backbone.get_submodule(owner) for owner in stage] for stage in owners]


def create_backbone(timm_name: str, *, channels: int, pretrained: bool = False) -> nn.Module:
    """Create a network of timm without its pooling and classifier."""
    backbone: nn.Module = timm.create_model(
        timm_name, pretrained=pretrained, num_classes=0, global_pool="", in_chans=channels
    )
    return backbone
