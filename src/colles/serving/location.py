"""The location map of a bundle's graph, on the image itself: a heat map that needs no torch and costs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colles.core.files import atomic_path
from colles.core.logistic import sigmoid
from colles.core.records import Box
from colles.imaging.heatmap import Candidate, candidate_boxes, unletterbox
from colles.imaging.overlay import overlay
from colles.imaging.preprocess import Placement
from colles.serving.apart import assert_apart
from colles.serving.decode import Rejected, Sample
from colles.serving.filenames import Stems
from colles.serving.prediction import Prediction

_LEAST = 0.1
_FULL = 0.3  # where a location map's colour is full: fractures peak at 0.1 to 0.6, other images mostly below 0.08
_ROOM = 300  # pixels of the longer side that a second line of the caption takes
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


class Overlays:
    """Pictures of heat maps over their images, in one folder."""

    def __init__(self, folder: Path, paths: Iterable[object], *, kind: str | None) -> None:
        """`paths` are all that will be drawn; each picture is named after one. `kind` of map: see `BundleMetadata`.

        Raise `UsageError` where one of them lies in the folder itself.
        """
        self._folder, self._stems = folder, Stems(_apart(folder, paths))
        self._places = kind == "location"

    def draw(self, prediction: Prediction, sample: Sample | Rejected) -> None:
        """Draw an answer's map over its image, of the image's size, with decision and probability.

        The colours of a location map mean the same in every picture, and where the decision is not `no_fracture`, the
        likeliest places have corners around them.
        """
        if isinstance(sample, Sample) and sample.grey is not None and prediction.heat is not None:
            marked = self._marked(prediction)
            caption = _caption(prediction, bool(marked), max(sample.grey.shape))
            heat = prediction.heat / np.float32(_FULL) if self._places else prediction.heat
            picture = overlay(sample.grey, heat, caption=caption, candidates=marked)
            with atomic_path(self._folder / f"{self._stems.of(prediction.path)}.png") as temporary:
                picture.save(temporary)

    def _marked(self, prediction: Prediction) -> list[Box]:
        found = (prediction.boxes or ())[:_MARKED]
        if not self._places or prediction.decision == "no_fracture":
            return []
        return [place.box for place in found if place.score >= found[0].score / 2]


def _apart(folder: Path, paths: Iterable[object]) -> Iterator[object]:
    for path in paths:
        if isinstance(path, str | Path):
            assert_apart(folder, path)
        yield path


def _caption(prediction: Prediction, marked: bool, side: int) -> str:
    told = f"{str(prediction.decision).replace('_', ' ')}, probability {_rounded(prediction.probability)}"
    marks = "; corners: its likeliest places" if marked else ""
    return f"{told}\n{prediction.bundle}{marks}" if side >= _ROOM else told


def _rounded(probability: float | None) -> str:
    # A probability of 1.00 or 0.00 would claim what no model knows.
    if probability is None:
        return "unknown"
    return f"{probability:.2f}" if 0.005 <= probability < 0.995 else ("> 0.99" if probability > 0.5 else "< 0.01")
