"""What a server says of its bundle: what it is for, how it decides, and how well, on which data."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, ValidationError

from colles.core.errors import BundleError
from colles.core.limits import MAX_BYTES, MAX_PIXELS
from colles.core.records import Estimate, OperatingPoint, Record, doubt
from colles.serving.bundle import METADATA, Bundle
from colles.serving.card import limits_of, own_points
from colles.serving.predictor import Predictor

MARKS = (
    "The colours on a picture tell how likely the network holds a fracture at each place, full from 0.3 on; corners "
    "stand around the likeliest places, three at most, and none where no fracture is seen."
)
"""Of a bundle with a location map."""


class Measured(Record):
    """Figures with their intervals, and what they were measured on."""

    subset: str
    n: int | None = None
    n_positive: int | None = None
    n_groups: int | None = None
    figures: dict[str, Estimate] = Field(default_factory=dict)
    operating_points: dict[str, dict[str, Estimate]] = Field(default_factory=dict)
    """By name of the point, then of the figure."""

    @classmethod
    def of(cls, bundle: Bundle, field: Literal["evaluation", "external"]) -> Self | None:
        """Take what a field of a bundle's metadata holds; None where it holds nothing.

        Raise `BundleError` where that has another form.
        """
        found = getattr(bundle.metadata, field)
        if not found:
            return None
        try:
            return cls.model_validate({name: found[name] for name in cls.model_fields if name in found})
        except ValidationError as error:
            where = "/".join(map(str, error.errors()[0]["loc"]))
            text, repair = f"figures of another form ({where})", "Export again with an evaluation"
            raise BundleError(text, path=bundle.folder / METADATA, field=field, repair=repair) from error


class Point(OperatingPoint):
    """An operating point, and where it lies on the scale of probabilities."""

    probability: float


class About(Record):
    """Everything that a reader of an answer may want to know of what gave it."""

    name: str
    version: str
    answers_as: str
    """What answers call it."""
    manifest_sha256: str
    intended_use: str
    limits: tuple[str, ...]
    notes: tuple[str, ...]
    """Sentences that weaken the figures; none where nothing does."""
    gate: bool
    """Whether it refuses pictures unlike the radiographs it learned from."""
    decides_by: tuple[str, str]
    """Names of the points that rule out and rule in."""
    operating_points: dict[str, Point]
    sources: tuple[dict[str, Any], ...]
    """What it learned from, as far as its metadata say."""
    measured: Measured | None
    """On data of the same sources that it did not learn from; of a recalibrated bundle, on the site's images."""
    external: Measured | None
    """On a set that it never saw."""
    max_bytes: int = MAX_BYTES
    """Of one file."""
    max_pixels: int = MAX_PIXELS

    @classmethod
    def of(cls, predictor: Predictor) -> Self:
        """Take it from the predictor's bundle."""
        bundle, told = predictor.bundle, predictor.bundle.metadata
        gate = predictor.judge.gate is not None
        points = {
            name: Point(**point.model_dump(), probability=float(predictor.calibrate(np.array([point.threshold]))[0]))
            for name, point in told.operating_points.items()
        }
        return cls(
            name=told.name,
            version=told.version,
            answers_as=predictor.judge.name,
            manifest_sha256=bundle.manifest_sha256,
            intended_use=told.intended_use,
            limits=(
                *limits_of(told if gate else told.model_copy(update={"gate": None})),
                *((MARKS,) if told.model.get("map") == "location" else ()),
            ),
            notes=tuple(_notes(predictor)),
            gate=gate,
            decides_by=predictor.rule.points,
            operating_points=points,
            sources=tuple(told.training.get("sources") or ()),
            measured=Measured.of(bundle, "evaluation"),
            external=Measured.of(bundle, "external"),
        )


def _notes(predictor: Predictor) -> list[str]:
    told, found = predictor.bundle.metadata, Measured.of(predictor.bundle, "evaluation")
    unknown = "It was not evaluated on a test set: nothing is known of its worth."
    notes = [unknown if found is None else doubt(found.figures.get("auroc"))]
    if told.training.get("simulated"):
        notes.append("All radiographs that it learned from were simulated: its figures say nothing of patients.")
    if found is not None and set(own_points(told)) & set(predictor.rule.points):
        notes.append(f"Its figures flatter: the images of {found.subset} chose its thresholds.")
    if found is not None and predictor.precision == "int8":
        flipped = (told.int8 or {}).get("flipped")
        share = "" if flipped is None else f" and decides {flipped:.2%} of the validation images differently"
        notes.append(f"Its figures are those of the 32-bit network; the 8-bit one answers here{share}.")
    if predictor.judge.gate is None and told.gate is not None:
        notes.append("Its gate is off: it also answers pictures unlike the radiographs that it learned from.")
    return [note for note in notes if note]
