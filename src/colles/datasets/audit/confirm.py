"""The second opinion on a pair that looks alike: lay one picture on the other and compare their fine structure.

Thresholds come from planted copies and from pairs of different people (docs/experiments.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from colles.datasets.audit.alignment import Picture, Placement, rescale
from colles.datasets.audit.descriptors import SIDE, Floats, Grey
from colles.datasets.audit.shifts import Matrix, clipped_band, inside, refine, stretch

_GATE = 0.22  # correlation of coarse edges below which a placement is not refined; planted copies: 0.25 and more
_LADDER = ((96, 0.45), (192, 0.6))
"""Pixels of the longer side at which a placement is refined, and what the median block has to reach."""
_LAST_SIDE = 320
_SETTLED = 0.985  # nothing to refine
_LEAST_SIDE = 96
_BLOCKS = 10  # along the longer side
_FULL = 0.7  # share of a block that has to be covered
_PAINTED = 0.1  # share of the blocks that may hold something else
_MARGIN = 7  # pixels at the border of the overlap that are not compared
_LOOSE, _LOOSER = 0.03, 0.16  # by how much less the whole, and the third worst block, may agree than the median block
_SURE = 0.92, 0.90  # median block and whole; a known pair of two people with a rim reaches 0.916 and 0.883
_FAINT = 0.5  # what lies within a rim agrees no better in very dark pictures saved at low quality
_DOUBTFUL = 0.75, 0.95  # agreements between which a stretch is tried
_SKEW = 1.07  # how much more it may stretch in one direction than in the other
_RIM = 15  # pixels: twice the width of a rim's edges
_LEAST_BLOCKS, _LEAST_WITHIN = 4, 12  # blocks that have to be there, in all and within the surroundings
_OVERLAP = 0.6  # share of the smaller picture that has to lie on the other
_FLAT_SIDE = 192
_FLAT_GREY, _FLAT_EDGES = 1.5, 0.05  # standard deviations in grey levels of 256 under which a picture shows nothing


@dataclass(frozen=True)
class Agreement:
    """How well two pictures agree once one lies on the other; the tenth that differs most, a marker, does not count."""

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

    within: float | None = None
    """Like the median, without even surroundings and their rims; None where little is left."""

    @property
    def lowest(self) -> float:
        """The `least` of `confirms` up to which all three correlations are high enough."""
        return min(self.median, self.whole + _LOOSE, self.third + _LOOSER)

    def confirms(self, least: float) -> bool:
        """Tell whether the pictures are copies, where the median block of copies correlates at `least` or more."""
        # The rims of two round fields agree as well as copies do: what lies within has to agree too. Where that cannot
        # be told, the whole has to agree beyond doubt.
        sure = self.median >= _SURE[0] and self.whole >= _SURE[1]
        if self.within is not None:
            sure = self.within >= least - _LOOSER or (sure and self.within >= _FAINT)
        return sure and self.lowest >= least and self.skew <= _SKEW and self.overlap >= _OVERLAP


@dataclass(frozen=True)
class _Sized:
    """Two pictures in their proportions, at one size; the second inverted where the placement says so."""

    one: Grey
    other: Grey

    @cached_property
    def structure(self) -> Floats:
        """The first one's fine structure, with which that of the second is compared wherever it is laid."""
        return clipped_band(self.one, 1.0, 3.0)


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
    last = max(_LEAST_SIDE, min(_LAST_SIDE, max(first.width, first.height), max(second.width, second.height)))
    matrix, known, found = placement.matrix, SIDE, None
    for side, gate in (*_LADDER, (last, -1.0)):
        matrix, known = rescale(matrix, side / known), side
        pair = _pair(first, second, side, placement.inverted)
        matrix, found = _improve(pair, matrix, placement)
        if found is None or found.median < gate:
            return None
    if found is None:
        return None
    if _DOUBTFUL[0] <= found.median and found.lowest < _DOUBTFUL[1]:
        matrix, found = _stretched(pair, matrix, placement, found)
    return _looked_within(found, first, second, pair, matrix)


def _stretched(pair: _Sized, matrix: Matrix, start: Placement, found: Agreement) -> tuple[Matrix, Agreement]:
    # A second exposure shows a limb from a slightly other side: a little stretch may be between the two.
    stretched = stretch(pair.one, pair.other, matrix)
    after = _agreement(pair, stretched, start)
    better = after is not None and after.skew <= _SKEW and after.lowest > found.lowest
    return (stretched, after) if after is not None and better else (matrix, found)


def _improve(pair: _Sized, matrix: Matrix, start: Placement) -> tuple[Matrix, Agreement | None]:
    # Refining may lose its way: the better placement stays.
    before = _agreement(pair, matrix, start)
    if before is not None and before.median >= _SETTLED:
        return matrix, before
    refined = refine(pair.one, pair.other, matrix)
    after = _agreement(pair, refined, start)
    if after is None or (before is not None and before.median > after.median):
        return matrix, before
    return refined, after


