"""How well a map points at the reference boxes of an image: arrays in, numbers and intervals out, no pixels read.

A map (h, w) covers the whole image, whatever its own resolution; boxes (B, 4) are x1, y1, x2, y2 in the image's pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colles.core.records import Estimate
from colles.evaluation.metrics.intervals import mean_interval, wilson, wilson_groups
from colles.evaluation.scores import BoolArray, FloatArray, IntArray, dense

MARGIN = 1 / 16
"""Of the image's longer side."""
_LEVEL = 0.95  # coverage of all intervals here
THRESHOLDS: FloatArray = np.round(np.arange(0.05, 1.0, 0.05), 2)
"""Shares of the map's maximum at which its overlap with the boxes is measured."""
SIZES = (("small (< 0.5 % of the picture)", 0.005), ("medium (0.5–2 %)", 0.02), ("large (> 2 %)", np.inf))
"""Lesion sizes by the share of the picture that the boxes cover; FracAtlas' median is near 0.8 %."""

Size = tuple[int, int]
Boxes = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class MapScore:
    """One map against one image's boxes."""

    hit: bool
    """The peak lies in a box; a map without a peak misses (Zhang J et al., Int J Comput Vis 2018; 126: 1084–1102)."""
    hit_margin: bool
    """The same with boxes widened by the margin."""
    share_of_mass: float
    auprc: float
    iou: FloatArray
    """(T,) at each of `THRESHOLDS`."""


def clip_boxes(boxes: Boxes, size: Size) -> tuple[Boxes, int]:
    """Return boxes cut to an image of (width, height), and the number of those that lie outside or have no area."""
    edges = np.array([size[0], size[1], size[0], size[1]], np.float64)
    cut = np.clip(boxes.reshape(-1, 4), 0, edges)
    inside = (cut[:, 2] > cut[:, 0]) & (cut[:, 3] > cut[:, 1])
    return cut[inside], int((~inside).sum())


def box_mask(boxes: Boxes, size: Size, shape: tuple[int, int]) -> BoolArray:
    """Mark the cells (h, w) of an image of (width, height) whose middle lies in a box; a tiny box marks one cell."""
    mask = np.zeros(shape, bool)
    scale = np.array([shape[1] / size[0], shape[0] / size[1]] * 2)
    for x1, y1, x2, y2 in boxes.reshape(-1, 4) * scale:
        top, bottom = _cells(y1, y2, shape[0])
        left, right = _cells(x1, x2, shape[1])
        mask[top:bottom, left:right] = True
    return mask


def _cells(low: float, high: float, count: int) -> tuple[int, int]:
    first, last = int(np.ceil(low - 0.5)), int(np.ceil(high - 0.5))
    if last <= first:
        first = min(int((low + high) / 2), count - 1)
        last = first + 1
    return max(0, first), min(count, last)


def widen(boxes: Boxes, size: Size) -> Boxes:
    """Return boxes widened on every side by `MARGIN` of the longer side, cut to the image."""
    by = MARGIN * max(size)
    return clip_boxes(boxes + np.array([-by, -by, by, by]), size)[0]


def points_at(peak: tuple[float, float] | None, boxes: Boxes) -> bool:
    """Tell whether a point lies in one of the boxes."""
    if peak is None or not len(boxes):
        return False
    x, y = peak
    return bool(((boxes[:, 0] <= x) & (x <= boxes[:, 2]) & (boxes[:, 1] <= y) & (y <= boxes[:, 3])).any())


def score_map(heat: NDArray[Any], peak: tuple[float, float] | None, boxes: Boxes, size: Size) -> MapScore:
    """Judge a map (h, w) ≥ 0 and its peak (in the image's pixels) against at least one box."""
    values = np.clip(np.nan_to_num(heat.astype(np.float64)), 0, None)
    mask = box_mask(boxes, size, values.shape)
    total = float(values.sum())
    return MapScore(
        hit=points_at(peak, boxes),
        hit_margin=points_at(peak, widen(boxes, size)),
        share_of_mass=float(values[mask].sum() / total) if total > 0 else 0.0,
        auprc=pixel_precision(values, mask),
        iou=overlaps(values, mask),
    )


