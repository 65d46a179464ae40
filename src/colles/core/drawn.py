"""Some of many, drawn by seed and kept in their order."""

from __future__ import annotations

import numpy as np


def drawn_places(total: int, count: int, rng: np.random.Generator) -> list[int]:
    """Return at most `count` of the places 0 to `total` - 1, in rising order."""
    places: list[int] = np.sort(rng.permutation(total)[:count]).tolist()
    return places
