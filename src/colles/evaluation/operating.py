"""Operating points: thresholds chosen by a criterion on val, with the digest of the data that chose them."""

from __future__ import annotations

import hashlib

import numpy as np

from colles.core.errors import TableError
from colles.core.recipe import EvaluateRecipe
from colles.core.records import Estimate, OperatingPoint
from colles.evaluation.estimates import proportion
from colles.evaluation.metrics.confusion import Sweep, sweep_thresholds
from colles.evaluation.scores import BoolArray, FloatArray, Scores

DEFAULT_THRESHOLD = 0.5


def choose_operating_points(
    scores: Scores, *, chosen_on: str, recipe: EvaluateRecipe | None = None
) -> dict[str, OperatingPoint]:
    """Choose f1, youden, rule_out, rule_in and, with a cost ratio, cost on `scores`.

    A threshold lies half-way between the last score that is called and the first that is not. Raise `TableError` where
    a class is absent: any threshold would do.
    """
    if not scores.has_both_classes:
        raise TableError(
            f"no threshold can be chosen on {chosen_on}: all {scores.n:,} are of one class",
            field="y_true",
            repair="Choose on fractures and others",
        )
    settings = recipe or EvaluateRecipe()
    sweep = sweep_thresholds(scores.y_true, scores.y_score)
    digest = scores_digest(scores)
    found = {
        "f1": ("largest F1", *_largest(_f1(sweep))),
        "youden": ("largest sensitivity + specificity", *_largest(_youden(sweep))),
        "rule_out": _rule_out(sweep, settings.rule_out_sensitivity),
        "rule_in": _rule_in(sweep, settings.rule_in_specificity),
    }
    if settings.cost_ratio is not None:
        found["cost"] = _cost(sweep, settings.cost_ratio, settings.prevalence)
    return {
        name: OperatingPoint(
            name=name, threshold=_between(sweep.thresholds, index), criterion=criterion, chosen_on=chosen_on,
            digest=digest, reached=reached,
        )
        for name, (criterion, index, reached) in found.items()
    }  # fmt: skip


def default_point(scores: Scores) -> OperatingPoint:
    """Return the point at 0.5 that no data chose."""
    return OperatingPoint(
        name="default",
        threshold=DEFAULT_THRESHOLD,
        criterion="score >= 0.5",
        chosen_on="none",
        digest=scores_digest(scores),
    )


def scores_digest(scores: Scores) -> str:
    """Digest labels and scores independently of the rows' order (hexadecimal sha256)."""
    order = np.lexsort((scores.y_true, scores.y_score))
    digest = hashlib.sha256(np.ascontiguousarray(scores.y_score[order], dtype="<f8").tobytes())
    digest.update(np.ascontiguousarray(scores.y_true[order], dtype=np.int8).tobytes())
    return digest.hexdigest()


def _largest(values: FloatArray) -> tuple[int, bool]:
    return int(np.argmax(values)), True


def _f1(sweep: Sweep) -> FloatArray:
    return np.asarray(2 * sweep.tp / (sweep.tp + sweep.fp + sweep.n_positive))


def _youden(sweep: Sweep) -> FloatArray:
    return np.asarray(sweep.tp / sweep.n_positive - sweep.fp / sweep.n_negative)


def _rule_out(sweep: Sweep, sensitivity: float) -> tuple[str, int, bool]:
    enough = sweep.tp >= sensitivity * sweep.n_positive - 1e-9
    return f"sensitivity >= {sensitivity:g}", int(np.argmax(enough)), True


def _rule_in(sweep: Sweep, specificity: float) -> tuple[str, int, bool]:
    enough = int((sweep.fp <= (1 - specificity) * sweep.n_negative + 1e-9).sum())
    # With none, even the highest score calls too many; it is the nearest that still calls anything.
    return f"specificity >= {specificity:g}", max(0, enough - 1), enough > 0


def _cost(sweep: Sweep, ratio: float, prevalence: float | None) -> tuple[str, int, bool]:
    share = sweep.n_positive / (sweep.n_positive + sweep.n_negative) if prevalence is None else prevalence
    missed, alarms = 1 - sweep.tp / sweep.n_positive, sweep.fp / sweep.n_negative
    costs = ratio * share * missed + (1 - share) * alarms
    words = f"least cost where a missed fracture is as bad as {ratio:g} false alarms, at prevalence {share:.3g}"
    best = int(np.argmin(costs))
    # Calling nothing costs every fracture; where that is cheapest, the least cost is out of reach of any call.
    return words, best, bool(costs[best] <= ratio * share)


def _between(thresholds: FloatArray, index: int) -> float:
    upper = float(thresholds[index])
    if index + 1 == len(thresholds):
        return upper
    middle = (upper + float(thresholds[index + 1])) / 2
    return middle if middle > thresholds[index + 1] else upper


def certainty_estimates(scores: Scores, points: dict[str, OperatingPoint], *, level: float) -> dict[str, Estimate]:
    """Estimate the share of images between rule-out and rule-in, and the share of errors among the others.

    Where the two cross, f1 decides alone and nothing is uncertain, as in the bundle. Empty without those points.
    """
    low, high, single = (points.get(name) for name in ("rule_out", "rule_in", "f1"))
    if low is None or high is None or single is None:
        return {}
    if low.threshold > high.threshold:
        low = high = single
    positive = scores.y_score >= high.threshold
    uncertain: BoolArray = ~positive & (scores.y_score >= low.threshold)
    everything = np.ones(scores.n, dtype=bool)
    return {
        "uncertain_share": proportion(uncertain, scores, everything, level=level),
        "certain_error": proportion(positive != scores.y_true, scores, ~uncertain, level=level),
    }
