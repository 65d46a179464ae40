"""What an evaluation found: the typed form of `evaluation.json`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError

from colles.core.errors import TableError
from colles.core.files import read_json, write_json
from colles.core.records import Estimate, OperatingPoint, Record
from colles.evaluation.aggregation import Aggregation
from colles.evaluation.calibration import Calibrator
from colles.evaluation.metrics.confusion import Confusion

SCHEMA_VERSION = 2
_REPORTED_FIRST = ("test", "external")
_REPORTED_LAST = ("val", "train")


class PredictionsSummary(Record):
    """The table that was judged."""

    digest: str
    n: int
    """Rows, unlabelled ones included."""
    columns: tuple[str, ...]


class AtPrevalence(Record):
    """What a call is worth where fractures are rarer or more common than here (Bayes' rule)."""

    prevalence: float
    ppv: Estimate
    npv: Estimate


class PointResult(Record):
    """What a subset shows at an operating point."""

    threshold: float
    confusion: Confusion
    figures: dict[str, Estimate]
    chosen_here: bool = False
    """True where this subset's own labels chose the threshold: the figures flatter."""
    at_prevalence: tuple[AtPrevalence, ...] = ()
    """PPV and NPV where another share of patients has a fracture; empty for subgroups."""


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


class Condition(Subgroup):
    """The same images under a perturbation; `value` is the condition's name, such as `noise 2`.

    `figures` holds `auroc` and, where the same images stand unchanged in the table, `auroc_unchanged` of those and
    `auroc_change` (this minus unchanged); every operating point holds `flips`, the share of decisions that changed.
    """

    kind: str
    """The name without its strength, such as `noise`."""
    strength: int | None
    """1, 2, 3 … from mild to strong; None where the name has no number."""


class Level(Record):
    """Studies or patients as the units: several images, one score, one decision."""

    unit: Literal["study", "patient"]
    aggregation: Aggregation
    """How the images' scores become one: the largest AUROC on `chosen_on`."""
    chosen_on: str
    candidates: dict[Aggregation, Estimate]
    """AUROC of every aggregation on `chosen_on`."""
    operating_points: dict[str, OperatingPoint]
    """Thresholds on the unit's score."""
    calibration: Calibrator | None
    subsets: dict[str, SubsetResult]
    """`n` counts units; `n_groups` the groups that they lie in."""
    images_per_unit: float
    """Mean over all subsets judged."""


def reported_subset(names: Iterable[str]) -> str | None:
    """Return the subset whose figures count: test, else external, else one of another name, else val, else train."""
    there = list(names)
    own = [name for name in there if name not in _REPORTED_LAST]
    return next((name for name in (*_REPORTED_FIRST, *own, *_REPORTED_LAST) if name in there), None)


class Evaluation(Record):
    """Every figure of every subset, subgroup and operating point."""

    schema_version: int = SCHEMA_VERSION
    predictions: PredictionsSummary
    operating_points: dict[str, OperatingPoint]
    calibration: Calibrator | None
    """None: `brier`, `ece`, slope and intercept judge the score itself."""
    subsets: dict[str, SubsetResult]
    subgroups: tuple[Subgroup, ...] = ()
    robustness: tuple[Condition, ...] = ()
    """Empty where the predictions have no column `condition`."""
    levels: dict[str, Level] = Field(default_factory=dict)
    """`study`, `patient`: empty where no column names them or each has one image."""
    optimism: dict[str, dict[str, Estimate]] = Field(default_factory=dict)
    """Operating point → figure → val minus test, for figures that both define."""
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
