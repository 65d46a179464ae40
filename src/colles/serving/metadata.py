"""What a bundle says about itself: `metadata.json`, typed."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from colles.core.logistic import sigmoid, to_logit
from colles.core.recipe import PreprocessRecipe
from colles.core.records import OperatingPoint

SCHEMA_VERSION = 1
Line = Annotated[str, Field(pattern=r"^\P{Cc}*$")]
"""A text that stands in tables, logs and on terminals: a bundle from elsewhere must not move the cursor there."""
INTENDED_USE = (
    "Research on fracture detection on radiographs, above all of the upper limb. "
    "Research software, not a medical device: no answer may decide on the care of a patient."
)


class CalibrationMetadata(BaseModel):
    """The map from score to probability: sigmoid(slope · logit(score) + intercept), or isotonic through knots.

    It computes as evaluation's Calibrator does (a test holds them together), but without the libraries that fitting
    needs: importing those would double the time to the first answer.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    method: str
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

    def transform(self, y_score: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return probabilities of scores, any shape, 0–1."""
        if self.method in ("none", "isotonic"):
            found = np.interp(y_score, self.x, self.y) if self.method == "isotonic" else y_score
            return sigmoid(to_logit(found) + self.offset) if self.offset else np.asarray(found)
        return sigmoid(self.slope * to_logit(y_score) + self.intercept + self.offset)


class StudyMetadata(BaseModel):
    """How the scores of a study's images become one answer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    unit: str
    """`study` or `patient`."""
    aggregation: str
    """`max`, `mean` or `noisy_or` (1 − Π(1 − score)) of the images' scores."""
    operating_points: dict[str, OperatingPoint]
    """Thresholds on the score of the unit."""
    calibration: CalibrationMetadata | None = None


class GateMetadata(BaseModel):
    """When a picture is refused as unlike the training images; the arrays are in `gate.npz`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    limit: float
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
    operating_points: dict[str, OperatingPoint]
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
    evaluation: dict[str, Any] | None = None
    """Figures on test with their intervals, `figures` and `operating_points`; None where test was not evaluated.

    Of a recalibrated bundle: on the site's images.
    """
    external: dict[str, Any] | None = None
    """The same on the sources that were held out whole; None where there were none."""
    parity: dict[str, Any] = {}
    """images, tolerance, and the largest differences measured at export."""

    @property
    def label(self) -> str:
        """`name@version`, what the column `bundle` of a table shows."""
        return f"{self.name}@{self.version}"
