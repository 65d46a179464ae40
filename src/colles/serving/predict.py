"""Inputs to a table of answers: what `colles predict` does, and what others may call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from colles.core.errors import OutputExistsError, UsageError
from colles.core.files import refuse_existing, remove
from colles.core.progress import track
from colles.core.stopping import StopOnSignal
from colles.serving.apart import assert_apart
from colles.serving.bundle import Bundle
from colles.serving.decode import OnHeader
from colles.serving.inputs import ImageList, Source
from colles.serving.journal import Answered, Journal, left_behind, read_rows
from colles.serving.output import Tally, as_utf8, assert_writable, save_predictions
from colles.serving.prediction import Prediction
from colles.serving.predictor import Batch, Precision, Predictor

_WITH_BOXES = (".json", ".jsonl")


def prepare_output(
    out: Path, bundle: str, *, resume: bool = False, overwrite: bool = False, gate: bool = True
) -> Answered | None:
    """Check that a table may be written, and return earlier answers where they are to be kept.

    `bundle` is what rows call it (`answers_as`); without the `gate` refused images are to be judged again. Raise
    `OutputExistsError` where a table, or the journal of a killed run, is there and neither `resume` nor `overwrite`
    says what to do with it, or where another process is writing it, `UsageError` where both do; `StaleInputError` where
    its answers are another bundle's.
    """
    assert_writable(out)
    if resume and overwrite:
        text = "keeps the answers that --overwrite throws away"
        raise UsageError(text, field="--resume", repair="Give one of the two")
    Journal(out).assert_free()
    journal = left_behind(out)
    if overwrite:
        remove(Journal(out).path)
        return None
    if not resume:
        refuse_existing(out, "Add --resume to go on, --overwrite to start again, or choose another --out")
        if journal:
            text = "answers of a run that was killed lie beside it"
            raise OutputExistsError(text, path=out, repair="Add --resume to go on, or --overwrite to start again")
        return None
    answered = Answered(bundle, gate=gate)
    if out.is_file() and not (journal and Journal(out).replaces_table()):
        answered.add(read_rows(out), out)
    if journal:
        answered.add(Journal(out).rows(), journal)
    return answered


def predict_to_table(
    predictor: Predictor,
    images: ImageList,
    out: Path,
    *,
    answered: Answered | None = None,
    batch: Batch = "auto",
    overlays: Path | None = None,
    on_header: OnHeader | None = None,
) -> Tally:
    """Judge images and write a row each in their order; an unreadable file is a row too.

    JSON tables have candidate boxes where the bundle has a location map. `on_header` as in `predict_paths`. A signal to
    stop leaves a valid table of what was answered. Raise `MissingInputError` where an input holds no image at all,
    `UsageError` where `overlays` is no folder apart from the images.
    """
    if overlays is not None:
        for path in images.named():
            assert_apart(overlays, path)
    pending = Pending(images, answered)
    total = sum(1 for _ in pending)
    boxes = out.suffix.lower() in _WITH_BOXES
    answers = predictor.predict_paths(
        pending,
        batch=batch,
        overlays=overlays,
        boxes=boxes,
        on_header=on_header,
        drawn=() if answered is None else answered.paths(),
    )
    return write_answers(answers, images, out, answered=answered, total=total)


def predict_to_table_with_ray(
    bundle: Bundle,
    images: ImageList,
    out: Path,
    *,
    answered: Answered | None = None,
    batch: Batch = "auto",
    gate: bool = True,
    precision: Precision = "fp32",
) -> Tally:
    """Write the same table, computed by a Ray cluster."""
    from colles.serving.ray_engine import predict_with_ray

    pending = list(Pending(images, answered))
    answers = predict_with_ray(
        bundle,
        pending,
        batch=None if batch == "auto" else batch,
        gate=gate,
        precision=precision,
        boxes=out.suffix.lower() in _WITH_BOXES,
    )
    return write_answers(answers, images, out, answered=answered, total=len(pending))


def write_answers(
    answers: Iterable[Prediction], images: ImageList, out: Path, *, answered: Answered | None, total: int
) -> Tally:
    """Write answers on the images without an earlier one, and the earlier ones, in the images' order."""
    with StopOnSignal() as stop:
        shown = track(stop.each(answers), "predict", total=total)
        return save_predictions(shown, out, paths=images, answered=answered)


class Pending:
    """The images without an earlier answer; each pass over it finds them anew."""

    def __init__(self, images: ImageList, answered: Answered | None) -> None:
        self._images, self._answered = images, answered

    def __iter__(self) -> Iterator[Source]:
        for image in self._images:
            if self._answered is None or as_utf8(str(image)) not in self._answered:
                yield image
