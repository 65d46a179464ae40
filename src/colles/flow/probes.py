"""Shortcut probes: cover the marker, the border or the hardware and see how the score moves. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colles.core.logistic import to_logit
from colles.core.records import Estimate
from colles.evaluation.localisation import box_mask, mean_estimate
from colles.evaluation.metrics.ranking import RANKING_FIGURES, Ranking
from colles.evaluation.scores import FloatArray, IntArray, name_codes
from colles.flow.explain import Item
from colles.imaging.preprocess import to_canvas, to_input
from colles.imaging.regions import Grey, Mask, border_mask, cover, marker_mask, metal_mask, moved_mask
from colles.serving.decode import Sample, decode
from colles.serving.maps import MapSource

MIN_IMAGES = 8
"""Fewer images with the part say nothing."""
EFFECT = 0.25
"""A mean change counts from this share of the scores' own spread (standard deviation of the logit)."""
_EDGE = 1e-6


@dataclass(frozen=True, slots=True)
class Part:
    """Something in the picture that should not decide."""

    name: str
    find: Callable[[Grey], Mask]
    has_control: bool
    """False where an equal area elsewhere would hold the bone itself."""


PARTS = (
    Part("marker", marker_mask, True),
    Part("border", border_mask, False),
    Part("hardware", metal_mask, True),
)


@dataclass(frozen=True, eq=False)
class Moves:
    """Logits of the images that have a part: as they are, with it covered, and with an equal area covered elsewhere."""

    before: FloatArray
    covered: FloatArray
    control: FloatArray
    fractured: NDArray[np.bool_]
    known: NDArray[np.bool_]
    """(N,) whether the label is known."""
    groups: IntArray | None
    """(N,) codes of the images' groups; None where all differ."""


def probe_shortcuts(source: MapSource, items: Sequence[Item], *, seed: int = 0) -> list[dict[str, Any]]:
    """Return a row a part, as docs/artefacts.md describes; parts on fewer than eight images say only that."""
    draws = [np.random.default_rng(seed) for _ in PARTS]
    rows: list[list[list[float]]] = [[] for _ in PARTS]
    seen: list[list[Item]] = [[] for _ in PARTS]
    for item in items:
        sample = decode(item.path, source.recipe, keep_grey=True)
        if not isinstance(sample, Sample):
            continue
        assert sample.grey is not None
        covered = [_cover(part, item, sample.grey, rng) for part, rng in zip(PARTS, draws, strict=True)]
        for place, logits in enumerate(_score_all(source, sample, covered)):
            if logits:
                rows[place].append(logits)
                seen[place].append(item)
    return [_probe(part, np.array(rows[place]), seen[place]) for place, part in enumerate(PARTS)]


def _cover(part: Part, item: Item, grey: Grey, rng: np.random.Generator) -> list[Grey]:
    """Return the image without the part and, where there is a control, without an equal area; nothing without a part.

    A fracture under the part is no shortcut: what lies in a reference box stays.
    """
    if part.name == "hardware" and item.columns.get("hardware") is False:
        return []
    boxes = _boxes(item, grey)
    mask = part.find(grey) & ~boxes
    if not mask.any():
        return []
    return [cover(grey, mask), *([cover(grey, moved_mask(mask, rng, boxes))] if part.has_control else [])]


def _score_all(source: MapSource, sample: Sample, covered: Sequence[Sequence[Grey]]) -> Iterator[list[float]]:
    """Yield for each part the logits as it is, covered, and with the control covered; nothing where it is missing.

    All pictures of an image are scored at once, and the image itself once for all parts.
    """
    canvases = [sample.canvas, *(to_canvas(picture, source.recipe) for pictures in covered for picture in pictures)]
    first, *rest = _logits(source, np.stack(canvases)) if len(canvases) > 1 else [0.0]
    for pictures in covered:
        own, rest = rest[: len(pictures)], rest[len(pictures) :]
        yield [first, *own, *([first] if len(own) == 1 else [])] if own else []


def _probe(part: Part, table: FloatArray, items: Sequence[Item]) -> dict[str, Any]:
    if len(table) < MIN_IMAGES:
        return _too_few(part, len(table))
    known = np.array([item.label is not None for item in items])
    fractured = np.array([item.label == 1 for item in items])
    groups = name_codes([item.cluster for item in items])
    return _describe(part, Moves(table[:, 0], table[:, 1], table[:, 2], fractured, known, groups))


def _boxes(item: Item, grey: Grey) -> Mask:
    boxes = np.array([(box.x1, box.y1, box.x2, box.y2) for box in item.boxes], np.float64).reshape(-1, 4)
    return box_mask(boxes, (grey.shape[1], grey.shape[0]), grey.shape)


def _logits(source: MapSource, canvases: NDArray[np.uint8]) -> list[float]:
    return [float(value) for value in to_logit(source.score(to_input(canvases, source.recipe)), _EDGE)]


def _describe(part: Part, moves: Moves) -> dict[str, Any]:
    moved = (moves.covered - moves.before) - (moves.control - moves.before)
    change = mean_estimate(moved, moves.groups, bounded=False)
    found = rests_on(change, float(moves.before.std()))
    groups = {"change_fractured": moves.fractured, "change_others": ~moves.fractured & moves.known}
    return {
        "name": part.name,
        "n": len(moved),
        "change": change.model_dump(mode="json"),
        **{name: round(float(moved[rows].mean()), 4) if rows.any() else None for name, rows in groups.items()},
        "auroc_before": _auroc(moves, moves.before),
        "auroc_after": _auroc(moves, moves.covered),
        "found": found,
        "sentence": _sentence(part, change, found),
    }


def rests_on(change: Estimate, spread: float) -> bool:
    """Tell whether a mean change is both certain (its interval leaves 0 out) and large beside the scores' spread."""
    return change.value is not None and _certain(change) and abs(change.value) >= EFFECT * spread


def _certain(change: Estimate) -> bool:
    return change.low is not None and change.high is not None and (change.low > 0 or change.high < 0)


def _auroc(moves: Moves, scores: FloatArray) -> float | None:
    labels, values = moves.fractured[moves.known], scores[moves.known]
    if not labels.any() or labels.all():
        return None
    ranking = Ranking.from_scores(labels, values)
    return round(float(RANKING_FIGURES["auroc"](ranking.count_once())[0]), 4)


def _sentence(part: Part, change: Estimate, found: bool) -> str:
    beside = " more than covering an equal area elsewhere" if part.has_control else ""
    words = f"covering the {part.name} moves the logit by {change.value:+z.2f}{beside} ({change.n} images)"
    if found:
        return f"the score rests on the {part.name}: {words}"
    small = f", which is certain but less than {EFFECT:g} of the scores' spread" if _certain(change) else ""
    return f"{words}{small}: no shortcut was found"


def _too_few(part: Part, count: int) -> dict[str, Any]:
    nothing = mean_estimate(np.zeros(0), None).model_dump(mode="json")
    empty = dict.fromkeys(("change_fractured", "change_others", "auroc_before", "auroc_after"))
    sentence = f"{part.name} seen on {count} images only, which says nothing"
    return {"name": part.name, "n": count, "change": nothing, **empty, "found": False, "sentence": sentence}