def _pair(first: Picture, second: Picture, side: int, inverted: bool) -> _Sized:
    other = second.sized(side)
    return _Sized(first.sized(side), 255 - other if inverted else other)


def _looked_within(found: Agreement, first: Picture, second: Picture, pair: _Sized, matrix: Matrix) -> Agreement:
    one, other = pair.one, pair.other
    size, way = (one.shape[1], one.shape[0]), cv2.INTER_NEAREST
    bare = cv2.resize(first.border, size, interpolation=way)
    laid = cv2.warpAffine(cv2.resize(second.border, other.shape[::-1], interpolation=way), matrix[:2], size, flags=way)
    shown = cv2.dilate(cv2.bitwise_or(bare, laid), np.ones((_RIM, _RIM), np.uint8)) == 0
    compared = _products(pair, matrix, shown & inside(other.shape, matrix, size, _MARGIN), _LEAST_WITHIN)
    return found if compared is None else replace(found, within=_quantile(*_by_structure(compared), 0.5))


def _agreement(pair: _Sized, matrix: Matrix, start: Placement) -> Agreement | None:
    one, other = pair.one, pair.other
    covered = inside(other.shape, matrix, (one.shape[1], one.shape[0]), _MARGIN)
    smaller = min(one.size, abs(float(np.linalg.det(matrix[:2, :2]))) * other.size)
    if covered.sum() < 0.1 * one.size or smaller < 1:
        return None
    products = _products(pair, matrix, covered, _LEAST_BLOCKS)
    if products is None:
        return None
    values, weights = _by_structure(products)
    change = matrix[:2, :2] @ np.linalg.inv(start.frame)
    left, scales, right = np.linalg.svd(change)
    turn = left @ right
    return Agreement(
        whole=_correlation(products),
        median=_quantile(values, weights, 0.5),
        third=_quantile(values, weights, 0.3),
        skew=float(scales[0] / max(scales[1], 1e-9)),
        overlap=float(covered.sum() / smaller),
        degrees=float(np.rad2deg(np.arctan2(turn[1, 0], turn[0, 0]))),
        size=float(np.sqrt(scales[0] * scales[1])),
    )


def _products(pair: _Sized, matrix: Matrix, shown: npt.NDArray[np.bool_], least: int) -> Floats | None:
    # Of the blocks of `shown`, without those that differ most; None where there are fewer than `least`.
    size = pair.one.shape[1], pair.one.shape[0]
    laid = cv2.warpAffine(pair.other, matrix[:2], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    structure = clipped_band(np.asarray(laid, np.uint8), 1.0, 3.0)
    products = _by_block(pair.structure, structure, shown, max(8, max(size) // _BLOCKS))
    return _alike(products) if products.shape[1] >= least else None


def _by_structure(products: Floats) -> tuple[Floats, Floats]:
    weights = np.sqrt(products[0] * products[1])
    return products[2] / weights, weights


def _alike(products: Floats) -> Floats:
    # All blocks but those that differ most: they may hold a marker.
    differing = products[0] + products[1] - 2 * products[2]
    kept = np.argsort(differing, kind="stable")[: len(differing) - round(_PAINTED * len(differing))]
    return products[:, kept]


def _correlation(products: Floats) -> float:
    one, other, both = products.sum(1)
    return float(both / np.sqrt(one * other))


def _by_block(p: Floats, q: Floats, covered: npt.NDArray[np.bool_], side: int) -> Floats:
    # Power of either picture and their product, (3, B), in each block that is covered well enough.
    mask = _blocks(covered.astype(np.float32), side)
    n = mask.sum(1)
    one, other = _blocks(p, side) * mask, _blocks(q, side) * mask
    one = (one - (one.sum(1) / np.maximum(n, 1))[:, None]) * mask
    other = (other - (other.sum(1) / np.maximum(n, 1))[:, None]) * mask
    products = np.stack([np.square(one).sum(1), np.square(other).sum(1), (one * other).sum(1)])
    full = (n > _FULL * side * side) & (products[0] * products[1] > 1e-12)
    return np.asarray(products[:, full], np.float32)


def _blocks(values: Floats, side: int) -> Floats:
    rows, columns = values.shape[0] // side, values.shape[1] // side
    cut = values[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return np.asarray(cut.swapaxes(1, 2).reshape(rows * columns, side * side), dtype=np.float32)


def _quantile(values: Floats, weights: Floats, share: float) -> float:
    order = np.argsort(values)
    reached = np.searchsorted(np.cumsum(weights[order]), share * weights.sum())
    return float(values[order][min(len(values) - 1, int(reached))])
