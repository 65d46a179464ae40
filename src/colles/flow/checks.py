"""Sanity checks of a source's methods on a few images: random weights, small shifts, deletion and insertion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colles.evaluation.sanity import (
    judge_faithfulness,
    judge_randomisation,
    judge_repeatability,
    rank_correlation,
    warnings_of,
)
from colles.evaluation.scores import FloatArray, IntArray, name_codes
from colles.flow.explain import Item
from colles.imaging.heatmap import at_most, cells_on_image, locate_peak, peak_distance, unletterbox
from colles.imaging.preprocess import to_input
from colles.imaging.resize import resize
from colles.serving.decode import Sample, decode
from colles.serving.maps import MapSource

GRID = 48
"""Longer side of the grid on which maps are correlated."""
SHIFTS = ((3, 0), (0, 3), (-2, 2))
"""Hundredths of the canvas by which the image is moved."""
PATCHES = 16
"""Patches a side that are deleted and inserted."""
SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)

Native = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Checked:
    """The images of the checks, with what the trained model shows on each."""

    samples: Sequence[Sample]
    canvases: NDArray[np.uint8]
    """(N, S, S)."""
    maps: dict[str, Native]
    """By method (N, h, w)."""
    groups: IntArray | None
    """(N,) codes of the images' groups; None where all differ."""


def check_methods(source: MapSource, items: Sequence[Item], seed: int = 0) -> dict[str, dict[str, Any]]:
    """Return by method `{"checks": {...}, "warnings": [...]}`; nothing where no image can be read.

    Weights can be drawn anew only where the source is a network; a bundle's graph leaves that check out.
    """
    read = [(item, each) for item in items if isinstance(each := decode(item.path, source.recipe), Sample)]
    if not read:
        return {}
    samples = [sample for _, sample in read]
    groups = name_codes([item.cluster for item, _ in read])
    names = [method.name for method in source.methods]
    canvases = np.stack([sample.canvas for sample in samples])
    checked = Checked(samples, canvases, _maps(source, canvases, names), groups)
    curves = Curves(source, canvases)
    random = curves.areas([_random_order(sample, seed + place) for place, sample in enumerate(samples)])
    layers, correlations = _randomise(source, checked, names, seed)
    moved = _moved_back(source, checked, names)
    found = {}
    for name in names:
        checks = {"randomisation": judge_randomisation(layers, correlations[name])} if layers else {}
        checks["repeatability"] = judge_repeatability(*_repeat(checked, name, moved[name]))
        own = curves.areas([_order(m, each) for m, each in zip(checked.maps[name], samples, strict=True)])
        checks["faithfulness"] = judge_faithfulness(*own, random, groups)
        found[name] = {"checks": checks, "warnings": warnings_of(checks)}
    return found


def _maps(source: MapSource, canvases: NDArray[np.uint8], names: Sequence[str]) -> dict[str, Native]:
    pieces = [
        source.explain(to_input(canvases[start : start + source.batch], source.recipe), names).maps
        for start in range(0, len(canvases), source.batch)
    ]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in names}


def on_grid(native: Native, sample: Sample) -> Native:
    """Return a map of the canvas on the grid of the image, where maps are correlated whatever the network's size."""
    return unletterbox(native, at_most(sample.place, GRID))


def _randomise(
    source: MapSource, checked: Checked, names: Sequence[str], seed: int
) -> tuple[list[str], dict[str, FloatArray]]:
    layers: list[str] = []
    rows: dict[str, list[FloatArray]] = {name: [] for name in names}
    for layer, other in source.randomised(seed):
        layers.append(layer)
        drawn = _maps(other, checked.canvases, names)
        for name in names:
            rows[name].append(_same(checked, drawn[name], name))
    return layers, {name: np.array(values) for name, values in rows.items()}


def _same(checked: Checked, others: Sequence[Native] | Native, name: str) -> FloatArray:
    """Return the rank correlation (N,) of other maps of the images with those of the trained model."""
    pairs = zip(checked.samples, checked.maps[name], others, strict=True)
    return np.array([rank_correlation(on_grid(own, sample), on_grid(other, sample)) for sample, own, other in pairs])


