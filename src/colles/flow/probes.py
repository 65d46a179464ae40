"""Shortcut probes: cover the marker, the border or the hardware and see how the score moves. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colles.core.logistic import to_logit
from colles.core.records import Estimate
from colles.evaluation.localisation import box_mask, mean_estimate
from colles.evaluation.metrics.ranking import RANKING_FIGURES, Ranking
from colles.evaluation.scores import FloatArray
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


def probe_shortcuts(
    source: MapSource, items: Sequence[Item], *, seed: int = 0, parts: Sequence[Part] = PARTS
) -> list[dict[str, Any]]:
    """Return a row a part, as docs/artefacts.md describes; parts on fewer than eight images say only that."""
    samples = [decode(item.path, source.recipe, keep_grey=True) for item in items]
    pairs = [(item, each) for item, each in zip(items, samples, strict=True) if isinstance(each, Sample)]
    return [_probe(source, part, pairs, np.random.default_rng(seed)) for part in parts]


def _probe(
    source: MapSource, part: Part, pairs: Sequence[tuple[Item, Sample]], rng: np.random.Generator
) -> dict[str, Any]:
    rows, labels = [], []
    for item, sample in pairs:
        assert sample.grey is not None
        mask = part.find(sample.grey)
        # A fracture under the part is no shortcut: what lies in a reference box stays.
        boxes = _boxes(item, sample.grey)
        mask &= ~boxes
        if not mask.any() or (part.name == "hardware" and item.columns.get("hardware") is False):
            continue
        pictures = [cover(sample.grey, mask)]
        pictures += [cover(sample.grey, moved_mask(mask, rng, boxes))] if part.has_control else []
        canvases = [sample.canvas, *(to_canvas(picture, source.recipe) for picture in pictures)]
        rows.append(_logits(source, np.stack(canvases)))
        labels.append(item.label)
    if len(rows) < MIN_IMAGES:
        return _too_few(part, len(rows))
    table = np.array([row if part.has_control else [*row, row[0]] for row in rows])
    known = np.array([label is not None for label in labels])
    fractured = np.array([label == 1 for label in labels])
    moves = Moves(table[:, 0], table[:, 1], table[:, 2], fractured, known)
    return _describe(part, moves)


def _boxes(item: Item, grey: Grey) -> Mask:
    boxes = np.array([(box.x1, box.y1, box.x2, box.y2) for box in item.boxes], np.float64).reshape(-1, 4)
    return box_mask(boxes, (grey.shape[1], grey.shape[0]), grey.shape)


def _logits(source: MapSource, canvases: NDArray[np.uint8]) -> list[float]:
    return [float(value) for value in to_logit(source.score(to_input(canvases, source.recipe)), _EDGE)]


def _describe(part: Part, moves: Moves) -> dict[str, Any]:
    moved = (moves.covered - moves.before) - (moves.control - moves.before)
    change = mean_estimate(moved, None, bounded=False)
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
    if change.value is None or change.low is None or change.high is None:
        return False
    return (change.low > 0 or change.high < 0) and abs(change.value) >= EFFECT * spread


def _auroc(moves: Moves, scores: FloatArray) -> float | None:
    labels, values = moves.fractured[moves.known], scores[moves.known]
    if not labels.any() or labels.all():
        return None
    ranking = Ranking.from_scores(labels, values)
    return round(float(RANKING_FIGURES["auroc"](ranking.count_once())[0]), 4)


def _sentence(part: Part, change: Estimate, found: bool) -> str:
    beside = " more than covering an equal area elsewhere" if part.has_control else ""
    words = f"covering the {part.name} moves the logit by {change.value:+.2f}{beside} ({change.n} images)"
    return f"the score rests on the {part.name}: {words}" if found else f"{words}: no shortcut was found"


def _too_few(part: Part, count: int) -> dict[str, Any]:
    nothing = mean_estimate(np.zeros(0), None).model_dump(mode="json")
    empty = dict.fromkeys(("change_fractured", "change_others", "auroc_before", "auroc_after"))
    sentence = f"a {part.name} was seen on {count} images only, which says nothing"
    return {"name": part.name, "n": count, "change": nothing, **empty, "found": False, "sentence": sentence}
