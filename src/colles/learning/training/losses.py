"""The losses of the image label, of the location map, and of what teachers answer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_TINY = 1e-30


def label_loss(
    logit: Tensor,
    label: Tensor,
    weight: Tensor,
    *,
    smoothing: float = 0.0,
    positive_weight: Tensor | None = None,
    focal_gamma: float = 0.0,
) -> Tensor:
    """Return binary cross-entropy of logits (N, 1) against labels (N,), averaged by weight (N,).

    `smoothing` moves the targets from 0 and 1 towards 0.5 by half of it. `focal_gamma` above 0 plays down what is
    already right, by (1 − p)^gamma of the target's probability p (Lin T-Y et al., arXiv:1708.02002, equation 4).
    """
    target = label * (1.0 - smoothing) + 0.5 * smoothing
    each = nn.functional.binary_cross_entropy_with_logits(
        logit[:, 0], target, pos_weight=positive_weight, reduction="none"
    )
    if focal_gamma:
        # sigmoid(-z), since 1 - sigmoid(z) is 0 from about 17 on, where a power below 1 has no slope
        wrong = target * torch.sigmoid(-logit[:, 0]) + (1.0 - target) * torch.sigmoid(logit[:, 0])
        each = each * wrong.clamp(min=_TINY) ** focal_gamma
    return (each * weight).sum() / weight.sum().clamp(min=1.0)


def map_loss(cam: Tensor, target: Tensor, located: Tensor) -> Tensor:
    """Return the penalty-reduced focal loss of map logits (N, 1, h, w), summed over images, per fracture.

    `target` holds 1 at centres and less around them, `located` (N,) is 0 for images whose fractures are unknown.
    Exponents 2 and 4 as in CornerNet (arXiv:1808.01244, equation 1) and CenterNet (arXiv:1904.07850).
    """
    probability = torch.sigmoid(cam)
    centre = target == 1.0
    at_centre = (1.0 - probability) ** 2 * nn.functional.logsigmoid(cam)
    around = (1.0 - target) ** 4 * probability**2 * nn.functional.logsigmoid(-cam)
    each = torch.where(centre, at_centre, around) * located[:, None, None, None]
    fractures = (centre * located[:, None, None, None]).sum().clamp(min=1.0)
    return -each.sum() / fractures


def part_loss(logits: Tensor, part: Tensor, weight: Tensor) -> Tensor:
    """Return cross-entropy of logits (N, K) against body parts (N, K), averaged by weight (N,) where one is known.

    A row of `part` holds 1 at the part, shares where images were blended, zeros where it is not known.
    """
    known = part * weight[:, None]
    return -(known * nn.functional.log_softmax(logits, dim=1)).sum() / known.sum().clamp(min=1.0)


def answer_loss(logit: Tensor, answer: Tensor, weight: Tensor) -> Tensor:
    """Return the cross-entropy of logits (N, 1) against teachers' logits (N, 1), averaged by weight (N,).

    Hinton G et al., arXiv:1503.02531, equation 1, at a temperature of 1.
    """
    each = nn.functional.binary_cross_entropy_with_logits(logit, torch.sigmoid(answer), reduction="none")[:, 0]
    return (each * weight).sum() / weight.sum().clamp(min=1.0)


def answer_map_loss(cam: Tensor, answer: Tensor, weight: Tensor) -> Tensor:
    """Return the cross-entropy of map logits (N, 1, h, w) against teachers', summed over cells, per expected fracture.

    Expected are the fractures that the teachers' probabilities add up to, by image weight (N,); at least one.
    """
    target = torch.sigmoid(answer)
    each = nn.functional.binary_cross_entropy_with_logits(cam, target, reduction="none")
    share = weight[:, None, None, None]
    return (each * share).sum() / (target * share).sum().clamp(min=1.0)


def look_loss(found: dict[str, Tensor], location_weight: float) -> Tensor:
    """Return the loss of a second look at places: cross-entropy of both logits (M, 1), and their maps', weighted.

    Places of which it is not known what they show (`look_known`, (M,)) do not count.
    """
    label, known = found["look_label"][:, 0], found["look_known"]
    told = label_loss(found["look_logit"], label, known) + 0.5 * label_loss(found["look_pooled"], label, known)
    return told + location_weight * map_loss(found["look_cam"], found["look_target"], known)
