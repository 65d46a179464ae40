"""Several networks of one architecture as one: the mean of their logits and of their maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from colles.learning.models.base import FractureClassifier

PREFIX = "members."


class Ensemble(FractureClassifier):
    """The mean of its members. Gradient methods look at the first member's features."""

    def __init__(self, members: Sequence[FractureClassifier]) -> None:
        super().__init__()
        first = members[0]
        self.name, self.weights_from, self.pretrained = first.name, first.weights_from, first.pretrained
        self.has_cam, self.map_kind, self.map_stride = first.has_cam, first.map_kind, first.map_stride
        self.second_look = first.second_look
        self.members = nn.ModuleList(members)
        self.last_feature_layer = first.last_feature_layer

    @property
    def head(self) -> nn.Linear:  # type: ignore[override]
        """One linear layer over the members' embeddings side by side: the mean of theirs."""
        heads: list[nn.Linear] = [member.head for member in self.members]  # type: ignore[misc]
        joined = nn.Linear(sum(head.in_features for head in heads), 1)
        with torch.no_grad():
            joined.weight.copy_(torch.cat([head.weight for head in heads], dim=1) / len(heads))
            joined.bias.copy_(torch.stack([head.bias for head in heads]).mean(0))
        return joined

    @property
    def _first(self) -> FractureClassifier:
        first: FractureClassifier = self.members[0]  # type: ignore[assignment]
        return first

    def _maps(self, x: Tensor) -> Tensor:
        return self._first._maps(x)

    def _embed(self, features: Tensor) -> Tensor:
        return self._first._embed(features)

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean of the members' logits (N, 1)."""
        return torch.stack([member(x) for member in self.members]).mean(0)

    def outputs(self, x: Tensor) -> dict[str, Tensor]:
        """Return the mean `logit` and `cam`, and the `embedding` of the members side by side."""
        found = [member.outputs(x) for member in self.members]  # type: ignore[operator]
        embedding = torch.cat([each["embedding"] for each in found], dim=1)
        means = {name: torch.stack([each[name] for each in found]).mean(0) for name in found[0] if name != "embedding"}
        return {"logit": means["logit"], "embedding": embedding, **means}

    def backbone_modules(self) -> list[nn.Module]:
        """Return the backbones of all members."""
        return [module for member in self.members for module in member.backbone_modules()]  # type: ignore[operator]

    @property
    def last_bias(self) -> Tensor:
        """An ensemble is made of finished networks; nothing is added to their mean."""
        raise NotImplementedError


def create_ensemble(members: Sequence[FractureClassifier]) -> FractureClassifier:
    """Return one network as it is, several as an ensemble."""
    return members[0] if len(members) == 1 else Ensemble(members)


def count_members(keys: Iterable[str]) -> int:
    """Return how many networks the tensors' names belong to."""
    return len({key.split(".")[1] for key in keys if key.startswith(PREFIX)}) or 1
