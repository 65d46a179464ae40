"""Free-response ROC: the share of reference boxes that candidates find, at k false candidates an image.

Bunch PC, Hamilton JF, Sanderson GK, Simmons AH, J Appl Photogr Eng 1978; 4: 166–171.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colles.core.records import Estimate
from colles.evaluation.localisation import Boxes, share_estimate
from colles.evaluation.scores import FloatArray, IntArray

RATES = (0.1, 0.25, 0.5, 1.0, 2.0)
"""False candidates an image at which the recall is read."""


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """One image's candidates against its reference boxes."""

    best: FloatArray
    """(B,) highest score of a candidate inside each reference box, −inf where none is."""
    false: FloatArray
    """(K,) scores of the candidates outside all of them."""


def match(points: NDArray[np.float64], scores: FloatArray, boxes: Boxes) -> Detections:
    """Match candidate points (K, 2) with scores (K,) to boxes (B, 4): inside or not.

    A second candidate in a box that has one is neither true nor false.
    """
    x, y = points.reshape(-1, 2).T
    x1, y1, x2, y2 = (boxes.reshape(-1, 4)[:, i, None] for i in range(4))
    inside = (x1 <= x) & (x <= x2) & (y1 <= y) & (y <= y2)
    best = np.where(inside, scores[None], -np.inf).max(axis=1, initial=-np.inf)
    return Detections(best, scores[~inside.any(axis=0)])


def recall_at(found: Sequence[Detections], groups: IntArray, rates: Sequence[float] = RATES) -> dict[float, Estimate]:
    """Return the recall over all boxes by rate of false candidates an image; `groups` (N,) codes of the images.

    The threshold is the lowest at which there are at most that many; boxes of one group count together.
    """
    best = np.concatenate([each.best for each in found]) if found else np.zeros(0)
    owner = np.repeat(groups, [len(each.best) for each in found]) if found else np.zeros(0, np.int64)
    false = np.sort(np.concatenate([each.false for each in found]))[::-1] if found else np.zeros(0)
    recalls = {}
    for rate in rates:
        allowed = int(rate * len(found))
        # Candidates must score above the first one that would be one too many.
        limit = false[allowed] if allowed < len(false) else -np.inf
        recalls[rate] = share_estimate(best > limit, owner)
    return recalls
