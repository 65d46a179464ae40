"""A site's own labelled images: the table, and what a bundle says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from colles.core.errors import CheckError, MissingInputError, TableError
from colles.core.files import sha256_file
from colles.core.progress import say, track
from colles.core.tables import read_table
from colles.datasets.sources.columns import with_known_names
from colles.evaluation.labels import parse_labels
from colles.evaluation.predictions import Predictions
from colles.imaging.preprocess import to_input
from colles.serving.decode import Sample, decode
from colles.serving.prediction import Prediction
from colles.serving.predictor import Predictor

SITE = "site"
"""The subset's name: neither val nor test of the training."""
_IDS = ("group_id", "study_id", "patient_id")
_BATCH = 8


@dataclass(frozen=True, eq=False)
class SiteLabels:
    """Labelled images of one site."""

    frame: pl.DataFrame
    """path (absolute), y_true, and of group_id, study_id, patient_id those that are given."""
    digest: str
    """sha256 of the file."""
    unlabelled: int


@dataclass(frozen=True, eq=False)
class SiteAnswers:
    """What a bundle says of a site's images, and of how many it says nothing."""

    predictions: Predictions
    """Of the subset `site`."""
    unreadable: int
    refused: int
    """By the gate."""


def load_site_labels(path: str | Path) -> SiteLabels:
    """Read `path, label[, group][, study_id][, patient_id]`; relative paths are taken from the table's folder.

    Raise `TableError` for labels that are not understood, images named twice or labels of one class only.
    """
    file = Path(path)
    table = read_table(file, ("path", "label"), as_text=True)
    table = with_known_names(table, ("path", "label", *_IDS), file).rename({"label": "y_true"})
    try:
        table = table.with_columns(y_true=parse_labels(table["y_true"]))
    except TableError as error:
        raise TableError(error.message, path=file, field="label", repair=error.repair) from error
    table = table.select("path", "y_true", *(name for name in _IDS if name in table.columns))
    missing = int(table["path"].null_count())
    if missing:
        raise TableError(f"{missing} rows have no path", path=file, field="path", repair="Name a file on every row")
    full = [str((file.parent / name).absolute()) for name in table["path"].to_list()]
    table = table.with_columns(path=pl.Series(full, dtype=pl.String))
    twice = table.filter(pl.col("path").is_duplicated())
    if twice.height:
        raise TableError(f"{twice['path'].n_unique()} images stand on more than one row, first {twice['path'][0]!r}",
                         path=file, field="path", repair="Keep one row an image")  # fmt: skip
    labelled = table.filter(pl.col("y_true").is_not_null())
    if labelled["y_true"].n_unique() < 2:
        raise TableError("needs labels of both classes", path=file, field="label", repair="Add images of the other")
    return SiteLabels(labelled, sha256_file(file), table.height - labelled.height)


def judge_site(predictor: Predictor, labels: SiteLabels) -> SiteAnswers:
    """Return the bundle's scores of the labelled images, without those that cannot be read and those that it refuses.

    Raise `MissingInputError` where none is left, `CheckError` where a tenth or more could not be read: what is left
    would no longer be the site's images. Refused ones do not count for that: no threshold will ever meet them.
    """
    paths = labels.frame["path"].to_list()
    answers = answers_on(predictor, paths, "judge")
    scores = [answer.score for answer in answers]
    reasons = [f"{answer.path}: {answer.reason}" for answer in answers if answer.score is None]
    if len(reasons) == len(paths):
        raise MissingInputError(f"none of {len(paths)} images could be judged; first {reasons[0]}",
                                repair="Check the column path; --no-gate judges what the bundle refuses")  # fmt: skip
    unreadable = [f"{answer.path}: {answer.reason}" for answer in answers if answer.status == "unreadable"]
    _refuse_many(unreadable, len(paths))
    frame = labels.frame.rename({"path": "image_id"}).with_columns(y_score=pl.Series(scores, dtype=pl.Float64))
    readable = frame.filter(pl.col("y_score").is_not_null()).with_columns(subset=pl.lit(SITE))
    return SiteAnswers(Predictions(readable), len(unreadable), len(reasons) - len(unreadable))


def learned_from(predictor: Predictor, paths: Sequence[str]) -> int:
    """Count the images that the bundle learned from, as far as its gate keeps them; 0 where it answers without one."""
    gate, session, recipe = predictor.judge.gate, predictor.session, predictor.recipe
    if gate is None:
        return 0
    samples = [sample for path in paths if isinstance(sample := decode(path, recipe), Sample)]
    embeddings = [session.run(to_input(sample.canvas[None], recipe), embedding=True).embedding for sample in samples]
    return sum(int(gate.keeps(embedding)[0]) for embedding in embeddings if embedding is not None)


def answers_on(predictor: Predictor, paths: Sequence[str], what: str) -> list[Prediction]:
    """Return an answer a path, in their order, behind a progress bar named `what`."""
    return list(track(predictor.predict_paths(paths, batch=_BATCH), what, total=len(paths)))


def _refuse_many(reasons: Sequence[str], total: int) -> None:
    for reason in reasons:
        say(f"left out: {reason}")
    if reasons and 10 * len(reasons) >= total:
        raise CheckError(f"{len(reasons)} of {total} images could not be judged, a tenth or more",
                         repair="They are named above: mend or remove those rows")  # fmt: skip
