"""Reliability diagram: observed share of fractures against the predicted one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from colles.reporting.figures.style import GREY, INK, SUBSET_COLOURS, Drawing, draw, name_line, unit_square
from colles.reporting.formats import estimate, subset_name


def reliability_diagram(subsets: Mapping[str, Mapping[str, Any]], axis: str) -> Drawing | None:
    """Draw one line a subset, with the interval of each bin; `axis` names what was predicted."""
    curves = {name: bins(part) for name, part in subsets.items()}
    drawn = {name: curve for name, curve in curves.items() if curve}
    if not drawn:
        return None

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        unit_square(axes, axis, "Observed share of fractures")
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.7, linestyle=(0, (4, 3)))
        for rank, (name, curve) in enumerate(drawn.items()):
            colour, x, y = SUBSET_COLOURS.get(name, INK), curve["predicted"], curve["observed"]
            if rank == len(drawn) - 1 and curve.get("low") and curve.get("high"):
                axes.vlines(x, curve["low"], curve["high"], color=colour, linewidth=0.9)
            axes.plot(x, y, color=colour, marker="o", markersize=4, linewidth=1.2)
            text = f"{subset_name(name)}: ECE {estimate((subsets[name].get('figures') or {}).get('ece'), 3)}"
            # below the diagonal, where the bars of rare fractures do not reach
            name_line(axes, text, rank, len(drawn), colour)

    alt = "Reliability diagram: " + ", ".join(
        f"{subset_name(name)} in {len(c['observed'])} bins" for name, c in drawn.items()
    )
    return draw("calibration", alt, (3.9, 3.9), paint)


def bins(part: Mapping[str, Any]) -> dict[str, Sequence[float]] | None:
    """Return the bins of one subset's reliability curve without the empty ones, or None where there are none."""
    curve = (part.get("curves") or {}).get("reliability") or {}
    pairs = zip(curve.get("predicted") or [], curve.get("observed") or [], strict=False)
    kept = [i for i, (x, y) in enumerate(pairs) if x is not None and y is not None]
    if not kept:
        return None
    return {key: [column[i] for i in kept] for key, column in curve.items() if _full(column, kept)}


def _full(column: Any, kept: Sequence[int]) -> bool:
    return isinstance(column, list) and len(column) > max(kept) and all(column[i] is not None for i in kept)
