"""The second opinion on a pair that looks alike: lay one picture on the other and compare their fine structure.

Thresholds come from planted copies and from pairs of different people (docs/experiments.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from colles.datasets.audit.alignment import Matrix, Picture, Placement, clipped_band, inside, refine, rescale
from colles.datasets.audit.descriptors import SIDE, Floats, Grey

_GATE = 0.36  # correlation of coarse edges below which a placement is not refined; planted copies: 0.4 and more
_FIRST_SIDE, _LAST_SIDE = 192, 320  # pixels of the longer side at which a placement is refined
_FIRST_GATE = 0.5  # correlation at the first of them; planted copies: 0.6 and more
_LEAST_SIDE = 96
_BLOCKS = 10  # along the longer side
_FULL = 0.7  # share of a block that has to be covered
_MARGIN = 7  # pixels at the border of the overlap that are not compared
_LOOSE, _LOOSER = 0.11, 0.16  # by how much less the whole, and the third worst block, may agree than the median block
_SKEW = 1.06  # ratio of the two scales of a placement: one radiograph is squeezed in no direction
_OVERLAP = 0.6  # share of the smaller picture that has to lie on the other
_FLAT_SIDE = 192
_FLAT_GREY, _FLAT_EDGES = 1.5, 0.05  # standard deviations in grey levels of 256 under which a picture shows nothing


@dataclass(frozen=True)
class Agreement:
    """How well two pictures agree once one lies on the other."""

    whole: float
    """Correlation of their fine structure over the overlap, −1 to 1."""
    median: float
    """Of blocks of it, weighed by how much structure they have."""
    third: float
    """Three tenths of the structure lie in blocks that agree no better than this."""
    skew: float
    """How much more the placement stretches in one direction than in the other, 1 or more."""
    overlap: float
    """Share of the smaller picture."""
    degrees: float
    """Turn beyond the placement's frame, −180 to 180."""
    size: float
    """How much larger the second picture's content is shown once both are equally large; above 1 it was padded."""

    def confirms(self, least: float) -> bool:
        """Tell whether the pictures are copies, where the median block of copies correlates at `least` or more."""
        agrees = self.median >= least and self.whole >= least - _LOOSE and self.third >= least - _LOOSER
        return agrees and self.skew <= _SKEW and self.overlap >= _OVERLAP


def is_flat(square: Grey) -> bool:
    """Tell whether a picture shows nothing that could be compared: blank, or nearly of one grey."""
    small = cv2.resize(square, (_FLAT_SIDE, _FLAT_SIDE), interpolation=cv2.INTER_AREA)
    if small.std() < _FLAT_GREY:
        return True
    values = small.astype(np.float32)
    edges = cv2.GaussianBlur(values, (0, 0), 1.0) - cv2.GaussianBlur(values, (0, 0), 4.0)
    return bool(edges.std() < _FLAT_EDGES)


def compare(first: Picture, second: Picture, placement: Placement | None) -> Agreement | None:
    """Refine a placement and compare what lies on each other; None where it is not worth it."""
    if placement is None or placement.agreement < _GATE:
        return None
    one, other = _pair(first, second, _FIRST_SIDE, placement.inverted)
    matrix = refine(one, other, rescale(placement.matrix, _FIRST_SIDE / SIDE), steps=40)
    early = _agreement(one, other, matrix, placement)
    if early is None or early.median < _FIRST_GATE:
        return None
    side = max(_LEAST_SIDE, min(_LAST_SIDE, max(first.width, first.height), max(second.width, second.height)))
    one, other = _pair(first, second, side, placement.inverted)
    matrix = refine(one, other, rescale(matrix, side / _FIRST_SIDE), steps=25)
    return _agreement(one, other, matrix, placement)


def _pair(first: Picture, second: Picture, side: int, inverted: bool) -> tuple[Grey, Grey]:
    other = second.sized(side)
    return first.sized(side), 255 - other if inverted else other


def _agreement(one: Grey, other: Grey, matrix: Matrix, start: Placement) -> Agreement | None:
    size = one.shape[1], one.shape[0]
    laid = cv2.warpAffine(other, matrix[:2], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    covered = inside(other.shape, matrix, size, _MARGIN)
    smaller = min(one.size, abs(float(np.linalg.det(matrix[:2, :2]))) * other.size)
    if covered.sum() < 0.1 * one.size or smaller < 1:
        return None
    p, q = clipped_band(one, 1.0, 3.0), clipped_band(np.asarray(laid, np.uint8), 1.0, 3.0)
    values, weights = _by_block(p, q, covered, max(8, max(size) // _BLOCKS))
    if len(values) < 4:
        return None
    change = matrix[:2, :2] @ np.linalg.inv(start.frame)
    left, scales, right = np.linalg.svd(change)
    turn = left @ right
    return Agreement(
        whole=_correlation(p[covered], q[covered]),
        median=_quantile(values, weights, 0.5),
        third=_quantile(values, weights, 0.3),
        skew=float(scales[0] / max(scales[1], 1e-9)),
        overlap=float(covered.sum() / smaller),
        degrees=float(np.rad2deg(np.arctan2(turn[1, 0], turn[0, 0]))),
        size=float(np.sqrt(scales[0] * scales[1])),
    )


def _correlation(p: Floats, q: Floats) -> float:
    p, q = p - p.mean(), q - q.mean()
    power = float(np.linalg.norm(p) * np.linalg.norm(q))
    return float((p * q).sum() / power) if power > 1e-6 else 0.0


def _by_block(p: Floats, q: Floats, covered: npt.NDArray[np.bool_], side: int) -> tuple[Floats, Floats]:
    # Correlation and structure of each block that is covered well enough.
    mask = _blocks(covered.astype(np.float32), side)
    n = mask.sum(1)
    one, other = _blocks(p, side) * mask, _blocks(q, side) * mask
    one = (one - (one.sum(1) / np.maximum(n, 1))[:, None]) * mask
    other = (other - (other.sum(1) / np.maximum(n, 1))[:, None]) * mask
    power = np.sqrt(np.square(one).sum(1) * np.square(other).sum(1))
    full = (n > _FULL * side * side) & (power > 1e-6)
    return np.asarray((one * other).sum(1)[full] / power[full], np.float32), np.asarray(power[full], np.float32)


def _blocks(values: Floats, side: int) -> Floats:
    rows, columns = values.shape[0] // side, values.shape[1] // side
    cut = values[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return np.asarray(cut.swapaxes(1, 2).reshape(rows * columns, side * side), dtype=np.float32)


def _quantile(values: Floats, weights: Floats, share: float) -> float:
    order = np.argsort(values)
    reached = np.searchsorted(np.cumsum(weights[order]), share * weights.sum())
    return float(values[order][min(len(values) - 1, int(reached))])
