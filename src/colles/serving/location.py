"""The location map of a bundle's graph, on the image itself: a heat map that needs no torch and costs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colles.core.files import atomic_path
from colles.core.logistic import sigmoid
from colles.core.records import Box
from colles.imaging.heatmap import Candidate, candidate_boxes, unletterbox
from colles.imaging.overlay import NOTE_ROOM, overlay
from colles.imaging.preprocess import Placement
from colles.imaging.resize import resize
from colles.serving.apart import assert_apart
from colles.serving.decode import Rejected, Sample
from colles.serving.filenames import Stems
from colles.serving.prediction import Prediction

_LEAST = 0.1
_FULL = 0.3  # where a location map's colour is full: fractures peak at 0.1 to 0.6, other images mostly below 0.08
_MARKED = 3  # places at most, none less than half as likely as the first


def location_heat(cam: NDArray[np.float32], place: Placement) -> NDArray[np.float32]:
    """Return the class activation map (h, w) of the canvas as (H, W) of the image, 0–1.

    The values are the sigmoid of the map, whose mean over places is the image's logit: they compare between images,
    and an image without a fracture stays cold. For pooling and one linear layer the map is Grad-CAM's before its ReLU,
    plus the bias.
    """
    return unletterbox(sigmoid(cam).astype(np.float32), place)


def located(cam: NDArray[np.float32], place: Placement) -> tuple[Candidate, ...]:
    """Return the places where the map (h, w) of the canvas sees a fracture with at least 0.1, the likeliest first."""
    found = candidate_boxes(sigmoid(cam).astype(np.float32), place)
    return tuple(candidate for candidate in found if candidate.score >= _LEAST)


def draw_heat(
    prediction: Prediction,
    sample: Sample | Rejected,
    *,
    kind: str | None,
    caption: bool = True,
    note: str | None = None,
) -> Image.Image | None:
    """Draw an answer's map over its image, of the map's size; return None where there is no map or no image.

    The colours of a location map mean the same in every picture, and where the decision is not `no_fracture`, the
    likeliest places have corners around them. `caption` writes decision and probability below, and a `note`
    after them. `kind` of map: see `BundleMetadata`.
    """
    if not isinstance(sample, Sample) or sample.grey is None or prediction.heat is None:
        return None
    heat, places = prediction.heat, kind == "location"
    grey = resize(sample.grey, heat.shape[1], heat.shape[0])
    marked = _marked(prediction, heat.shape[1] / sample.grey.shape[1], heat.shape[0] / sample.grey.shape[0], places)
    told = _caption(prediction, bool(marked), max(grey.shape)) if caption else None
    if told and note:
        told = f"{told}\n{note}"
    return overlay(grey, heat / np.float32(_FULL) if places else heat, caption=told, candidates=marked)


class Overlays:
    """Pictures of heat maps over their images, in one folder."""

    def __init__(
        self, folder: Path, paths: Iterable[object], *, kind: str | None, before: Iterable[object] = ()
    ) -> None:
        """`paths` are all that will be drawn, `before` those that were; each picture is named after one.

        `kind` of map: see `BundleMetadata`.

        Raise `UsageError` where one of them lies in the folder itself.
        """
        self._folder, self._stems, self._kind = folder, Stems(chain(_apart(folder, paths), before)), kind

    def draw(self, prediction: Prediction, sample: Sample | Rejected) -> None:
        """Draw an answer's map over its image, of the image's size, as `draw_heat` does."""
        picture = draw_heat(prediction, sample, kind=self._kind)
        if picture is not None:
            with atomic_path(self._folder / f"{self._stems.of(prediction.path)}.png") as temporary:
                picture.save(temporary)


def likeliest(prediction: Prediction) -> tuple[Candidate, ...]:
    """Return the places that are shown of an answer: three at most, none where the decision is `no_fracture`."""
    found = (prediction.boxes or ())[:_MARKED]
    if prediction.decision == "no_fracture":
        return ()
    return tuple(place for place in found if place.score >= found[0].score / 2)


def _marked(prediction: Prediction, across: float, down: float, places: bool) -> list[Box]:
    boxes = [place.box for place in likeliest(prediction)] if places else []
    return [Box(x1=box.x1 * across, y1=box.y1 * down, x2=box.x2 * across, y2=box.y2 * down) for box in boxes]


def _apart(folder: Path, paths: Iterable[object]) -> Iterator[object]:
    for path in paths:
        if isinstance(path, str | Path):
            assert_apart(folder, path)
        yield path


def _caption(prediction: Prediction, marked: bool, side: int) -> str:
    told = f"{str(prediction.decision).replace('_', ' ')}, probability {_rounded(prediction.probability)}"
    marks = "; corners: its likeliest places" if marked else ""
    return f"{told}\n{prediction.bundle}{marks}" if side >= NOTE_ROOM else told


def _rounded(probability: float | None) -> str:
    # A probability of 1.00 or 0.00 would claim what no model knows.
    if probability is None:
        return "unknown"
    return f"{probability:.2f}" if 0.005 <= probability < 0.995 else ("> 0.99" if probability > 0.5 else "< 0.01")
