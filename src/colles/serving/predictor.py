"""Answers of a bundle on many images: read and computed in a few threads, in input order. No torch."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image

from colles.core.errors import UsageError
from colles.core.machine import usable_cpus
from colles.serving.bundle import INT8_MODEL, MODEL, Bundle
from colles.serving.decode import ImageLike, OnHeader, Rejected, Sample, decode
from colles.serving.gate import Gate
from colles.serving.inputs import Source
from colles.serving.judge import Judge
from colles.serving.known_answer import assert_known
from colles.serving.location import Overlays
from colles.serving.pipeline import BatchSizes, in_order
from colles.serving.prediction import UNDRAWN, Prediction
from colles.serving.session import Session

Batch = int | Literal["auto"]
Precision = Literal["fp32", "int8"]


def answers_as(bundle: Bundle, precision: Precision) -> str:
    """Return what answers call a bundle: its name, with `+int8` behind it where its 8-bit network gave them."""
    return bundle.name if precision == "fp32" else f"{bundle.name}+{precision}"


class Predictor:
    """Judge images by a bundle. Threads may share it."""

    def __init__(
        self, bundle: Bundle, threads: int | None = None, *, gate: bool = True, precision: Precision = "fp32"
    ) -> None:
        """Prepare; `threads` computing threads, one a usable core by default.

        `gate` false answers also on pictures that are no radiographs. Raise `UsageError` for `int8` where the bundle
        has none.
        """
        _assert_settings(threads, precision)
        self.bundle = bundle
        self.recipe = bundle.metadata.preprocessing
        self.workers, self.precision = threads or usable_cpus(), precision
        self._graph = MODEL if precision == "fp32" else INT8_MODEL
        if self._graph not in bundle.manifest.files:
            raise UsageError(
                f"the bundle {bundle.name} has no int8 network",
                field="precision",
                repair="Use fp32; `colles bundle show` says why there is none",
            )
        self.judge = Judge(bundle, Gate.of(bundle) if gate else None, answers_as(bundle, precision))
        self.calibrate, self.rule = self.judge.calibrate, self.judge.rule
        self._lock = threading.Lock()
        self._sessions: dict[int, Session] = {}

    @property
    def session(self) -> Session:
        """The session for one image at a time: all threads work on it."""
        return self._session(self.workers)

    def _session(self, threads: int) -> Session:
        with self._lock:
            if threads not in self._sessions:
                graph, name = self.bundle.read(self._graph), str(self.bundle.folder / self._graph)
                session = Session(graph, self.recipe, threads=threads, name=name)
                if self.judge.gate is not None:
                    self.judge.gate.assert_fits(session.embedding_width, name)
                if self._graph == INT8_MODEL:
                    assert_known(session, self.recipe, self.bundle.metadata.int8, name)
                self._sessions[threads] = session
            return self._sessions[threads]

    def warm_up(self) -> None:
        """Load the network that threads share; raise `BundleError` where that fails, before any image waits for it."""
        self._session(1)

    def predict(self, image: ImageLike, *, heat: bool = False, boxes: bool = False) -> Prediction:
        """Judge one image: a path, encoded bytes, a numpy array (H, W) or (H, W, 3), or a Pillow image."""
        sample = decode(image, self.recipe)
        (answer,) = self.judge.answer([image], [sample], self.session, heat=heat, boxes=boxes)
        return answer

    def explain(
        self, image: ImageLike, *, heat: bool = True, longest: int | None = None, on_header: OnHeader | None = None
    ) -> tuple[Prediction, Sample | Rejected]:
        """Judge one image on the calling thread alone, with boxes, and return it with its grey picture.

        Heat maps have the image's size, or where that is more, `longest` pixels along the longer side.
        """
        sample = decode(image, self.recipe, keep_grey=True, on_header=on_header)
        session = self._session(1)
        (answer,) = self.judge.answer([image], [sample], session, heat=heat, boxes=True, longest=longest)
        return answer, sample

    def predict_batch(
        self, images: Iterable[ImageLike], *, batch: Batch = "auto", heat: bool = False, boxes: bool = False
    ) -> list[Prediction]:
        """Judge several images, in their order."""
        return list(self.stream(images, batch=batch, heat=heat, boxes=boxes))

    def stream(
        self, images: Iterable[ImageLike], *, batch: Batch = "auto", heat: bool = False, boxes: bool = False
    ) -> Generator[Prediction, None, None]:
        """Yield answers in the images' order while they come; unreadable files are answers too.

        No more than a few batches are held, so `images` may be endless. Close the generator to stop early.
        """
        return self._in_order(images, batch, heat, boxes)

    def predict_paths(
        self,
        paths: Iterable[Source],
        *,
        batch: Batch = "auto",
        overlays: str | Path | None = None,
        heat: bool = False,
        boxes: bool = False,
        on_header: OnHeader | None = None,
        drawn: Iterable[str] = (),
    ) -> Iterator[Prediction]:
        """Yield an answer a path, in their order.

        `overlays` is a folder for a picture a readable image, named after it; `paths` is then gone through twice, and
        the `reason` of an answer says why there is no picture. `heat` keeps the maps on the answers. `on_header` is
        given each DICOM file's path and data set, in the thread that reads it. `drawn` are paths of which pictures lie
        in the folder already: none takes the name of one of theirs. Raise `UsageError` where pictures are asked for and
        the bundle has no location map, or one of the paths lies in the folder for them.
        """
        if overlays is None:
            return self._in_order(paths, batch, heat, boxes, on_header=on_header)
        if "cam" not in self._session(1).outputs:
            raise UsageError(
                f"the bundle {self.bundle.name} has no location map to draw",
                field="--overlays",
                repair="Use colles explain --method input_gradient",
            )
        paths = list(paths) if isinstance(paths, Iterator) else paths
        pictures = Overlays(Path(overlays), paths, kind=self.bundle.metadata.model.get("map"), before=drawn)
        return self._in_order(paths, batch, heat, boxes, overlays=pictures, on_header=on_header)

    def _in_order(
        self,
        images: Iterable[ImageLike],
        batch: Batch,
        heat: bool,
        boxes: bool,
        *,
        overlays: Overlays | None = None,
        on_header: OnHeader | None = None,
    ) -> Generator[Prediction, None, None]:
        _assert_several(images)
        # Each worker computes on one thread of its own: no core waits for another, and reading hides behind computing.
        session = self._session(1)

        def work(chunk: list[ImageLike]) -> list[Prediction]:
            if overlays is None:
                samples = [decode(image, self.recipe, on_header=on_header) for image in chunk]
                return self.judge.answer(chunk, samples, session, heat=heat, boxes=boxes)
            # One after the other: a map of the image's size takes many times the room of its canvas.
            answers = (self._drawn(image, overlays, on_header) for image in chunk)
            return [
                replace(answer, heat=answer.heat if heat else None, boxes=answer.boxes if boxes else None)
                for answer in answers
            ]

        sizes = BatchSizes(None if batch == "auto" else batch, side=self.recipe.size)
        return in_order(images, work, sizes, self.workers)

    def _drawn(self, image: ImageLike, overlays: Overlays, on_header: OnHeader | None) -> Prediction:
        answer, sample = self.explain(image, on_header=on_header)
        try:
            overlays.draw(answer, sample)
        except Exception as error:  # one picture among a million must not end the run; its row says what happened
            told = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            return replace(answer, reason=f"{UNDRAWN} ({told})")
        return answer


def _assert_settings(threads: object, precision: object) -> None:
    if precision not in get_args(Precision):
        raise UsageError(f"{precision!r} is none", field="precision", repair="Use 'fp32' or 'int8'")
    if threads is not None and not (isinstance(threads, int | np.integer) and threads > 0):
        raise UsageError(f"{threads!r} is none", field="threads", repair="Use 1 or more; None is one a core")


def _assert_several(images: object) -> None:
    # Text and bytes can be gone through, by letters, and an array by its rows: each would be an answer.
    array = isinstance(images, np.ndarray) and (images.ndim < 3 or (images.ndim == 3 and images.shape[2] == 3))
    if array or isinstance(images, str | bytes | Path | Image.Image):
        raise UsageError("this is one image and not several", repair="Put it into a list, or use predict")
