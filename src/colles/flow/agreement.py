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
from colles.flow.checks import on_grid
from colles.flow.explain import Shown, look, open_maps
from colles.imaging.heatmap import locate_peak, peak_distance
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
    names: Sequence[str], own: Sequence[Shown], twins: Sequence[Twin]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the checks `labels` and `trainings` of each named method, as far as there are twins that have it.

    `own` are images with the maps of the model in question; the twins look at the same ones.
    """
    items = [shown.item for shown in own]
    seen = [(twin.random_labels, list(look(twin.source, items, sample=len(items)))) for twin in twins]
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name in names:
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
    maps, place = (one.maps[name], other.maps[name]), one.sample.place
    correlation = rank_correlation(on_grid(maps[0], one.sample), on_grid(maps[1], other.sample))
    peaks = locate_peak(maps[0], place), locate_peak(maps[1], other.sample.place)
    return correlation, peak_distance(*peaks, place)