def _moved_back(source: MapSource, checked: Checked, names: Sequence[str]) -> dict[str, list[Native]]:
    """Return by method the maps of the images moved a little, moved back, at the size of the canvas."""
    size = checked.canvases.shape[-1]
    steps = [tuple(round(size * part / 100) for part in SHIFTS[i % len(SHIFTS)]) for i in range(len(checked.samples))]
    moved = np.stack([shift(canvas, dx, dy) for canvas, (dx, dy) in zip(checked.canvases, steps, strict=True)])
    maps = _maps(source, moved, names)
    return {
        name: [shift(resize(native, size, size), -dx, -dy) for native, (dx, dy) in zip(values, steps, strict=True)]
        for name, values in maps.items()
    }


def _repeat(checked: Checked, name: str, back: Sequence[Native]) -> tuple[FloatArray, FloatArray]:
    pairs = zip(checked.samples, checked.maps[name], back, strict=True)
    return _same(checked, back, name), np.array([_peak_shift(sample, own, other) for sample, own, other in pairs])


def _peak_shift(sample: Sample, own: Native, back: Native) -> float:
    place = sample.place
    return peak_distance(locate_peak(resize(own, place.size, place.size), place), locate_peak(back, place), place)


def shift(values: NDArray[Any], dx: int, dy: int) -> NDArray[Any]:
    """Return (H, W) moved right by `dx` and down by `dy`, with zeros where nothing was."""
    moved = np.zeros_like(values)
    height, width = values.shape
    moved[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)] = values[
        max(0, -dy) : height + min(0, -dy), max(0, -dx) : width + min(0, -dx)
    ]
    return moved


def _patches(sample: Sample) -> NDArray[np.int64]:
    # Where there is nothing but padding nothing can be deleted, and any map would beat an order that wastes time there.
    return np.flatnonzero(cells_on_image(sample.place, PATCHES, PATCHES))


def _order(native: Native, sample: Sample) -> NDArray[np.int64]:
    patches = _patches(sample)
    found: NDArray[np.int64] = patches[np.argsort(-resize(native, PATCHES, PATCHES).ravel()[patches], kind="stable")]
    return found


def _random_order(sample: Sample, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(_patches(sample))


class Curves:
    """Deletion and insertion: the score while the image turns into its blurred copy, or back, in an order of patches.

    Of Petsiuk V, Das A, Saenko K, RISE, BMVC 2018, arXiv:1806.07421. Both ends are the same for every order, so they
    are scored once.
    """

    def __init__(self, source: MapSource, canvases: NDArray[np.uint8]) -> None:
        self.source = source
        self.canvases = canvases
        deviation = canvases.shape[-1] / PATCHES
        self.blurred = np.stack([cv2.GaussianBlur(canvas, (0, 0), deviation) for canvas in canvases])
        self.whole, self.gone = self._score(canvases), self._score(self.blurred)

    def areas(self, orders: Sequence[NDArray[np.int64]]) -> tuple[FloatArray, FloatArray]:
        """Return the mean score over the deletion and over the insertion curve of each image (N,)."""
        rows = [self._areas(place, order) for place, order in enumerate(orders)]
        deletion, insertion = np.array(rows).T
        return deletion, insertion

    def _areas(self, place: int, order: NDArray[np.int64]) -> tuple[float, float]:
        canvas, blurred = self.canvases[place], self.blurred[place]
        masks = np.array([_mask(order, share, canvas.shape) for share in SHARES[1:-1]])
        pictures = np.concatenate([np.where(masks, blurred, canvas), np.where(masks, canvas, blurred)])
        out, back = np.split(self._score(pictures), 2)
        whole, gone = self.whole[place], self.gone[place]
        deletion, insertion = (np.trapezoid([a, *curve, b], SHARES) for a, curve, b in
                               ((whole, out, gone), (gone, back, whole)))  # fmt: skip
        return float(deletion), float(insertion)

    def _score(self, canvases: NDArray[np.uint8]) -> FloatArray:
        scores = self.source.score(to_input(canvases, self.source.recipe))
        return scores if self.source.target == "fracture" else 1 - scores


def _mask(order: NDArray[np.int64], share: float, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    marked = np.zeros(PATCHES * PATCHES, np.uint8)
    marked[order[: round(share * len(order))]] = 1
    grown = cv2.resize(marked.reshape(PATCHES, PATCHES), shape[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(grown, bool)
