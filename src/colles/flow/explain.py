"""Look at images through a model: decode, score, and the maps of each method, in the order of the images."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colles.core.errors import CollesError, UsageError
from colles.core.extras import require
from colles.core.machine import usable_cpus
from colles.core.progress import track
from colles.core.records import Box
from colles.imaging.preprocess import to_input
from colles.serving.bundle import Bundle, find_bundle, load_bundle
from colles.serving.decision import DecisionRule
from colles.serving.decode import Sample, decode
from colles.serving.manifest import MANIFEST
from colles.serving.maps import GRAPH_METHODS, TARGETS, BundleMaps, Maps, MapSource, Method, Target, graph_methods


@dataclass(frozen=True, slots=True)
class Item:
    """An image and what is known of it."""

    path: Path
    image_id: str | None = None
    boxes: tuple[Box, ...] = ()
    label: int | None = None
    outcome: str | None = None
    """TP, FP, FN, TN, or another word for the caption."""
    group: str | None = None
    columns: dict[str, Any] = field(default_factory=dict)
    """Values that subgroups are made of."""

    @property
    def cluster(self) -> str:
        """What counts as one in intervals: the group, or the image alone."""
        return self.group or self.image_id or str(self.path)


@dataclass(frozen=True, slots=True)
class Shown:
    """An image and how the model sees it."""

    item: Item
    sample: Sample | None
    """None where the image cannot be read."""
    reason: str | None
    score: float | None
    maps: dict[str, NDArray[np.float32]]
    """By method, (h, w) over the whole canvas."""


def open_maps(folder: Path, names: Sequence[str], target: str = "fracture") -> MapSource:
    """Open a bundle or a run for the named methods; without torch where the bundle's graph gives them.

    Raise `UsageError` for an unknown method or one that the model cannot have, `MissingInputError` for no model.
    """
    wanted = _target(target)
    place = folder if folder.exists() else find_bundle(folder)
    bundle = load_bundle(place) if (place / MANIFEST).is_file() else None
    if bundle is not None and set(names) <= set(GRAPH_METHODS) and _in_graph(bundle, names):
        return BundleMaps(bundle, names, wanted)
    require("torch", "train")
    from colles.learning.checkpoint import load_classifier
    from colles.learning.explain.torch_maps import TorchMaps

    rule = _rule_of(place) if bundle is None else DecisionRule.from_operating_points(bundle.metadata.operating_points)
    model, recipe = load_classifier(place)
    return TorchMaps(model, recipe, names, target=wanted, rule=rule)


def _target(text: str) -> Target:
    found = next((target for target in TARGETS if target == text), None)
    if found is None:
        raise UsageError(f"unknown target {text!r}", field="target", repair=f"Use {' or '.join(TARGETS)}")
    return found


def _in_graph(bundle: Bundle, names: Sequence[str]) -> bool:
    known = graph_methods(bundle)
    return bool(known) and all(name in known or name == "auto" for name in names)


def _rule_of(folder: Path) -> DecisionRule | None:
    from colles.evaluation.results import Evaluation

    for place in (folder / "evaluation", folder.parent / "evaluation", folder):
        if (place / "evaluation.json").is_file():
            try:
                return DecisionRule.from_operating_points(Evaluation.load(place / "evaluation.json").operating_points)
            except CollesError:
                return None  # of another version: the caption then names no decision
    return None


def look(
    source: MapSource,
    items: Sequence[Item],
    *,
    sample: int = 50,
    seed: int = 0,
    only: Sequence[str] | None = None,
    skip: AbstractSet[int] = frozenset(),
) -> Iterator[Shown]:
    """Yield every image but those at the places `skip`, with the maps of the source's methods (or those of `only`).

    Slow methods see at most `sample` images, drawn by seed. Batches are those of the whole list whatever is skipped: on
    some processors the last digits of an answer depend on what stands in its batch.
    """
    chosen = slow_sample(len(items), sample, seed) - skip
    methods = [method for method in source.methods if only is None or method.name in only]
    batches = [range(start, min(start + source.batch, len(items))) for start in range(0, len(items), source.batch)]
    left = [batch for batch in batches if any(place not in skip for place in batch)]
    with ThreadPoolExecutor(usable_cpus()) as pool:
        for chunk in track(left, "explain", total=len(left)):
            samples = list(pool.map(lambda place: decode(items[place].path, source.recipe, keep_grey=True), chunk))
            readable = {place: each for place, each in zip(chunk, samples, strict=True) if isinstance(each, Sample)}
            seen = _see(source, methods, readable, chosen & readable.keys())
            for place, each in zip(chunk, samples, strict=True):
                if place in skip:
                    continue
                if isinstance(each, Sample):
                    yield Shown(items[place], each, None, *seen[place])
                else:
                    yield Shown(items[place], None, each.reason, None, {})


def _see(
    source: MapSource, methods: Sequence[Method], samples: Mapping[int, Sample], sampled: Collection[int]
) -> dict[int, tuple[float, dict[str, NDArray[np.float32]]]]:
    """Return score and maps of each image by its place; slow methods look at `sampled` alone."""
    if not samples:
        return {}
    batch = to_input(np.stack([each.canvas for each in samples.values()]), source.recipe)
    found = _explain(source, batch, [method.name for method in methods if not method.slow])
    slow = [method.name for method in methods if method.slow]
    seen = {}
    for row, place in enumerate(samples):
        maps = {name: values[row] for name, values in found.maps.items()}
        if slow and place in sampled:
            more = _explain(source, batch[row : row + 1], slow)
            maps |= {name: values[0] for name, values in more.maps.items()}
        seen[place] = float(found.score[row]), maps
    return seen


def _explain(source: MapSource, batch: NDArray[np.float32], names: Sequence[str]) -> Maps:
    found = source.explain(batch, names)
    for name, seconds in found.seconds.items():
        source.spent.setdefault(name, []).extend([seconds] * len(batch))
    return found


def slow_sample(count: int, sample: int, seed: int) -> set[int]:
    """Return the places of the images that slow methods see."""
    return set(np.random.default_rng(seed).permutation(count)[:sample].tolist())
