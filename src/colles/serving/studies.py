"""Answers on images to answers on studies: the bundle's own aggregation, calibration and thresholds of a study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np

from colles.core.errors import UsageError
from colles.serving.bundle import Bundle
from colles.serving.decision import Decision, DecisionRule
from colles.serving.inputs import Found
from colles.serving.journal import Row, read_rows
from colles.serving.metadata import StudyMetadata
from colles.serving.output import as_utf8
from colles.serving.prediction import PredictionStatus
from colles.serving.study_ids import StudyIds


@dataclass(frozen=True, slots=True)
class StudyPrediction:
    """What a bundle says of the images of one study."""

    study: str
    unit: str
    """`study` or `patient`: what the bundle was evaluated on."""
    status: PredictionStatus
    """`ok` where at least one image was judged, else `refused` where one was, else `unreadable`."""
    reason: str | None
    """What kept images from being judged, in numbers."""
    images: int
    judged: int
    score: float | None
    """The judged images' scores, aggregated."""
    probability: float | None
    decision: Decision | None
    aggregation: str
    bundle: str


@dataclass
class _Study:
    bundle: str
    """As the rows name it."""
    scores: dict[str, float] = field(default_factory=dict)
    """By path: an image that is named twice counts once."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Statuses of those without a score."""


@dataclass
class StudyTally:
    """What was written of studies."""

    counts: dict[str, int]
    """Studies by status."""
    without: int
    """Images that belong to no study."""

    def __str__(self) -> str:
        named = ", ".join(f"{count} {name}" for name, count in self.counts.items()) or "none"
        alone = f"; {self.without} images belong to none" if self.without else ""
        return f"{sum(self.counts.values())} studies: {named}{alone}"


def study_settings(bundle: Bundle) -> StudyMetadata:
    """Return how a bundle judges studies; raise `UsageError` where it was never evaluated on any."""
    if bundle.metadata.study is None:
        raise UsageError(
            f"{bundle.name} judges images alone: it has no thresholds for studies: none was evaluated, or too few",
            field="--studies",
            repair="Leave --studies out for a row an image. For studies, `colles recalibrate` it on labelled images "
            "with a study_id, or export a run whose val has ten studies of each class",
        )
    return bundle.metadata.study


def judge_studies(rows: Iterable[tuple[str | None, Row]], bundle: Bundle) -> Iterator[StudyPrediction]:
    """Yield an answer a study, in the order of their first images; `rows` are (study, row of an image's answer).

    Rows without a study are left out. Raise `UsageError` as `study_settings` does.
    """
    settings = study_settings(bundle)
    found: dict[str, _Study] = {}
    for name, row in rows:
        if name is not None:
            part = found.setdefault(name, _Study(row["bundle"]))
            if row["score"] is None:
                part.left_out[row["path"]] = row["status"]
            else:
                part.scores[row["path"]] = float(row["score"])
    rule = DecisionRule.from_operating_points(settings.operating_points)
    return (_answer(name, part, settings, rule) for name, part in found.items())


def _answer(name: str, part: _Study, settings: StudyMetadata, rule: DecisionRule) -> StudyPrediction:
    counts = Counter(part.left_out.values())
    reason = ", ".join(f"{count} of {len(part.scores) + len(part.left_out)} images {status}"
                       for status, count in sorted(counts.items()))  # fmt: skip
    score = _aggregate(part.scores, settings.aggregation) if part.scores else None
    return StudyPrediction(
        study=name,
        unit=settings.unit,
        status="ok" if part.scores else "refused" if counts["refused"] else "unreadable",
        reason=reason or None,
        images=len(part.scores) + len(part.left_out),
        judged=len(part.scores),
        score=score,
        probability=None if score is None else _probability(score, settings),
        decision=None if score is None else rule.decide(score),
        aggregation=settings.aggregation,
        bundle=part.bundle,
    )


def _aggregate(scores: Mapping[str, float], how: str) -> float:
    from colles.evaluation.aggregation import Aggregation, aggregate

    values = np.array(list(scores.values()))
    return float(aggregate(values, np.zeros(len(values), np.int64), cast(Aggregation, how))[0])


def _probability(score: float, settings: StudyMetadata) -> float:
    fitted = settings.calibration
    return score if fitted is None else float(fitted.transform(np.array([score]))[0])


def with_studies(images: Iterable[Found], table: Path, ids: StudyIds) -> Iterator[tuple[str | None, Row]]:
    """Yield the rows of a table of answers, each with its study; `images` are gone through where one is looked up."""

    @cache
    def named() -> dict[str, Found]:
        return {as_utf8(str(image)): image for image in images}

    for row in read_rows(table):
        yield ids.of(row["path"], lambda path: named().get(path)), row


def write_studies(images: Iterable[Found], table: Path, ids: StudyIds, bundle: Bundle, out: Path) -> StudyTally:
    """Write a row a study from a finished table of answers; return what was written."""
    import polars as pl

    from colles.core.tables import write_table

    without = 0

    def counted() -> Iterator[tuple[str | None, Row]]:
        nonlocal without
        for name, row in with_studies(images, table, ids):
            without += name is None
            yield name, row

    answers = [asdict(answer) for answer in judge_studies(counted(), bundle)]
    kinds = {"images": pl.Int64, "judged": pl.Int64, "score": pl.Float64, "probability": pl.Float64}
    schema = {name: kinds.get(name, pl.String) for name in StudyPrediction.__dataclass_fields__}
    write_table(pl.DataFrame(answers, schema=schema, orient="row"), out)
    return StudyTally(dict(Counter(str(answer["status"]) for answer in answers)), without)
