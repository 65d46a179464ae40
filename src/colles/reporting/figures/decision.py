"""Decision curve: net benefit of acting on the model, on everybody and on nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from colles.reporting.figures.style import BLUE, GREY, INK, LABEL_BOX, Drawing, draw, shade

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
    called = [everybody(t, prevalence) for t in threshold]

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        band = [row for row in _band(curve, rows) if None not in row]
        if band:
            x, low, high = zip(*band, strict=True)
            axes.fill_between(x, low, high, color=BLUE, alpha=0.13, linewidth=0)
        axes.axhline(0, color=INK, linewidth=0.9)
        axes.plot(threshold, called, color=GREY, linewidth=1.2, linestyle=(0, (4, 2)))
        axes.plot(threshold, model, color=BLUE, linewidth=1.8)
        axes.set(xlim=(0, max(threshold)), ylim=_limits([prevalence, *model], band))
        axes.set(xlabel="Probability from which somebody acts", ylabel="Net benefit per patient")
        names = (("the model", BLUE), ("everybody (dashed)", GREY), ("nobody (the line at 0)", INK))
        for rank, (name, colour) in enumerate(names):
            axes.text(0.98, 0.95 - 0.07 * rank, name, color=shade(colour), ha="right", va="top",
                      transform=axes.transAxes, bbox=LABEL_BOX)  # fmt: skip

    alt = f"Decision curve: net benefit of the model between {min(model):.3f} and {max(model):.3f}, nobody 0"
    return draw("net_benefit", alt, (5.2, 3.6), paint)


def everybody(threshold: float, prevalence: float) -> float:
    """Return the net benefit of acting on everybody."""
    return prevalence - (1 - prevalence) * threshold / (1 - threshold)


def _limits(benefits: Sequence[float], band: Sequence[tuple[Any, Any, Any]]) -> tuple[float, float]:
    """Return the lowest and the highest net benefit that is drawn; no interval is cut off."""
    top = 1.15 * max(benefits)
    return min([_FLOOR * top, *(1.05 * low for _, low, _ in band)]), max([top, *(1.05 * high for *_, high in band)])


def _band(curve: Mapping[str, Sequence[Any]], rows: Sequence[int]) -> list[tuple[Any, Any, Any]]:
    if not curve.get("low") or not curve.get("high"):
        return []
    return [(curve["threshold"][i], curve["low"][i], curve["high"][i]) for i in rows]
