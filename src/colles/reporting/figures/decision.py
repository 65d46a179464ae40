"""Decision curve: net benefit of acting on the model, on everybody and on nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from colles.reporting.figures.style import BLUE, GREY, INK, Drawing, draw

_FLOOR = -0.25
"""Below this share of the best possible benefit the curve of acting on everybody is cut off."""


def decision_curve(curve: Mapping[str, Sequence[Any]], prevalence: float) -> Drawing | None:
    """Draw net benefit (per patient) against the probability at which somebody acts.

    `curve` has threshold and model, and where known low, high and all, as evaluation.json holds them.
    """
    rows = [i for i, value in enumerate(curve.get("model") or ()) if value is not None]
    if not rows:
        return None
    threshold, model = ([curve[name][i] for i in rows] for name in ("threshold", "model"))
    everybody = [prevalence - (1 - prevalence) * t / (1 - t) for t in threshold]

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        band = [row for row in _band(curve, rows) if None not in row]
        if band:
            x, low, high = zip(*band, strict=True)
            axes.fill_between(x, low, high, color=BLUE, alpha=0.13, linewidth=0)
        axes.axhline(0, color=INK, linewidth=0.9)
        axes.plot(threshold, everybody, color=GREY, linewidth=1.2, linestyle=(0, (4, 2)))
        axes.plot(threshold, model, color=BLUE, linewidth=1.8)
        top = max([prevalence, *model]) * 1.15
        axes.set(xlim=(0, max(threshold)), ylim=(_FLOOR * top, top))
        axes.set(xlabel="Probability from which somebody acts", ylabel="Net benefit per patient")
        axes.text(0.98, 0.95, "the model", color=BLUE, ha="right", va="top", transform=axes.transAxes)
        axes.text(0.98, 0.88, "everybody (dashed)", color=GREY, ha="right", va="top", transform=axes.transAxes)
        axes.text(0.98, 0.81, "nobody (the line at 0)", color=INK, ha="right", va="top", transform=axes.transAxes)

    alt = f"Decision curve: net benefit of the model between {min(model):.3f} and {max(model):.3f}, nobody 0"
    return draw("net_benefit", alt, (5.2, 3.6), paint)


def _band(curve: Mapping[str, Sequence[Any]], rows: Sequence[int]) -> list[tuple[Any, Any, Any]]:
    if not curve.get("low") or not curve.get("high"):
        return []
    return [(curve["threshold"][i], curve["low"][i], curve["high"][i]) for i in rows]
