"""What an evaluation locks into a bundle: thresholds, calibration, the way from images to a study."""

from __future__ import annotations

from typing import Any

from colles.core.files import sha256_json
from colles.evaluation.calibration import Calibrator
from colles.evaluation.locked import CHOOSES, LEAST
from colles.evaluation.results import Evaluation, Level
from colles.serving.metadata import BundleMetadata, CalibrationMetadata, StudyMetadata


def calibration_metadata(fitted: Calibrator | None) -> CalibrationMetadata | None:
    """Return the calibration of one image's score; None where there is none."""
    return None if fitted is None else CalibrationMetadata.model_validate(fitted.model_dump())


def study_metadata(evaluation: Evaluation) -> StudyMetadata | None:
    """Return how images become a study, else a patient; None where val chose for neither by ten of each class."""
    level = next((level for level in evaluation.levels.values() if _chosen(level)), None)
    if level is None:
        return None
    known = level.model_dump(include={"unit", "aggregation", "operating_points", "calibration"})
    return StudyMetadata.model_validate(known)


def _chosen(level: Level) -> bool:
    # Two fractured studies gave one threshold for all: a study with an image undecided at 0.44 was filed as absent.
    val = level.subsets.get(CHOOSES)
    return level.chosen_on == CHOOSES and val is not None and min(val.n_positive, val.n - val.n_positive) >= LEAST


def bundle_version(graph_sha256: str, weights_sha256: str | None, metadata: BundleMetadata) -> str:
    """Return the first 12 digits of a digest of everything that decides an answer."""
    parts = {"preprocessing", "operating_points", "calibration"} | {
        part for part in ("study", "gate") if getattr(metadata, part)
    }
    decided_by: Any = metadata.model_dump(mode="json", include=parts)
    return sha256_json([graph_sha256, weights_sha256, decided_by])[:12]
