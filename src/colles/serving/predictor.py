"""Answers of a bundle on many images: decoded ahead in threads, computed in batches, in input order. No torch."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colles.core.errors import UsageError
from colles.imaging.preprocess import to_input
from colles.serving.bundle import MODEL, Bundle
from colles.serving.decision import DecisionRule
from colles.serving.decode import ImageLike, Sample, Unreadable, decode, path_of
from colles.serving.filenames import unique_stems
from colles.serving.location import location_heat, save_overlay
from colles.serving.prediction import Prediction
from colles.serving.session import Session, usable_cpus

__all__ = ["Prediction", "Predictor"]
_DECODERS = 4
"""Decoding threads at most: more wait for each other rather than for the disk."""


class Predictor:
    """Judge images by a bundle. Threads may share it."""

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        """Prepare; `threads` computing threads, one a usable core by default."""
        self.bundle = bundle
        self.recipe = bundle.metadata.preprocessing
        self.rule = DecisionRule.from_operating_points(bundle.metadata.operating_points)
        self._threads = threads
        self._lock = threading.Lock()
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """The ONNX session, started when it is first needed."""
        with self._lock:
            if self._session is None:
                graph, name = self.bundle.read(MODEL), str(self.bundle.folder / MODEL)
                self._session = Session(graph, self.recipe, threads=self._threads, name=name)
            return self._session

    def predict(self, image: ImageLike, *, heat: bool = False) -> Prediction:
        """Judge one image: a path, encoded bytes, a numpy array (H, W) or (H, W, 3), or a Pillow image."""
        (answer,) = self._answer([image], [decode(image, self.recipe)], heat)
        return answer

    def predict_batch(self, images: Sequence[ImageLike], *, batch: int = 8, heat: bool = False) -> list[Prediction]:
        """Judge several images, in their order."""
        return [answer for answer, _ in self._pairs(images, batch, heat)]

    def predict_paths(
        self,
        paths: Sequence[str | Path],
        *,
        batch: int = 8,
        overlays: str | Path | None = None,
        heat: bool = False,
    ) -> Iterator[Prediction]:
        """Yield an answer a path, in their order; unreadable files are answers too.

        `overlays` is a folder for a picture a readable image, named after it. `heat` keeps the maps on the answers.
        Raise `UsageError` where pictures are asked for and the bundle has no location map.
        """
        if overlays is None:
            return (answer for answer, _ in self._pairs(paths, batch, heat))
        if "cam" not in self.session.outputs:
            raise UsageError(
                f"the bundle {self.bundle.name} has no location map to draw",
                field="--overlays",
                repair="Use colles explain --method input_gradient",
            )
        return self._with_overlays(paths, batch, Path(overlays), heat)

    def _with_overlays(self, paths: Sequence[str | Path], batch: int, folder: Path, heat: bool) -> Iterator[Prediction]:
        pairs = self._pairs(paths, batch, True, keep_grey=True)
        for stem, (answer, sample) in zip(unique_stems(paths), pairs, strict=True):
            if isinstance(sample, Sample) and sample.grey is not None:
                save_overlay(answer, sample.grey, folder / f"{stem}.png")
            yield answer if heat else replace(answer, heat=None)

    def _pairs(
        self, images: Sequence[ImageLike], batch: int, heat: bool, *, keep_grey: bool = False
    ) -> Iterator[tuple[Prediction, Sample | Unreadable]]:
        with closing(self._decode_ahead(images, 2 * batch, keep_grey)) as ahead:
            for start in range(0, len(images), batch):
                chunk = images[start : start + batch]
                samples = list(islice(ahead, len(chunk)))
                yield from zip(self._answer(chunk, samples, heat), samples, strict=True)

    def _decode_ahead(
        self, images: Sequence[ImageLike], ahead: int, keep_grey: bool
    ) -> Generator[Sample | Unreadable, None, None]:
        # The queue is bounded, so that memory does not grow with the number of files.
        pool = ThreadPoolExecutor(min(_DECODERS, usable_cpus(), max(1, len(images))), "decode")
        waiting: deque[Future[Sample | Unreadable]] = deque()
        try:
            for image in images:
                waiting.append(pool.submit(decode, image, self.recipe, keep_grey=keep_grey))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _answer(
        self, images: Sequence[ImageLike], samples: Sequence[Sample | Unreadable], heat: bool
    ) -> list[Prediction]:
        readable = [sample for sample in samples if isinstance(sample, Sample)]
        judged = iter(self._judge(readable, heat) if readable else [])
        return [
            replace(next(judged), path=path_of(image))
            if isinstance(sample, Sample)
            else self._unreadable(path_of(image), sample)
            for image, sample in zip(images, samples, strict=True)
        ]

    def _judge(self, samples: Sequence[Sample], heat: bool) -> list[Prediction]:
        started = time.perf_counter()
        batch = to_input(np.stack([sample.canvas for sample in samples]), self.recipe)
        outputs = self.session.run(batch, cam=heat)
        probability = self.calibrate(outputs.score)
        share = (time.perf_counter() - started) / len(samples)
        return [
            Prediction(
                path=None,
                status="ok",
                reason=None,
                score=float(score),
                probability=float(probability[number]),
                decision=self.rule.decide(float(score)),
                bundle=self.bundle.name,
                seconds=round(sample.seconds + share, 4),
                heat=None if outputs.cam is None else location_heat(outputs.cam[number], sample.place),
            )
            for number, (score, sample) in enumerate(zip(outputs.score, samples, strict=True))
        ]

    def calibrate(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated probability of scores (N,); the score itself where the bundle has no calibration."""
        calibration = self.bundle.metadata.calibration
        return score if calibration is None else calibration.transform(score)

    def _unreadable(self, path: str | None, sample: Unreadable) -> Prediction:
        return Prediction(
            path=path,
            status="unreadable",
            reason=sample.reason,
            score=None,
            probability=None,
            decision=None,
            bundle=self.bundle.name,
            seconds=round(sample.seconds, 4),
        )
