"""Judge maps against reference boxes, beside what chance scores: `explain/scores.json`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colles.core.records import Estimate
from colles.evaluation.froc import Detections, match, recall_at
from colles.evaluation.localisation import (
    MARGIN,
    Boxes,
    MapScore,
    Size,
    chance_estimates,
    clip_boxes,
    covered_share,
    fit_threshold,
    lesion_size,
    localisation_estimates,
    score_map,
    widen,
)
from colles.evaluation.scores import IntArray, name_codes
from colles.evaluation.sizes import IMAGE_SIZE, image_size, image_sizes
from colles.flow.explain import Item, Shown
from colles.imaging.heatmap import at_most, candidate_boxes, locate_peak, unletterbox
from colles.imaging.preprocess import to_input
from colles.imaging.regions import centre, silhouette
from colles.imaging.resize import resize
from colles.serving.decode import Sample
from colles.serving.maps import MapSource, Method

SCHEMA_VERSION = 1
TUNES = "val"
"""Subset whose boxes choose the threshold of the overlap."""
GRID = 256
"""Longer side, in pixels, of the grid on which mass, overlap and precision are measured."""
CHANCE = {
    "centre": "centre of the picture",
    "silhouette": "depth in the silhouette",
    "untrained": "the same network untrained",
}
COLUMNS = ("lesion_size", IMAGE_SIZE, "body_part", "source")
_NO_BOXES = np.zeros((0, 4))
_FEW = 5  # images of a subgroup below which nothing is said


@dataclass
class Judged:
    """What one method scored, image by image."""

    scores: list[MapScore] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    """Place of each in the judge's table of images."""
    detections: list[Detections] = field(default_factory=list)
    detection_groups: list[str] = field(default_factory=list)


class Judge:
    """Collect what the methods of one source score on one subset."""

    def __init__(self, source: MapSource, untrained: MapSource | None = None, *, seed: int = 0) -> None:
        """`seed` is what the sample of slow methods was drawn by."""
        self.source, self.seed = source, seed
        self.untrained = untrained
        self.judged: defaultdict[str, Judged] = defaultdict(Judged)
        self.table: list[dict[str, Any]] = []
        self.lost: Counter[str] = Counter()

    def add(self, shown: Shown) -> None:
        """Judge one image; one without boxes counts for false candidates only, if it has no fracture."""
        if shown.sample is None:
            self.lost["could not be read"] += 1
            return
        place = shown.sample.place
        size = (place.width, place.height)
        given = _array(shown.item) if shown.item.label != 0 else _NO_BOXES  # of a table that marks something else
        boxes, outside = clip_boxes(given, size)
        if outside:
            self.lost["has a box outside the image, which was left out"] += 1
        if not len(boxes) and shown.item.label != 0:
            self.lost["has no reference box"] += 1
            return
        if len(boxes):
            self.table.append(_facts(shown.item, boxes, size))
        self._methods(shown, shown.sample, boxes, size)
        if len(boxes):
            self._chance(shown, shown.sample, boxes, size)

    def _methods(self, shown: Shown, sample: Sample, boxes: Boxes, size: Size) -> None:
        for method in self.source.methods:
            if method.name not in shown.maps:
                continue
            heat, judged = shown.maps[method.name], self.judged[method.name]
            if len(boxes):
                self._judge(method.name, heat, sample, boxes, size)
            judged.detections.append(_detect(heat, sample, boxes, self.source.top(method, shown.score or 0.0)))
            judged.detection_groups.append(shown.item.cluster)

    def _judge(self, name: str, heat: NDArray[np.float32], sample: Sample, boxes: Boxes, size: Size) -> None:
        shown = unletterbox(heat, at_most(sample.place, GRID))
        judged = self.judged[name]
        judged.scores.append(score_map(shown, locate_peak(heat, sample.place), boxes, size))
        judged.rows.append(len(self.table) - 1)

    def _chance(self, shown: Shown, sample: Sample, boxes: Boxes, size: Size) -> None:
        assert sample.grey is not None
        small = at_most(sample.place, GRID)
        grey = resize(sample.grey, small.width, small.height)
        for name, heat in (("centre", centre(grey.shape)), ("silhouette", silhouette(grey))):
            row, column = np.unravel_index(int(heat.argmax()), heat.shape)
            peak = (float(column) + 0.5) * size[0] / heat.shape[1], (float(row) + 0.5) * size[1] / heat.shape[0]
            self.judged[name].scores.append(score_map(heat, peak, boxes, size))
            self.judged[name].rows.append(len(self.table) - 1)
        if self.untrained is not None and self.source.default in shown.maps:  # a slow method sees a sample alone
            batch = to_input(sample.canvas[None], self.source.recipe)
            found = self.untrained.explain(batch, [self.untrained.default]).maps[self.untrained.default][0]
            self._judge("untrained", found, sample, boxes, size)

    def groups(self, rows: list[int]) -> IntArray | None:
        """Return the codes of the images' groups; None where all differ."""
        return name_codes([self.table[row]["group"] for row in rows])


def judge_all(shown: Iterable[Shown], judge: Judge) -> Judge:
    """Judge every image of a walk."""
    for each in shown:
        judge.add(each)
    return judge


def _array(item: Item) -> Boxes:
    return np.array([(box.x1, box.y1, box.x2, box.y2) for box in item.boxes], np.float64).reshape(-1, 4)


