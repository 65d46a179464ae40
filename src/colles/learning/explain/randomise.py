"""Draw a network's weights anew, layer by layer from the top (Adebayo et al. 2018, arXiv:1810.03292)."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import nn

from colles.learning.models.base import FractureClassifier

STEPS = 6
"""Pieces that the layers are cut into; the head is the first."""


def cascade(model: FractureClassifier, untrained: FractureClassifier) -> Iterator[tuple[str, FractureClassifier]]:
    """Yield (name of the lowest layer drawn anew, network): from the head alone down to all layers.

    The weights come from `untrained`, the same network as its builder initialises it.
    """
    found = copy.deepcopy(model).eval()
    own, other = dict(found.named_modules()), dict(untrained.named_modules())
    names = [name for name, module in own.items() if _has_own_state(module)][::-1]
    for piece in _pieces(names, _of_head(model)):
        for name in piece:
            _copy_own_state(other[name], own[name])
        yield piece[-1], found


def _of_head(model: FractureClassifier) -> set[str]:
    backbone = {id(part) for module in model.backbone_modules() for part in module.modules()}
    return {name for name, module in model.named_modules() if id(module) not in backbone}


def _pieces(names: list[str], head: set[str]) -> list[list[str]]:
    first = [name for name in names if name in head]
    rest = [name for name in names if name not in head]
    size = max(1, -(-len(rest) // (STEPS - 1)))
    return [piece for piece in (first, *(rest[i : i + size] for i in range(0, len(rest), size))) if piece]


def _has_own_state(module: nn.Module) -> bool:
    return any(True for _ in module.parameters(recurse=False))


@torch.no_grad()
def _copy_own_state(source: nn.Module, target: nn.Module) -> None:
    for name, weight in target.named_parameters(recurse=False):
        weight.copy_(source.get_parameter(name))
    for name, statistic in target.named_buffers(recurse=False):
        statistic.copy_(source.get_buffer(name))
