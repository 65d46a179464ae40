"""Parts of a radiograph found without a model: the body's silhouette, the border, lead markers, metal."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Grey = NDArray[np.uint8]

BORDER = 1 / 16
"""Width of the border, as a share of the shorter side."""
_MARKER_AREA = (0.0002, 0.02)
"""Share of the picture that a letter of lead and its neighbours cover."""
_METAL_AREA = (0.001, 0.15)


_TRIES = 40
"""Places that are tried for an area of the same shape."""


def silhouette(grey: Grey) -> NDArray[np.float32]:
    """Return a map (H, W) in 0–1 of how deep inside the body a place lies; even where no body is told apart.

    The body is what Otsu's threshold leaves bright after smoothing; the middle of its widest part gets 1.
    """
    smooth = cv2.GaussianBlur(grey, (0, 0), max(1.0, max(grey.shape) / 60))
    _, body = cv2.threshold(smooth, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    # The picture's edge bounds the body, so that a limb that fills it is deepest in the middle.
    depth = cv2.distanceTransform(cv2.copyMakeBorder(body, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 5)[1:-1, 1:-1]
    highest = float(depth.max())
    if highest <= 0:
        return np.ones(grey.shape, np.float32)
    # Of places equally deep the one nearest to the picture's middle counts.
    deep = depth * (np.float32(0.9) + np.float32(0.1) * centre(grey.shape))
    return np.asarray(deep / float(deep.max()), np.float32)


def centre(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return a map (H, W) that falls from 1 in the middle to 0 in the farthest corner."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]] + 0.5
    distance = np.hypot(rows - shape[0] / 2, columns - shape[1] / 2)
    return np.asarray(1 - distance / max(float(distance.max()), 1e-9), np.float32)


def border_mask(grey: Grey) -> Mask:
    """Mark a frame of a sixteenth of the shorter side."""
    width = max(1, round(min(grey.shape) * BORDER))
    mask = np.ones(grey.shape, bool)
    mask[width:-width, width:-width] = False
    return mask


def marker_mask(grey: Grey) -> Mask:
    """Mark what looks like a letter of lead: small, saturated, sharp, outside the body's depth; often nothing."""
    return _bright(grey, _MARKER_AREA, depth=(0.0, 0.45))


def metal_mask(grey: Grey) -> Mask:
    """Mark what looks like a plate, screws or wires: saturated and sharp within the body; often nothing."""
    return _bright(grey, _METAL_AREA, depth=(0.15, 1.0))


def _bright(grey: Grey, area: tuple[float, float], depth: tuple[float, float]) -> Mask:
    side = max(grey.shape)
    coarse: Grey = np.asarray(cv2.medianBlur(grey, min(2 * (side // 24) + 1, 255)), np.uint8)
    # Brighter than what lies around it by a fifth of full scale, and among the brightest of the picture.
    above = cv2.subtract(grey, coarse) > 51
    level = max(float(np.quantile(grey, 0.97)), 150.0)
    spots: NDArray[Any] = (above & (grey >= level)).astype(np.uint8)
    reach = max(1, side // 100)
    spots = cv2.morphologyEx(spots, cv2.MORPH_CLOSE, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    count, labels, facts, _ = cv2.connectedComponentsWithStats(spots, connectivity=8)
    deep = silhouette(coarse)
    keep = [
        number
        for number in range(1, count)
        if area[0] <= facts[number, cv2.CC_STAT_AREA] / grey.size <= area[1]
        and depth[0] <= float(np.median(deep[labels == number])) <= depth[1]
    ]
    found = np.isin(labels, keep).astype(np.uint8)
    return cv2.dilate(found, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)).astype(bool)


def cover(grey: Grey, mask: Mask) -> Grey:
    """Return the picture with the marked places filled from what surrounds them (Telea's inpainting).

    A place without surroundings, such as a border, is filled with the median of the rest.
    """
    if not mask.any():
        return grey
    inner = ~mask
    if not inner.any():
        return np.zeros_like(grey)
    if _touches_every_edge(mask):
        return np.where(mask, np.uint8(np.median(grey[inner])), grey)
    return np.asarray(cv2.inpaint(grey, mask.astype(np.uint8), 3, cv2.INPAINT_TELEA), np.uint8)


def _touches_every_edge(mask: Mask) -> bool:
    return bool(mask[0].all() and mask[-1].all() and mask[:, 0].all() and mask[:, -1].all())


def moved_mask(mask: Mask, rng: np.random.Generator, avoid: Mask | None = None) -> Mask:
    """Return the same shape at another place of the picture, off itself and off `avoid`; itself moved where none is."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return mask
    height, width = mask.shape
    forbidden: NDArray[Any] = mask if avoid is None else mask | avoid
    shape = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    best, least = np.roll(mask, (height // 2, width // 2), (0, 1)), np.inf
    for _ in range(_TRIES):
        top, left = (int(rng.integers(0, n - m + 1)) for n, m in ((height, shape.shape[0]), (width, shape.shape[1])))
        placed = np.zeros_like(mask)
        placed[top : top + shape.shape[0], left : left + shape.shape[1]] = shape
        shared = int((placed & forbidden).sum())
        if shared < least:
            best, least = placed, shared
        if not shared:
            break
    return best
