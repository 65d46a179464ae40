"""Histograms of the score by class, one panel a subset."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from colles.reporting.figures.style import CLASS_COLOURS, GREY, Drawing, draw, shade
from colles.reporting.formats import point_name, subset_name, threshold


def score_histogram(scores: Mapping[str, tuple[np.ndarray, np.ndarray]], thresholds: Mapping[str, float]) -> Drawing:
    """Draw the density of scores of each class; `scores` maps a subset to (y_true, y_score)."""

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(scores), squeeze=False, sharex=True)[0]
        for axes, (subset, (y_true, y_score)) in zip(panels, scores.items(), strict=True):
            bins = np.linspace(0, 1, 31).tolist()
            for label, name in ((0, "no fracture"), (1, "fracture")):
                values, colour = y_score[y_true == label], CLASS_COLOURS[label]
                if len(values):
                    axes.hist(values, bins=bins, density=True, histtype="stepfilled", alpha=0.3, color=colour)
                    axes.hist(values, bins=bins, density=True, histtype="step", color=colour, linewidth=1.2)
                text = f"{name} (n = {len(values)})"
                axes.text(0.5, 0.97 - 0.08 * label, text, transform=axes.transAxes, color=shade(colour), va="top",
                          ha="center")  # fmt: skip
            top = axes.get_ylim()[1]
            for place in thresholds.values():
                axes.axvline(place, color=GREY, linewidth=0.7, linestyle=(0, (2, 2)), ymax=0.84)
            axes.set(title=subset_name(subset).capitalize(), xlabel="Score", ylabel="Density", ylim=(0, top * 1.2))
            axes.set(xlim=(0, 1))

    lines = ", ".join(f"{point_name(name)} {threshold(value)}" for name, value in thresholds.items())
    alt = f"Histograms of the score by class for {', '.join(map(subset_name, scores))}; thresholds {lines or 'none'}"
    return draw("scores", alt, (3.6 * len(scores), 2.9), paint)
