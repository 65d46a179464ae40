"""What torch can compute on."""

from __future__ import annotations

import torch

from colles.core.errors import DeviceError
from colles.core.recipe_train import TrainRecipe


def describe_gpus() -> list[str]:
    """Return a line a CUDA device: its name and memory; none where torch sees none."""
    if not torch.cuda.is_available():
        return []
    found = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return [f"{gpu.name}, {gpu.total_memory / 1e9:.0f} GB, CUDA {torch.version.cuda}" for gpu in found]


def choose_device(recipe: TrainRecipe) -> str:
    """Return `cpu` or `cuda`; raise `DeviceError` where the recipe asks for a GPU that is not there.

    A cluster's GPUs are elsewhere, so there the recipe is believed, and `auto` means the processor.
    """
    if recipe.engine == "ray":
        return "cuda" if recipe.device == "cuda" else "cpu"
    if recipe.device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("there is no CUDA device here", field="train.device", repair="Set train.device=cpu or auto")
    return "cuda" if recipe.device != "cpu" and torch.cuda.is_available() else "cpu"
