"""Sanity checks of a source's methods on a few images: random weights, small shifts, deletion and insertion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
from colles.evaluation.scores import FloatArray
from colles.flow.explain import Item
from colles.imaging.heatmap import at_most, locate_peak, unletterbox
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
SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)

Native = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Probe:
    """An image of the checks with what the trained model shows on it."""

    sample: Sample
    maps: dict[str, Native]


def check_methods(source: MapSource, items: Sequence[Item], seed: int = 0) -> dict[str, dict[str, Any]]:
    """Return by method `{"checks": {...}, "warnings": [...]}`; nothing where no image can be read.

    Weights can be drawn anew only where the source is a network; a bundle's graph leaves that check out.
    """
    samples = [each for each in (decode(item.path, source.recipe) for item in items) if isinstance(each, Sample)]
    if not samples:
        return {}
    names = [method.name for method in source.methods]
    probes = [Probe(sample, _maps(source, sample.canvas, names)) for sample in samples]
    random = _curves(source, samples, [_random_order(seed + place) for place in range(len(samples))])
    layers, correlations = _randomise(source, probes, names, seed)
    found = {}
    for name in names:
        checks = {"randomisation": judge_randomisation(layers, correlations[name])} if layers else {}
        checks["repeatability"] = judge_repeatability(*_repeat(source, probes, name))
        orders = [_order(probe.maps[name]) for probe in probes]
        checks["faithfulness"] = judge_faithfulness(*_curves(source, samples, orders), random)
        found[name] = {"checks": checks, "warnings": warnings_of(checks)}
    return found


def _maps(source: MapSource, canvas: NDArray[np.uint8], names: Sequence[str]) -> dict[str, Native]:
    found = source.explain(to_input(canvas[None], source.recipe), names).maps
    return {name: values[0] for name, values in found.items()}


def _shown(native: Native, sample: Sample) -> Native:
    return unletterbox(native, at_most(sample.place, GRID))


def _randomise(
    source: MapSource, probes: Sequence[Probe], names: Sequence[str], seed: int
) -> tuple[list[str], dict[str, FloatArray]]:
    steps: Callable[[int], Iterator[tuple[str, MapSource]]] | None = getattr(source, "randomised", None)
    layers: list[str] = []
    rows: dict[str, list[list[float]]] = {name: [] for name in names}
    for layer, other in steps(seed) if steps is not None else ():
        layers.append(layer)
        drawn = [_maps(other, probe.sample.canvas, names) for probe in probes]
        for name in names:
            rows[name].append([_same(probe, maps[name], name) for probe, maps in zip(probes, drawn, strict=True)])
    return layers, {name: np.array(values) for name, values in rows.items()}


def _same(probe: Probe, other: Native, name: str) -> float:
    return rank_correlation(_shown(probe.maps[name], probe.sample), _shown(other, probe.sample))


def _repeat(source: MapSource, probes: Sequence[Probe], name: str) -> tuple[FloatArray, FloatArray]:
    correlations, moved = [], []
    for place, probe in enumerate(probes):
        size = probe.sample.place.size
        share = SHIFTS[place % len(SHIFTS)]
        dx, dy = (round(size * part / 100) for part in share)
        native = _maps(source, shift(probe.sample.canvas, dx, dy), [name])[name]
        back = shift(resize(native, size, size), -dx, -dy)
        correlations.append(_same(probe, back, name))
        moved.append(_peak_shift(probe, back, name))
    return np.array(correlations), np.array(moved)


def _peak_shift(probe: Probe, back: Native, name: str) -> float:
    place = probe.sample.place
    one = locate_peak(resize(probe.maps[name], place.size, place.size), place)
    other = locate_peak(back, place)
    if one is None or other is None:
        return 0.0 if one is other else 1.0
    return float(np.hypot(one[0] - other[0], one[1] - other[1]) / max(place.width, place.height))


def shift(values: NDArray[Any], dx: int, dy: int) -> NDArray[Any]:
    """Return (H, W) moved right by `dx` and down by `dy`, with zeros where nothing was."""
    moved = np.zeros_like(values)
    height, width = values.shape
    moved[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)] = values[
        max(0, -dy) : height + min(0, -dy), max(0, -dx) : width + min(0, -dx)
    ]
    return moved


def _order(native: Native) -> NDArray[np.int64]:
    return np.argsort(-resize(native, PATCHES, PATCHES), axis=None, kind="stable")


def _random_order(seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(PATCHES * PATCHES)


def _curves(
    source: MapSource, samples: Sequence[Sample], orders: Sequence[NDArray[np.int64]]
) -> tuple[FloatArray, FloatArray]:
    """Return the mean score over the deletion and the insertion curve of each image (N,)."""
    deletion: list[float] = []
    insertion: list[float] = []
    for sample, order in zip(samples, orders, strict=True):
        canvas, place = sample.canvas, sample.place
        blurred = cv2.GaussianBlur(canvas, (0, 0), place.size / PATCHES)
        masks = [_mask(order, share, canvas.shape) for share in SHARES]
        for kept, curve in ((~np.array(masks), deletion), (np.array(masks), insertion)):
            pictures = np.where(kept, canvas, blurred)
            scores = source.score(to_input(pictures, source.recipe))
            curve.append(float(np.trapezoid(scores if source.target == "fracture" else 1 - scores, SHARES)))
    return np.array(deletion), np.array(insertion)


def _mask(order: NDArray[np.int64], share: float, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    marked = np.zeros(PATCHES * PATCHES, np.uint8)
    marked[order[: round(share * len(order))]] = 1
    grown = cv2.resize(marked.reshape(PATCHES, PATCHES), shape[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(grown, bool)