def _facts(item: Item, boxes: Boxes, size: Size) -> dict[str, Any]:
    share = covered_share(boxes, size)
    wide = covered_share(widen(boxes, size), size)
    known = {name: item.columns.get(name) for name in COLUMNS}
    facts = {"group": item.cluster, "boxes": len(boxes), "share": share, "margin_share": wide}
    return {**known, **facts, "lesion_size": lesion_size(share), IMAGE_SIZE: image_size(max(size))}


def _detect(heat: NDArray[np.float32], sample: Sample, boxes: Boxes, top: float | None) -> Detections:
    found = candidate_boxes(heat, sample.place, top=top)
    points = np.array([(each.x, each.y) for each in found], np.float64).reshape(-1, 2)
    return match(points, np.array([each.score for each in found], np.float64), boxes)


def scores_of(judge: Judge, subset: str, *, tune: Judge | None = None) -> dict[str, Any]:
    """Return the content of scores.json without checks and probes; thresholds of the overlap come from `tune`."""
    methods = {method.name: _method(judge, method, tune) for method in judge.source.methods}
    methods |= {name: _baseline(judge, name, tune) for name in CHANCE if name in judge.judged}
    if judge.table:
        methods["box_share"] = _box_share(judge)
    everyone = list(range(len(judge.table)))
    codes = judge.groups(everyone) if everyone else None
    return {
        "schema_version": SCHEMA_VERSION,
        "subset": subset,
        "n": len(judge.table),
        "n_groups": len(everyone) if codes is None else int(codes.max()) + 1,
        "n_boxes": sum(facts["boxes"] for facts in judge.table),
        "default": judge.source.default,
        "margin": MARGIN,
        "margin_of": "longer side",
        "methods": methods,
        "probes": [],
        "notes": [*judge.source.notes, *(_lost(reason, count) for reason, count in judge.lost.items())],
    }


def _lost(reason: str, count: int) -> str:
    return f"{count} image{'' if count == 1 else 's'}: {reason}"


def _method(judge: Judge, method: Method, tune: Judge | None) -> dict[str, Any]:
    judged = judge.judged[method.name]
    found = {"title": method.title, "role": "method", **_figures(judge, method.name, tune)}
    if method.slow and judged.scores and len(judged.scores) < len(judge.table):
        found["sample"] = {"n": len(judged.scores), "of": len(judge.table), "seed": judge.seed}
    spent = judge.source.spent.get(method.name)
    return {
        **found,
        "seconds_per_image": round(float(np.mean(spent)), 4) if spent else None,
        "froc": _froc(judged),
        "froc_images": len(judged.detections),
        "checks": {},
        "warnings": [],
    }


def _froc(judged: Judged) -> list[dict[str, Any]]:
    # Without images that have no fracture the rate of false candidates would flatter.
    if len(judged.detections) <= len(judged.scores):
        return []
    names = name_codes(judged.detection_groups)
    codes = np.arange(len(judged.detections)) if names is None else names
    found = recall_at(judged.detections, codes)
    return [{"false_boxes_per_image": rate, "recall": recall.model_dump(mode="json")} for rate, recall in found.items()]


def _baseline(judge: Judge, name: str, tune: Judge | None) -> dict[str, Any]:
    return {"title": CHANCE[name], "role": "chance", **_figures(judge, name, tune), "warnings": []}


def _box_share(judge: Judge) -> dict[str, Any]:
    shares, wide = (np.array([facts[name] for facts in judge.table]) for name in ("share", "margin_share"))
    figures = chance_estimates(shares, wide, judge.groups(list(range(len(judge.table)))))
    return {"title": "a random point", "role": "chance", "n": len(shares), "figures": _dumped(figures), "warnings": []}


def _figures(judge: Judge, name: str, tune: Judge | None) -> dict[str, Any]:
    judged = judge.judged[name]
    on = tune.judged[name].scores if tune is not None else []
    threshold = fit_threshold(on)
    return {
        "n": len(judged.scores),
        "figures": _estimates(judge, judged, list(range(len(judged.rows))), threshold),
        "iou_threshold": None if threshold is None else {"value": threshold, "chosen_on": TUNES, "n": len(on)},
        "subgroups": list(_subgroups(judge, judged, threshold)),
    }


def _subgroups(judge: Judge, judged: Judged, threshold: float | None) -> Iterable[dict[str, Any]]:
    for column in COLUMNS:
        parts: defaultdict[str, list[int]] = defaultdict(list)
        for place, row in enumerate(judged.rows):
            if judge.table[row][column] is not None:
                parts[str(judge.table[row][column])].append(place)
        for value in image_sizes() if column == IMAGE_SIZE else sorted(parts):
            places = parts[value]
            if len(places) >= _FEW:
                figures = _estimates(judge, judged, places, threshold)
                yield {"column": column, "value": value, "n": len(places), "figures": figures}


def _estimates(judge: Judge, judged: Judged, places: list[int], threshold: float | None) -> dict[str, Any]:
    groups = judge.groups([judged.rows[place] for place in places]) if places else None
    return _dumped(localisation_estimates([judged.scores[place] for place in places], groups, threshold))


def _dumped(figures: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: figure.model_dump(mode="json") for name, figure in figures.items()}
