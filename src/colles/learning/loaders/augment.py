"""Random changes of training canvases, through torchvision's transforms v2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from colles.core.recipe import AugmentRecipe


class Noise(nn.Module):
    """Add Gaussian noise to a uint8 canvas (1, S, S); `sigma` is a share of full scale."""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma

    def forward(self, canvas: Tensor) -> Tensor:
        """Return the canvas with noise, rounded and clipped to 0–255."""
        noisy = canvas.float() + torch.randn(canvas.shape) * (self.sigma * 255.0)
        return noisy.round_().clamp_(0, 255).to(torch.uint8)


def create_augment(recipe: AugmentRecipe) -> nn.Module:
    """Build the chain of random changes: (1, S, S) uint8 → the same."""
    steps: list[nn.Module] = []
    if recipe.flip:
        steps.append(v2.RandomHorizontalFlip(recipe.flip))
    if recipe.rotation or recipe.translation or tuple(recipe.scale) != (1.0, 1.0):
        steps.append(
            v2.RandomAffine(
                degrees=recipe.rotation,
                translate=(recipe.translation, recipe.translation) if recipe.translation else None,
                scale=tuple(recipe.scale),
                interpolation=v2.InterpolationMode.BILINEAR,
            )
        )
    if recipe.brightness or recipe.contrast:
        steps.append(v2.ColorJitter(brightness=recipe.brightness, contrast=recipe.contrast))
    if recipe.noise:
        steps.append(Noise(recipe.noise))
    return nn.Sequential(*steps)


def augment_seeded(augment: nn.Module, canvas: Tensor, seed: int) -> Tensor:
    """Apply random changes that depend on `seed` alone, leaving torch's own generator as it was."""
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(seed)
        changed: Tensor = augment(canvas)
    return changed


@contextmanager
def _one_thread() -> Iterator[None]:
    # One canvas is too little work for several threads: on a busy machine they wait for each other, 3 ms become 16.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
