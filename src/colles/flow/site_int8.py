"""Whether a bundle's 8-bit network still answers alike at the operating points of a site."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from colles.core.errors import BundleError
from colles.core.recipe import ExportRecipe
from colles.evaluation.predictions import Predictions
from colles.flow.site import SITE, answers_on
from colles.serving.bundle import INT8_MODEL, Bundle
from colles.serving.decision import DecisionRule
from colles.serving.int8 import judge_int8
from colles.serving.known_answer import KEY
from colles.serving.predictor import Predictor

_OF_ITS_MAKING = ("fp32_convolutions", "calibrated_on", KEY)


def judge_int8_on_site(old: Bundle, rule: DecisionRule, predictions: Predictions) -> dict[str, Any] | None:
    """Return what a bundle's metadata tell of its 8-bit network after new points were chosen; None where none was made.

    `predictions` are the other network's on the site's images, of which each `image_id` is the path; `rule` is made of
    the new points. The network is kept by the limits of an export.
    """
    told = old.metadata.int8
    if told is None or not told.get("kept"):
        return told
    made = {name: told[name] for name in _OF_ITS_MAKING if name in told}
    if INT8_MODEL not in old.manifest.files:
        return made | {"kept": False, "reason": "recalibrated where it was not at hand"}
    try:
        int8 = _scores(old, predictions)
    except BundleError as error:
        return made | {"kept": False, "reason": f"recalibrated where it could not be judged: {error.message}"}
    scores = predictions.scores
    return made | judge_int8(scores.y_true.astype(np.int64), scores.y_score, int8, rule, ExportRecipe(), where=SITE)


def _scores(old: Bundle, predictions: Predictions) -> NDArray[np.float64]:
    paths = predictions.frame["image_id"].to_list()
    predictor = Predictor(old, gate=False, precision="int8")
    answers = answers_on(predictor, paths, "judge int8")
    scores = [answer.score for answer in answers if answer.score is not None]
    if len(scores) < len(paths):
        raise BundleError(f"it gives no answer on {len(paths) - len(scores)} images", path=old.folder / INT8_MODEL)
    return np.array(scores)
