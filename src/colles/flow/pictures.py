"""What is left of an explained image: overlays, maps, and a row of `explanations.json` a method."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colles.core.errors import UsageError
from colles.core.files import atomic_path
from colles.core.records import Box
from colles.flow.explain import Item, Shown
from colles.imaging.heatmap import Candidate, candidate_boxes, covered, locate_peak, unletterbox
from colles.imaging.montage import side_by_side
from colles.imaging.overlay import NOTE_ROOM, OPACITY, overlay
from colles.serving.checks import refuse_look
from colles.serving.decode import Sample
from colles.serving.maps import MapSource, Method
from colles.serving.output import as_utf8

Entry = dict[str, Any]
MapForm = Literal["full", "native", "none"]
OUTCOMES = ("TP", "FP", "FN", "TN")
_EMPTY = (
    "method", "target", "score", "peak", "boxes", "map", "map_box", "overlay", "side_by_side", "note",
    "error",
)  # fmt: skip
SCALED = "brightest at its own peak, whatever the score"
"""Under pictures that have the room; location maps of `colles predict` are pale where the probability is low."""
BLANK = "the map is zero everywhere, so it has no peak"


@dataclass(frozen=True, slots=True)
class Look:
    """How pictures and maps are written."""

    opacity: float = OPACITY
    contour: float | None = 0.5
    """A line bounds the hottest places that hold this share of the map's mass; None draws none."""
    maps: MapForm = "full"
    overlays: bool = True

    def check(self) -> None:
        """Raise `UsageError` for shares outside 0–1."""
        if not 0 <= self.opacity <= 1:
            raise UsageError(f"{self.opacity} is no share", field="opacity", repair="Give a number from 0 to 1")
        if self.contour is not None and not 0 < self.contour < 1:
            raise UsageError(f"{self.contour} is no share", field="contour", repair="Give a number between 0 and 1")


def save_shown(shown: Shown, source: MapSource, stem: Path, look: Look) -> list[Entry]:
    """Write the pictures and maps of one image beside `stem`; return its entries, one with `error` if unreadable."""
    if shown.sample is None or shown.score is None:
        return [_entry(shown.item, error=shown.reason)]
    drawn: list[tuple[Method, Image.Image]] = []
    entries = []
    for method in source.methods:
        if method.name in shown.maps:
            entry, picture = _save_method(shown, shown.sample, method, source, stem, look)
            entries.append(entry)
            drawn += [(method, picture)] if picture is not None else []
    if len(drawn) > 1 and shown.sample.grey is not None:
        panels = [("radiograph", Image.fromarray(shown.sample.grey)), *((m.title, picture) for m, picture in drawn)]
        file = _save_picture(side_by_side(panels), Path(f"{stem}.methods.png"))
        entries = [{**entry, "side_by_side": file} for entry in entries]
    return entries


def _save_method(
    shown: Shown, sample: Sample, method: Method, source: MapSource, stem: Path, look: Look
) -> tuple[Entry, Image.Image | None]:
    native, score = shown.maps[method.name], shown.score
    assert score is not None and sample.grey is not None
    place = locate_peak(native, sample.place)
    found = candidate_boxes(native, sample.place, top=source.top(method, score))
    values: Entry = {
        "method": method.name,
        "target": source.target,
        "score": score,
        "peak": None if place is None else [round(value, 2) for value in place],
        "boxes": [candidate.row() for candidate in found],
        "note": _note(shown.item, sample, place),
    }
    heat = None
    if look.overlays or look.maps == "full":
        heat = _unit(unletterbox(native, sample.place))
    values.update(_save_map(native, heat, sample, Path(f"{stem}.{_safe(method.name)}.npy"), look))
    picture = None
    if look.overlays and heat is not None:
        caption = _caption(shown, source, method)
        caption += f"\n{SCALED}" if max(sample.grey.shape) >= NOTE_ROOM else ""
        picture = overlay(
            sample.grey, heat, boxes=shown.item.boxes, candidates=_shown_candidates(found, method), caption=caption,
            opacity=look.opacity, contour=look.contour,
        )  # fmt: skip
        values["overlay"] = _save_picture(picture, Path(f"{stem}.{_safe(method.name)}.png"))
    return _entry(shown.item, **values), picture


def _shown_candidates(found: list[Candidate], method: Method) -> list[Box]:
    # Where values are probabilities, a candidate below one in two is not drawn.
    return [each.box for each in found[:3] if method.absolute and each.score >= 0.5]


def _unit(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    highest = float(heat.max(initial=0.0))
    return np.zeros_like(heat) if highest <= 0 or not np.isfinite(highest) else np.clip(heat, 0, None) / highest


def _save_map(
    native: NDArray[np.float32], heat: NDArray[np.float32] | None, sample: Sample, file: Path, look: Look
) -> Entry:
    if look.maps == "none":
        return {}
    values = native if look.maps == "native" or heat is None else heat
    with atomic_path(file) as temporary:
        np.save(temporary, _unit(values).astype(np.float32))
    if look.maps == "full":
        return {"map": file.name}
    return {"map": file.name, "map_box": [round(value, 2) for value in covered(sample.place)]}


def _save_picture(picture: Image.Image, file: Path) -> str:
    with atomic_path(file) as temporary:
        # Level 1 takes a fifth of the time of the default and a few per cent more room.
        picture.save(temporary, compress_level=1)
    return file.name


def _caption(shown: Shown, source: MapSource, method: Method) -> str:
    decision = None if source.rule is None or shown.score is None else source.rule.decide(shown.score)
    words = f"score {shown.score:.2f}" + (f" ({decision.replace('_', ' ')})" if decision else "")
    against = " against fracture" if source.target == "no_fracture" else ""
    return ", ".join(part for part in (shown.item.outcome, words, method.title + against) if part)


def _note(item: Item, sample: Sample, place: tuple[float, float] | None) -> str | None:
    width, height = sample.place.width, sample.place.height
    outside = sum(box.x1 >= width or box.y1 >= height or box.x2 <= 0 or box.y2 <= 0 for box in item.boxes)
    notes = [BLANK] if place is None else []
    if odd := refuse_look(sample.look):
        notes.append(f"no radiograph looks like this ({odd})")
    if outside:
        notes.append(f"{outside} reference {'box lies' if outside == 1 else 'boxes lie'} outside the image")
    return "; ".join(notes) or None


def _safe(name: str) -> str:
    return name.replace("/", "_")


def _entry(item: Item, **values: Any) -> Entry:
    outcome = item.outcome if item.outcome in OUTCOMES else None
    known = {"path": as_utf8(str(item.path)), "image_id": item.image_id, "outcome": outcome}
    return {**known, **dict.fromkeys(_EMPTY), **values}
