"""Start the same command again with the allocator's settings, which only count before Python starts.

On a CPU the settings are worth a factor of about two (docs/decisions.md); `train.allocator: false` leaves them out.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from colles.core.progress import say
from colles.core.recipe import TrainRecipe

_MARK = "COLLES_RELAUNCHED"
GPU_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))
"""There where a driver for CUDA is, under Linux and under Windows' Linux; asking torch takes seconds."""


def relaunched() -> bool:
    """Tell whether this process is the one that was started again."""
    return bool(os.environ.get(_MARK))


def relaunch_with_allocator(recipe: TrainRecipe) -> None:
    """Replace this process by one with the settings, once, on Linux, where the training will be on a CPU."""
    if not recipe.allocator or relaunched() or not sys.platform.startswith("linux"):
        return
    if recipe.device == "cuda" or (recipe.device == "auto" and any(driver.exists() for driver in GPU_DRIVERS)):
        return
    from colles.learning.training.allocator import environment

    settings = environment()
    if all(os.environ.get(name) == value for name, value in settings.items()):
        return
    if not sys.argv[0].replace("\\", "/").endswith(("colles", "colles/__main__.py")):
        return  # called from a test or another program, whose process is not ours to replace
    say("Starting again with the allocator settings for training on a CPU (train.allocator=false leaves them out)")
    os.execve(sys.executable, [sys.executable, "-m", "colles", *sys.argv[1:]], {**os.environ, **settings, _MARK: "1"})
