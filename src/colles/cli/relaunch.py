"""Start the same command again with the allocator's settings, which only count before Python starts.

On a CPU the settings are worth a factor of about two (docs/decisions.md); `train.allocator: false` leaves them out.
"""

from __future__ import annotations

import os
import sys

from colles.core.progress import say
from colles.core.recipe import TrainRecipe

_MARK = "COLLES_RELAUNCHED"


def relaunched() -> bool:
    """Tell whether this process is the one that was started again."""
    return bool(os.environ.get(_MARK))


def relaunch_with_allocator(recipe: TrainRecipe) -> None:
    """Replace this process by one with the settings, once, on Linux, where the recipe asks for a CPU."""
    if not recipe.allocator or recipe.device == "cuda" or relaunched() or not sys.platform.startswith("linux"):
        return
    from colles.learning.training.allocator import environment

    settings = environment()
    if all(os.environ.get(name) == value for name, value in settings.items()):
        return
    if not sys.argv[0].replace("\\", "/").endswith(("colles", "colles/__main__.py")):
        return  # called from a test or another program, whose process is not ours to replace
    say("Starting again with the allocator settings for training on a CPU (train.allocator=false leaves them out)")
    os.execve(sys.executable, [sys.executable, "-m", "colles", *sys.argv[1:]], {**os.environ, **settings, _MARK: "1"})
