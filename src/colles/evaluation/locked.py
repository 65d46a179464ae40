"""What travels with the weights: operating points and calibration, chosen on val."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from colles.core.errors import TableError
from colles.core.recipe import EvaluateRecipe
from colles.core.records import OperatingPoint
from colles.evaluation.calibration import Calibrator
from colles.evaluation.operating import choose_operating_points, default_point
from colles.evaluation.scores import Scores

CHOOSES = "val"
JUDGED_FIRST = ("test", "external", "val", "train")
LEAST = 10
"""Cases of a class, below which thresholds are chance: those of three fractures left nothing undecided."""
SELF_CHOSEN = "threshold chosen on the data it is judged on"


@dataclass(frozen=True, slots=True)
class Locked:
    """Operating points and calibration, and what is to be said about them."""

    points: dict[str, OperatingPoint]
    calibrator: Calibrator | None
    warnings: tuple[str, ...]


def choosing_subset(scores: Mapping[str, Scores]) -> str | None:
    """Return the subset that may choose: val, else the first judged one; None where none holds both classes."""
    order = (CHOOSES, *JUDGED_FIRST, *scores)
    return next((name for name in order if name in scores and scores[name].has_both_classes), None)


def lock(scores: Mapping[str, Scores], recipe: EvaluateRecipe) -> Locked:
    """Choose operating points and calibration on val; without a usable one, points on the first subset judged."""
    name = choosing_subset(scores)
    if name == CHOOSES:
        return lock_on(scores[CHOOSES], CHOOSES, recipe)
    why = "there is no val" if CHOOSES not in scores else "val holds one class only"
    if name is None:
        first = next(iter(scores.values()))
        return Locked({"default": default_point(first)}, None, (f"{why}, so only the threshold 0.5 is judged",))
    chosen = choose_operating_points(scores[name], chosen_on=name, recipe=recipe)
    said = [f"{', '.join(chosen)}: {SELF_CHOSEN} ({name}), because {why}", *_missed(chosen, name)]
    if recipe.prevalence is not None:
        said.append(f"probabilities are not moved to a prevalence of {recipe.prevalence:g}, because {why}")
    return Locked({"default": default_point(scores[name]), **chosen}, None, tuple(said))


def lock_on(scores: Scores, name: str, recipe: EvaluateRecipe) -> Locked:
    """Choose operating points and calibration on one subset of both classes."""
    points = choose_operating_points(scores, chosen_on=name, recipe=recipe)
    calibrator, failed = _calibrate(scores, name, recipe)
    return Locked(points, calibrator, (*_missed(points, name), *failed))


def _missed(points: Mapping[str, OperatingPoint], name: str) -> list[str]:
    return [f"{p.name}: {p.criterion} cannot be reached on {name}" for p in points.values() if not p.reached]


def _calibrate(scores: Scores, name: str, recipe: EvaluateRecipe) -> tuple[Calibrator | None, tuple[str, ...]]:
    if recipe.calibration == "none" and recipe.prevalence is None:
        return None, ()
    try:
        fitted = Calibrator.fit(scores.y_true, scores.y_score, method=recipe.calibration, fitted_on=name)
    except TableError as error:
        return None, (f"not calibrated: {error.message}",)
    if not fitted.rises:
        return None, (f"not calibrated: on {name}, higher scores do not mean more fractures",)
    if recipe.prevalence is None:
        return fitted, ()
    said = (
        f"probabilities of the bundle are meant for a prevalence of {recipe.prevalence:g} ({name} has "
        f"{fitted.fitted_prevalence:.3g}); the calibration figures judge them before that shift",
    )
    return fitted.for_prevalence(recipe.prevalence), said
