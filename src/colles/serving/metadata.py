"""What a bundle says about itself: `metadata.json`, typed."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from colles.core.logistic import sigmoid, to_logit
from colles.core.recipe import PreprocessRecipe
from colles.core.records import Estimate, OperatingPoint

SCHEMA_VERSION = 1
Line = Annotated[str, Field(pattern=r"^\P{Cc}*$")]
"""A text that stands in tables, logs and on terminals: a bundle from elsewhere must not move the cursor there."""
INTENDED_USE = (
    "Research on fracture detection on radiographs, above all of the upper limb. "
    "Research software, not a medical device: no answer may decide on the care of a patient."
)


def _finite(points: dict[str, OperatingPoint]) -> dict[str, OperatingPoint]:
    # No comparison with NaN is true: a rule_in of NaN left the decision to f1 alone.
    for name, point in points.items():
        if not np.isfinite(point.threshold):
            raise ValueError(f"the threshold of {name} is {point.threshold}")
    return points


class _Measured(BaseModel):
    figures: dict[str, Estimate] | None = None
    operating_points: dict[str, dict[str, Estimate]] | None = None
    subgroups: list[dict[str, Any]] | None = None


def _measured(found: dict[str, Any] | None) -> dict[str, Any] | None:
    try:
        _Measured.model_validate(found or {})
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise ValueError(f"figures of another form ({where})") from error
    return found


Points = Annotated[dict[str, OperatingPoint], AfterValidator(_finite)]
Evaluated = Annotated[dict[str, Any] | None, AfterValidator(_measured)]


class CalibrationMetadata(BaseModel):
    """The map from score to probability: sigmoid(slope · logit(score) + intercept), or isotonic through knots.

    It computes as evaluation's Calibrator does (a test holds them together), but without the libraries that fitting
    needs: importing those would double the time to the first answer.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    method: Literal["platt", "temperature", "isotonic", "none"]
    slope: float
    intercept: float
    fitted_on: str | None = None
    """The subset that it was fitted on, `val` as a rule."""
    x: tuple[float, ...] = ()
    """Isotonic: scores of the knots, ascending."""
    y: tuple[float, ...] = ()
    """Isotonic: probabilities of the knots."""
    fitted_prevalence: float | None = None
    """Share of fractures in the data that it was fitted on."""
    prevalence: float | None = None
    """The share of fractures that the probabilities are meant for, where one was stated."""
    offset: float = 0.0
    """Added to the probability's logit for that prevalence."""

    @model_validator(mode="after")
    def _has_knots(self) -> Self:
        if self.method == "isotonic" and not (len(self.x) == len(self.y) > 0 and list(self.x) == sorted(self.x)):
            raise ValueError("isotonic, without as many knots y as x, which ascend")
        return self

    def transform(self, y_score: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return probabilities of scores, any shape, 0–1."""
        if self.method in ("none", "isotonic"):
            found = np.interp(y_score, self.x, self.y) if self.method == "isotonic" else y_score
            return sigmoid(to_logit(found) + self.offset) if self.offset else np.asarray(found)
        return sigmoid(self.slope * to_logit(y_score) + self.intercept + self.offset)


class StudyMetadata(BaseModel):
    """How the scores of a study's images become one answer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    unit: Literal["study", "patient"]
    """`study` or `patient`."""
    aggregation: Literal["max", "mean", "noisy_or"]
    """`max`, `mean` or `noisy_or` (1 − Π(1 − score)) of the images' scores."""
    operating_points: Points
    """Thresholds on the score of the unit."""
    calibration: CalibrationMetadata | None = None


class GateMetadata(BaseModel):
    """When a picture is refused as unlike the training images; the arrays are in `gate.npz`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    limit: FiniteFloat
    """Largest distance that is let through."""
    false_refusals: float
    """Share of val images beyond the limit, by choice."""
    trained_on: int
    """Training images that the distance is measured from."""
    chosen_on: int
    """Val images that the limit was chosen on."""
    sha256: str
    """Of `gate.npz`."""
    power: float = 1.0
    """What the size of each number of an embedding is raised to before directions are compared."""


class BundleMetadata(BaseModel):
    """Everything beside the weights that an answer depends on, and what is known of its worth."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = SCHEMA_VERSION
    name: Line
    version: Line
    """The first 12 hexadecimal digits of a digest over weights, graph, preprocessing, thresholds and calibration."""
    intended_use: str = INTENDED_USE
    model: dict[str, Any]
    """name, parameters, weight_bits, has_cam, map (`location`, `class_activation` or null), cam_bias."""
    preprocessing: PreprocessRecipe
    operating_points: Points
    """By name; thresholds on the score of one image."""
    calibration: CalibrationMetadata | None = None
    """None: the probability is the score."""
    study: StudyMetadata | None = None
    """None: no study of several images was evaluated, and the score of one image is all there is."""
    gate: GateMetadata | None = None
    """None: whatever can be read is judged."""
    int8: dict[str, Any] | None = None
    """What the quantised network was measured to change, and why it was left out where it was; None: not tried."""
    training: dict[str, Any] = {}
    """catalog_digest, split_digest, recipe_digest, sources, weights_from; `recalibrated` where it was."""
    evaluation: Evaluated = None
    """Figures on test with their intervals, `figures` and `operating_points`; None where test was not evaluated.

    Of a recalibrated bundle: on the site's images.
    """
    external: Evaluated = None
    """The same on the sources that were held out whole; None where there were none."""
    parity: dict[str, Any] = {}
    """images, tolerance, and the largest differences measured at export."""

    @property
    def label(self) -> str:
        """`name@version`, what the column `bundle` of a table shows."""
        return f"{self.name}@{self.version}"
