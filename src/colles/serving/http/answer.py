"""One answer as JSON: the row of `colles predict` without its path, places, thresholds, and pictures if wanted."""

from __future__ import annotations

import io
from base64 import b64encode

import numpy as np
from PIL import Image
from pydantic import Field

from colles.core.records import Record
from colles.imaging.heatmap import at_most
from colles.imaging.resize import resize
from colles.serving.decision import Decision
from colles.serving.decode import Rejected, Sample
from colles.serving.location import draw_heat
from colles.serving.output import row_of
from colles.serving.prediction import PredictionStatus
from colles.serving.predictor import Predictor

PICTURE_SIDE = 1600
"""Pixels of a picture's longer side at most: enough to see where it looked, and few enough for any browser."""


class Threshold(Record):
    """Where a decision begins."""

    score: float
    probability: float = Field(description="The calibrated score at the threshold.")


class Thresholds(Record):
    """Below rule_out no fracture is seen, from rule_in on one is suspected; both are equal where one alone decides."""

    rule_out: Threshold
    rule_in: Threshold


class Place(Record):
    """Where a fracture may be: a box and its peak in pixels of the image, and the map's value there."""

    x1: float
    y1: float
    x2: float
    y2: float
    x: float
    y: float
    score: float


class Answer(Record):
    """What a bundle says of one file."""

    status: PredictionStatus
    reason: str | None = Field(description="Why the status is not ok, or that further pictures were not judged.")
    score: float | None = Field(description="Output of the network, 0 to 1, not calibrated.")
    probability: float | None = Field(description="Calibrated, 0 to 1.")
    decision: Decision | None
    bundle: str = Field(description="name@version, with +int8 behind it where the 8-bit network answered.")
    seconds: float = Field(description="Decoding and computing, without waiting.")
    boxes: tuple[Place, ...] | None = Field(None, description="The likeliest first; null where there is no map.")
    thresholds: Thresholds
    width: int | None = Field(description="Of the image after EXIF rotation, in pixels; null where it is unreadable.")
    height: int | None
    frames: int | None = Field(description="Pictures in the file, of which the first is judged.")
    plain: str | None = Field(None, description="The grey picture that was judged, as a data URL (PNG).")
    overlay: str | None = Field(None, description="The heat map over it, as a data URL (PNG) of the same size.")


class Answerer:
    """Answer files by a predictor. Threads may share it."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._kind = predictor.bundle.metadata.model.get("map")
        self.thresholds = Thresholds(
            rule_out=_threshold(predictor, predictor.rule.rule_out),
            rule_in=_threshold(predictor, predictor.rule.rule_in),
        )

    def answer(self, data: bytes, *, overlay: bool = False, plain: bool = False) -> Answer:
        """Judge one file on the calling thread; it is decoded once, whatever is asked for."""
        prediction, sample = self._predictor.explain(data, heat=overlay, longest=PICTURE_SIDE)
        row = row_of(prediction)
        del row["path"]
        drawn = draw_heat(prediction, sample, kind=self._kind, caption=False)
        return Answer(
            **row,
            thresholds=self.thresholds,
            width=sample.place.width if isinstance(sample, Sample) else None,
            height=sample.place.height if isinstance(sample, Sample) else None,
            frames=sample.frames if isinstance(sample, Sample) else None,
            plain=_url(_plain(sample)) if plain else None,
            overlay=_url(drawn),
        )


def _threshold(predictor: Predictor, score: float) -> Threshold:
    return Threshold(score=score, probability=float(predictor.calibrate(np.array([score]))[0]))


def _plain(sample: Sample | Rejected) -> Image.Image | None:
    if isinstance(sample, Rejected) or sample.grey is None:
        return None
    place = at_most(sample.place, PICTURE_SIDE)
    return Image.fromarray(resize(sample.grey, place.width, place.height))


def _url(picture: Image.Image | None) -> str | None:
    if picture is None:
        return None
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=1)
    return f"data:image/png;base64,{b64encode(stream.getvalue()).decode()}"
