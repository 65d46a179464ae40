"""Choose operating points: on val, by a named criterion, with the digest of what chose them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from colles.core.files import sha256_json
from colles.core.recipe import EvaluateRecipe
from colles.core.records import OperatingPoint
from colles.evaluation.metrics.confusion import confusion_figures
from colles.evaluation.metrics.ranking import Ranking

Array = NDArray[np.float64]


def choose_operating_points(
    y_true: NDArray[np.int8], y_score: Array, recipe: EvaluateRecipe, *, chosen_on: str = "val"
) -> dict[str, OperatingPoint]:
    """Return `f1`, `youden`, `rule_out` and `rule_in`; nothing where a class is absent.

    A threshold lies midway between the two neighbouring scores, so that it does not hang on one image's last digit.
    """
    if not (y_true == 1).any() or not (y_true == 0).any():
        return {}
    ranking = Ranking.from_scores(y_true, y_score)
    tp, fp = (counts[0] for counts in ranking.counts(np.ones((1, len(y_true)))))
    counts = {"tp": tp, "fp": fp, "tn": fp[-1] - fp, "fn": tp[-1] - tp}
    figures = confusion_figures(counts)
    sensitivity, specificity = figures["sensitivity"], figures["specificity"]
    digest = digest_scores(y_true, y_score)
    out, into = recipe.rule_out_sensitivity, recipe.rule_in_specificity
    enough = np.flatnonzero(sensitivity >= out - 1e-12)
    few = np.flatnonzero((specificity >= into - 1e-12) & (tp > 0))
    chosen = {
        "f1": (int(np.nanargmax(figures["f1"])), "highest F1", True),
        "youden": (int(np.argmax(sensitivity + specificity)), "highest sensitivity + specificity", True),
        "rule_out": (int(enough[0]), f"sensitivity >= {out:g}", True),
        "rule_in": (int(few[-1]) if len(few) else 0, f"specificity >= {into:g}", bool(len(few))),
    }
    return {
        name: OperatingPoint(
            name=name,
            threshold=_between(ranking.thresholds, index),
            criterion=criterion,
            chosen_on=chosen_on,
            digest=digest,
            reached=reached,
        )
        for name, (index, criterion, reached) in chosen.items()
    }


def digest_scores(y_true: NDArray[np.int8], y_score: Array) -> str:
    """Digest labels and scores in any order."""
    return sha256_json(sorted(zip(y_true.tolist(), y_score.tolist(), strict=True)))


def _between(thresholds: Array, index: int) -> float:
    here = float(thresholds[index])
    below = float(thresholds[index + 1]) if index + 1 < len(thresholds) else here
    return here if below == here else (here + below) / 2.0
