"""One answer that an int8 network gave where it was made, asked again where it is used.

Processors without 8-bit dot products (VNNI) add pairs of products in 16 bits, which overflow; ONNX Runtime then gives
other answers without a word (its documentation of quantisation, "reduce_range").
"""

from __future__ import annotations

from typing import Any

import numpy as np

from colles.core.errors import BundleError
from colles.core.recipe import PreprocessRecipe
from colles.imaging.preprocess import to_input
from colles.serving.session import Session

KEY = "known_score"
_TOLERANCE = 0.01  # of a score; the order of sums alone changes one by less than 0.001


def known_score(session: Session, recipe: PreprocessRecipe) -> float:
    """Return the score (0–1) of a drawn picture: bright cells of all sizes, the same for each size of canvas."""
    rng, side = np.random.default_rng(0), recipe.size
    cells = [np.kron(rng.integers(0, 256, (n, n)), np.ones((-(-side // n),) * 2))[:side, :side] for n in (2, 8, 32)]
    canvas = np.mean(cells, axis=0).astype(np.uint8)
    return float(session.run(to_input(canvas[None], recipe)).score[0])


def assert_known(session: Session, recipe: PreprocessRecipe, told: dict[str, Any] | None, name: str) -> None:
    """Raise `BundleError` where the network answers otherwise than it did at export."""
    known = (told or {}).get(KEY)
    if known is None:
        return
    found = known_score(session, recipe)
    if not abs(found - known) <= _TOLERANCE:
        raise BundleError(
            f"gives {found:.4f} on this processor where it gave {known:.4f} when it was made",
            path=name,
            repair="Use --precision fp32: 8-bit sums overflow on processors without VNNI",
        )
