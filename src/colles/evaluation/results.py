"""What an evaluation found: the typed form of `evaluation.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError

from colles.core.errors import TableError
from colles.core.files import read_json, write_json
from colles.core.records import Estimate, OperatingPoint, Record
from colles.evaluation.calibration import Calibrator
from colles.evaluation.metrics.confusion import Confusion

SCHEMA_VERSION = 1


class PredictionsSummary(Record):
    """The table that was judged."""

    digest: str
    n: int
    """Rows, unlabelled ones included."""
    columns: tuple[str, ...]


class PointResult(Record):
    """What a subset shows at an operating point."""

    threshold: float
    confusion: Confusion
    figures: dict[str, Estimate]
    chosen_here: bool = False
    """True where this subset's own labels chose the threshold: the figures flatter."""


class SubsetResult(Record):
    """Figures and curves of one subset."""

    n: int
    n_positive: int
    n_groups: int
    figures: dict[str, Estimate]
    operating_points: dict[str, PointResult]
    curves: dict[str, dict[str, list[Any]]]


class Subgroup(Record):
    """Figures of a part of a subset."""

    subset: str
    column: str
    value: str
    n: int
    n_positive: int
    n_groups: int
    figures: dict[str, Estimate]
    operating_points: dict[str, PointResult]
    warning: str | None = None


class Evaluation(Record):
    """Every figure of every subset, subgroup and operating point."""

    schema_version: int = SCHEMA_VERSION
    predictions: PredictionsSummary
    operating_points: dict[str, OperatingPoint]
    calibration: Calibrator | None
    """None: `brier`, `ece`, slope and intercept judge the score itself."""
    subsets: dict[str, SubsetResult]
    subgroups: tuple[Subgroup, ...] = ()
    optimism: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Operating point → figure → val minus test."""
    warnings: tuple[str, ...] = ()

    def save(self, path: str | Path) -> Path:
        """Write evaluation.json."""
        return write_json(path, self.model_dump(mode="json"))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read evaluation.json; raise `TableError` where it is not one."""
        try:
            return cls.model_validate(read_json(path))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise TableError(
                f"not an evaluation ({first['msg']})", path=path, field=place, repair="Make it again: colles evaluate"
            ) from error