def pixel_precision(values: FloatArray, mask: BoolArray) -> float:
    """Return the average precision of a map for the marked pixels; pixels of equal value count as one step."""
    order = np.argsort(-values, axis=None, kind="stable")
    ranked, marked = values.ravel()[order], mask.ravel()[order]
    last = np.append(np.nonzero(np.diff(ranked))[0], ranked.size - 1)
    true = np.cumsum(marked)[last]
    precision, recall = true / (last + 1), true / max(1, int(true[-1]))
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def overlaps(values: FloatArray, mask: BoolArray) -> FloatArray:
    """Return the overlap (T,) of the marked pixels with the map cut at each of `THRESHOLDS` of its maximum."""
    highest = float(values.max(initial=0.0))
    if highest <= 0:
        return np.zeros(len(THRESHOLDS))
    cuts = values[None] >= (THRESHOLDS * highest)[:, None, None]
    both, either = (cuts & mask).sum((1, 2)), (cuts | mask).sum((1, 2))
    return np.asarray(both / np.maximum(either, 1), np.float64)


def covered_share(boxes: Boxes, size: Size) -> float:
    """Return the share of an image of (width, height) that the boxes cover together."""
    xs, ys = (np.unique(np.concatenate([boxes[:, i], boxes[:, i + 2]])) for i in (0, 1))
    if not len(boxes):
        return 0.0
    middle_x, middle_y = (xs[1:] + xs[:-1]) / 2, (ys[1:] + ys[:-1]) / 2
    inside = np.zeros((len(middle_y), len(middle_x)), bool)
    for x1, y1, x2, y2 in boxes:
        rows, columns = (middle_y > y1) & (middle_y < y2), (middle_x > x1) & (middle_x < x2)
        inside |= rows[:, None] & columns[None]
    return float((np.diff(ys)[:, None] * np.diff(xs)[None])[inside].sum() / (size[0] * size[1]))


def lesion_size(share: float) -> str:
    """Return the name of the size that a share of the picture belongs to."""
    return next(name for name, limit in SIZES if share < limit)


def fit_threshold(scores: Sequence[MapScore]) -> float | None:
    """Return the share of the maximum with the best mean overlap; None without maps."""
    if not scores:
        return None
    return float(THRESHOLDS[int(np.mean([score.iou for score in scores], axis=0).argmax())])


def localisation_estimates(
    scores: Sequence[MapScore], groups: IntArray | None, threshold: float | None
) -> dict[str, Estimate]:
    """Return every figure of one method over images; `groups` (N,) codes, None where each image is its own."""
    mass = np.array([score.share_of_mass for score in scores])
    found = {
        "pointing": share_estimate(np.array([s.hit for s in scores], bool), groups),
        "pointing_margin": share_estimate(np.array([s.hit_margin for s in scores], bool), groups),
        "share_of_mass": mean_estimate(mass, groups),
        "energy_pointing": share_estimate(mass >= 0.5, groups),
        "auprc": mean_estimate(np.array([score.auprc for score in scores]), groups),
    }
    if threshold is not None:
        place = int(np.abs(THRESHOLDS - threshold).argmin())
        found["iou"] = mean_estimate(np.array([score.iou[place] for score in scores]), groups)
    return found


def chance_estimates(shares: FloatArray, margin_shares: FloatArray, groups: IntArray | None) -> dict[str, Estimate]:
    """Return what a random point and an even map score: the share of each picture that its boxes cover (N,)."""
    strict = mean_estimate(shares, groups)
    wide = mean_estimate(margin_shares, groups)
    return {"pointing": strict, "pointing_margin": wide, "share_of_mass": strict, "auprc": strict}


def share_estimate(hits: BoolArray, groups: IntArray | None) -> Estimate:
    """Estimate a share of images: Wilson's interval, with a design effect where they come in groups."""
    if not len(hits):
        return _nothing()
    codes = None if groups is None else dense(groups)
    share = float(hits.mean())
    if codes is None:
        (low, high), method, count = wilson(share, len(hits), level=_LEVEL), "wilson", len(hits)
    else:
        (low, high), method, count = wilson_groups(hits, codes, level=_LEVEL), "wilson_groups", int(codes.max()) + 1
    return Estimate(value=share, low=low, high=high, level=_LEVEL, method=method, n=len(hits), n_groups=count)


def mean_estimate(values: FloatArray, groups: IntArray | None, *, bounded: bool = True) -> Estimate:
    """Estimate a mean over images: Student's interval over groups, cut to 0–1 where the values are `bounded` so."""
    if not len(values):
        return _nothing()
    codes = None if groups is None else dense(groups)
    low, high = mean_interval(values, codes, level=_LEVEL) or (None, None)
    if bounded and low is not None and high is not None:
        low, high = max(0.0, low), min(1.0, high)
    count = len(values) if codes is None else int(codes.max()) + 1
    name = "student" if codes is None else "student_groups"
    return Estimate(
        value=float(values.mean()), low=low, high=high, level=_LEVEL, method=name, n=len(values), n_groups=count
    )


def _nothing() -> Estimate:
    return Estimate(value=None, low=None, high=None, level=_LEVEL, method="undefined", n=0, n_groups=0)
