"""What torch can compute on, in words."""

from __future__ import annotations

import torch


def describe_gpus() -> list[str]:
    """Return a line a CUDA device: its name and memory; none where torch sees none."""
    if not torch.cuda.is_available():
        return []
    found = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return [f"{gpu.name}, {gpu.total_memory / 1e9:.0f} GB, CUDA {torch.version.cuda}" for gpu in found]
