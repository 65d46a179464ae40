"""From canvases to answers: the network, the calibration, the thresholds, and the gate before all of them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from colles.imaging.heatmap import at_most
from colles.imaging.preprocess import Placement, to_input
from colles.serving.bundle import Bundle
from colles.serving.checks import refuse_look
from colles.serving.decision import DecisionRule
from colles.serving.decode import ImageLike, Rejected, Sample, path_of
from colles.serving.gate import Gate
from colles.serving.location import located, location_heat
from colles.serving.prediction import Prediction
from colles.serving.session import Session


class Judge:
    """Judge decoded images by a bundle. Threads may share it."""

    def __init__(self, bundle: Bundle, gate: Gate | None, name: str) -> None:
        """`gate` None answers whatever is shown; `name` is the bundle's on the answers."""
        self.bundle, self.gate, self.name = bundle, gate, name
        self.recipe = bundle.metadata.preprocessing
        self.rule = DecisionRule.from_operating_points(bundle.metadata.operating_points)

    def answer(
        self,
        images: Sequence[ImageLike],
        samples: Sequence[Sample | Rejected],
        session: Session,
        *,
        heat: bool = False,
        boxes: bool = False,
        longest: int | None = None,
    ) -> list[Prediction]:
        """Return an answer an image; `heat` and `boxes` add what the location map says, where the graph has one.

        Heat maps have the image's size, or where that is more, `longest` pixels along the longer side.
        """
        looks = [sample if isinstance(sample, Rejected) else self._look(sample) for sample in samples]
        shown = [sample for sample in looks if isinstance(sample, Sample)]
        judged = iter(self._judge(shown, session, heat, boxes, longest) if shown else [])
        return [
            replace(
                _told(next(judged), sample) if isinstance(sample, Sample) else self.reject(sample), path=path_of(image)
            )
            for image, sample in zip(images, looks, strict=True)
        ]

    def calibrate(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated probability of scores (N,); the score itself where the bundle has no calibration."""
        calibration = self.bundle.metadata.calibration
        return score if calibration is None else calibration.transform(score)

    def _look(self, sample: Sample) -> Sample | Rejected:
        reason = (sample.refusal or refuse_look(sample.look)) if self.gate else None
        return Rejected("refused", reason, sample.seconds) if reason else sample

    def _judge(
        self, samples: Sequence[Sample], session: Session, heat: bool, boxes: bool, longest: int | None
    ) -> list[Prediction]:
        started = time.perf_counter()
        batch = to_input(np.stack([sample.canvas for sample in samples]), self.recipe)
        outputs = session.run(batch, cam=heat or boxes, embedding=self.gate is not None)
        probability = self.calibrate(outputs.score)
        refusals: Sequence[str | None] = [None] * len(samples)
        if self.gate is not None:
            assert outputs.embedding is not None  # the predictor has checked that the graph gives one
            refusals = self.gate.refuse(outputs.embedding)
        share = (time.perf_counter() - started) / len(samples)
        told = zip(outputs.score.tolist(), probability.tolist(), refusals, samples, strict=True)
        answers = [
            self._answered(score, chance, refusal, sample.seconds + share) for score, chance, refusal, sample in told
        ]
        if outputs.cam is None:
            return answers
        return [
            _located(answer, cam, sample.place, heat, boxes, longest) if answer.status == "ok" else answer
            for answer, cam, sample in zip(answers, outputs.cam, samples, strict=True)
        ]

    def _answered(self, score: float, probability: float, refusal: str | None, seconds: float) -> Prediction:
        if refusal:
            return self.reject(Rejected("refused", refusal, seconds))
        if not (math.isfinite(score) and math.isfinite(probability)):
            return self.reject(Rejected("unreadable", "the network gives no number", seconds))
        return Prediction(
            path=None,
            status="ok",
            reason=None,
            score=score,
            probability=probability,
            decision=self.rule.decide(score),
            bundle=self.name,
            seconds=round(seconds, 4),
        )

    def reject(self, sample: Rejected) -> Prediction:
        """Return the answer on an image that is not shown to the network."""
        return Prediction(
            path=None,
            status=sample.status,
            reason=sample.reason,
            score=None,
            probability=None,
            decision=None,
            bundle=self.name,
            seconds=round(sample.seconds, 4),
        )


def _located(
    answer: Prediction, cam: NDArray[np.float32], place: Placement, heat: bool, boxes: bool, longest: int | None
) -> Prediction:
    drawn = place if longest is None else at_most(place, longest)
    return replace(
        answer,
        heat=location_heat(cam, drawn) if heat else None,
        boxes=located(cam, place) if boxes else None,
    )


def _told(answer: Prediction, sample: Sample) -> Prediction:
    """Say of how many pictures the first was judged, where it was not the only one."""
    if sample.frames == 1 or answer.reason is not None:
        return answer
    return replace(answer, reason=f"only the first of its {sample.frames} pictures was judged")
