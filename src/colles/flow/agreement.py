"""Maps of one model beside those of other trainings: another seed should show the same, shuffled labels should not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colles.core.errors import CollesError
from colles.core.recipe_text import load_recipe
from colles.evaluation.localisation import MARGIN
from colles.evaluation.sanity import judge_labels, judge_trainings, rank_correlation
from colles.flow.checks import GRID
from colles.flow.explain import Item, Shown, look, open_maps
from colles.imaging.heatmap import at_most, locate_peak, unletterbox
from colles.serving.maps import MapSource


@dataclass(frozen=True)
class Twin:
    """Another training of the same task."""

    source: MapSource
    random_labels: bool
    """Whether its training labels were shuffled."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Maps of the same images by two trainings."""

    correlations: NDArray[np.float64]
    distances: NDArray[np.float64]
    """Between the peaks, as shares of the longer side; 1 where only one map has a peak."""


def open_twin(folder: Path, names: Sequence[str], target: str = "fracture") -> Twin:
    """Open a run or bundle to compare with; its recipe says whether its labels were shuffled."""
    return Twin(open_maps(folder, names, target), _shuffled(folder))


def _shuffled(folder: Path) -> bool:
    for place in (folder / "train" / "recipe.yaml", folder / "recipe.yaml", folder.parent.parent / "recipe.yaml"):
        if place.is_file():
            try:
                return load_recipe(place).train.random_labels
            except CollesError:
                continue  # of another version: its bundle could not have been exported with shuffled labels
    return False


def compare_twins(
    source: MapSource, twins: Sequence[Twin], items: Sequence[Item], *, sample: int, seed: int
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return by method the checks `labels` and `trainings`, as far as there are twins for them that have the method."""
    own = list(look(source, items, sample=sample, seed=seed))
    seen = [(twin.random_labels, list(look(twin.source, items, sample=sample, seed=seed))) for twin in twins]
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name in (method.name for method in source.methods):
        checks = {}
        for shuffled in (True, False):
            several = [pairs for kind, others in seen if kind is shuffled if (pairs := _pair(own, others, name))]
            if several:
                checks["labels" if shuffled else "trainings"] = _judge(several, shuffled)
        found[name] = checks
    return found


def _judge(several: Sequence[Pairs], shuffled: bool) -> dict[str, Any]:
    correlations = np.concatenate([pairs.correlations for pairs in several])
    if shuffled:
        return judge_labels(correlations, len(several))
    distances = np.concatenate([pairs.distances for pairs in several])
    return judge_trainings(correlations, distances, MARGIN, len(several))


def _pair(own: Iterable[Shown], others: Iterable[Shown], name: str) -> Pairs | None:
    rows = [
        _compare(one, other, name)
        for one, other in zip(own, others, strict=True)
        if name in one.maps and name in other.maps
    ]
    if not rows:
        return None
    correlations, distances = np.array(rows).T
    return Pairs(correlations, distances)


def _compare(one: Shown, other: Shown, name: str) -> tuple[float, float]:
    assert one.sample is not None and other.sample is not None  # an image with a map could be read
    places = one.sample.place, other.sample.place
    # Both grids are the image's, so networks of different sizes can be compared.
    grids = [
        unletterbox(each.maps[name], at_most(place, GRID)) for each, place in zip((one, other), places, strict=True)
    ]
    peaks = [locate_peak(each.maps[name], place) for each, place in zip((one, other), places, strict=True)]
    return rank_correlation(*grids), _distance(peaks, max(places[0].width, places[0].height))


def _distance(peaks: Sequence[tuple[float, float] | None], longer_side: int) -> float:
    first, second = peaks
    if first is None or second is None:
        return 0.0 if first is second else 1.0
    return float(np.hypot(first[0] - second[0], first[1] - second[1]) / longer_side)
