"""Verdicts on maps: do they depend on the weights, repeat themselves, and mark what the score rests on? Arrays only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from colles.core.records import Estimate
from colles.evaluation.localisation import mean_estimate
from colles.evaluation.scores import FloatArray, IntArray

SAME = 0.7
"""Rank correlation with the trained network's map from which a map of random weights counts as the same one.
A method that ignores the weights, such as an edge detector, has 1."""
REPEATS = 0.5
"""Rank correlation under a small shift below which a map is not repeatable."""
NO_WEIGHTS = "does not depend on the weights"
NO_REPEAT = "changes under a shift of the image that nobody would notice"
NO_LABELS = "does not depend on the labels"
NO_TWIN = "changes from one training to the next"
NO_FAITH = "what it marks matters to the score no more than places drawn at random"


def rank_correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return Spearman's correlation of a map with another of its shape; 0 where the other is constant.

    A constant map has nothing that could be found again: NaN.
    """
    left, right = rankdata(one), rankdata(other)
    left, right = left - left.mean(), right - right.mean()
    if not left.any():
        return float("nan")
    norm = float(np.sqrt(np.square(left).sum() * np.square(right).sum()))
    return float((left * right).sum() / norm) if norm > 0 else 0.0


def judge_randomisation(layers: Sequence[str], correlations: FloatArray) -> dict[str, Any]:
    """Return the check from correlations (steps, images) with the trained map; the last step has no trained layer.

    Images whose trained map is blank (NaN) are left out, here and in the other checks.
    """
    correlations = correlations[:, np.isfinite(correlations).all(axis=0)]
    if not correlations.shape[1]:
        return {**_blank("what it owes to the weights"), "steps": []}
    means = correlations.mean(axis=1)
    passed = bool(means[-1] < SAME)
    verdict = "the map comes from the weights" if passed else f"the map {NO_WEIGHTS}"
    return {
        "passed": passed,
        "sentence": f"with every layer drawn anew it still correlates by {means[-1]:.2f}: {verdict}",
        "images": int(correlations.shape[1]),
        "steps": [
            {"layer": layer, "correlation": round(float(value), 4)} for layer, value in zip(layers, means, strict=True)
        ],
    }


def judge_repeatability(correlations: FloatArray, shifts: FloatArray) -> dict[str, Any]:
    """Return the check from correlations (N,) and peak shifts (N,), the latter as shares of the canvas."""
    seen = np.isfinite(correlations)
    if not seen.any():
        return {**_blank("whether it holds under small shifts"), "correlation": None, "peak_shift": None}
    correlations, shifts = correlations[seen], shifts[seen]
    correlation, shift = float(correlations.mean()), float(np.median(shifts))
    passed = correlation >= REPEATS
    words = "repeats itself" if passed else NO_REPEAT
    return {
        "passed": passed,
        "sentence": f"under small shifts it {words}: correlation {correlation:.2f}, median peak shift {shift:.1%}",
        "images": len(correlations),
        "correlation": round(correlation, 4),
        "peak_shift": round(shift, 4),
    }


def judge_labels(correlations: FloatArray, models: int) -> dict[str, Any]:
    """Return the check from correlations (N,) with the maps of networks that were trained on shuffled labels."""
    correlations = correlations[np.isfinite(correlations)]
    if not len(correlations):
        return {**_blank("what it owes to the labels"), "models": models, "correlation": None}
    correlation = float(correlations.mean())
    passed = correlation < SAME
    verdict = "the map comes from the labels" if passed else f"the map {NO_LABELS}"
    return {
        "passed": passed,
        "sentence": f"trained on shuffled labels the network's map correlates with it by {correlation:.2f}: {verdict}",
        "images": len(correlations) // models,
        "models": models,
        "correlation": round(correlation, 4),
    }


def judge_trainings(correlations: FloatArray, distances: FloatArray, near: float, models: int) -> dict[str, Any]:
    """Return the check from correlations and peak distances (N,) with other trainings' maps of the same images.

    Distances are shares of the image's longer side; `near` is the share up to which two peaks count as one place.
    """
    seen = np.isfinite(correlations)
    if not seen.any():
        return {
            **_blank("whether trainings agree"),
            "models": models,
            "correlation": None,
            "peak_distance": None,
            "same_place": None,
        }
    correlations, distances = correlations[seen], distances[seen]
    correlation, same = float(correlations.mean()), float((distances <= near).mean())
    passed = correlation >= REPEATS
    words = "stays the same" if passed else NO_TWIN
    return {
        "passed": passed,
        "sentence": f"between trainings it {words}: correlation {correlation:.2f}, peaks in the same place on "
        f"{same:.0%} of the images",
        "images": len(correlations) // models,
        "models": models,
        "correlation": round(correlation, 4),
        "peak_distance": round(float(np.median(distances)), 4),
        "same_place": round(same, 4),
    }


def judge_faithfulness(
    deletion: FloatArray,
    insertion: FloatArray,
    random: tuple[FloatArray, FloatArray],
    groups: IntArray | None = None,
) -> dict[str, Any]:
    """Return the check from the mean score over each image's curve (N,), in the map's order and in a random one.

    Intervals are over `groups` (N,), codes of what counts as one.
    """
    gains = {
        "deletion_gain": mean_estimate(random[0] - deletion, groups, bounded=False),
        "insertion_gain": mean_estimate(insertion - random[1], groups, bounded=False),
    }
    passed = any(_above_zero(gain) for gain in gains.values())
    lost, won = (gain.value or 0.0 for gain in gains.values())
    words = "what it marks matters more than random places" if passed else NO_FAITH
    return {
        "passed": passed,
        "sentence": f"{words}: the score falls by {_than(lost)} when it is deleted first than when a random place is, "
        f"and rises by {_than(won)} when it is shown first; one of the two has to be certain",
        "images": len(deletion),
        "deletion": round(float(deletion.mean()), 4),
        "insertion": round(float(insertion.mean()), 4),
        "random_deletion": round(float(random[0].mean()), 4),
        "random_insertion": round(float(random[1].mean()), 4),
        **{name: gain.model_dump(mode="json") for name, gain in gains.items()},
    }


def _blank(unknown: str) -> dict[str, Any]:
    return {"passed": False, "sentence": f"the map is blank on every image, so {unknown} is not known", "images": 0}


def _than(gain: float) -> str:
    return f"{abs(gain):.3f} {'less' if gain < 0 else 'more'}"


def _above_zero(gain: Estimate) -> bool:
    return gain.low is not None and gain.low > 0


def warnings_of(checks: dict[str, dict[str, Any]]) -> list[str]:
    """Return the sentences that a method has earned by failed checks."""
    sentences = {
        "randomisation": NO_WEIGHTS,
        "repeatability": NO_REPEAT,
        "faithfulness": NO_FAITH,
        "labels": NO_LABELS,
        "trainings": NO_TWIN,
    }
    return [text for name, text in sentences.items() if name in checks and not checks[name]["passed"]]
