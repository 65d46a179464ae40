"""Blend the pictures of a batch in pairs (Zhang H et al., mixup, arXiv:1710.09412)."""

from __future__ import annotations

import torch
from torch import Tensor

_LEAST = 1e-30  # of α, which would be 0 in 32 bits


def mix_pairs(batch: dict[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """Return a batch whose images, labels and weights are λ of their own and 1 − λ of another's, λ ~ Beta(α, α).

    So are body parts where there are any. A blended picture shows the fractures of both, so the map's target is the
    larger of the two. Drawn with torch's generator.
    """
    alpha = max(alpha, _LEAST)
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    other = torch.randperm(len(batch["label"]))
    blended = batch.keys() & {"image", "label", "weight", "part"}
    mixed = {name: share * batch[name] + (1.0 - share) * batch[name][other] for name in blended}
    if "target" in batch:
        mixed["target"] = torch.maximum(batch["target"], batch["target"][other])
        mixed["located"] = batch["located"] * batch["located"][other]
    return {**batch, **mixed}
