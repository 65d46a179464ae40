"""What torch can compute on."""

from __future__ import annotations

from typing import Literal

import torch

from colles.core.errors import DeviceError
from colles.core.progress import say
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


def lightning_precision(precision: str, device: str) -> Literal["32-true", "16-mixed", "bf16-mixed"]:
    """Return what Lightning calls a recipe's `train.precision` on a device; all keep the weights in 32 bits."""
    if precision == "bfloat16":
        if device == "cpu" and not _capabilities().get("amx_bf16", True):
            say("  this processor has no units for bfloat16 (AMX): expect it to be slower than single")
        return "bf16-mixed"
    return "16-mixed" if precision == "auto" and device != "cpu" else "32-true"


def _capabilities() -> dict[str, object]:
    """Return what torch knows of the processor; nothing where its release has no such function."""
    known = getattr(torch.cpu, "get_capabilities", dict)
    return dict(known())
