"""Confusion matrices, one panel an operating point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from colles.reporting.figures.style import BLUE, INK, VERMILLION, Drawing, draw
from colles.reporting.formats import count, point_name, threshold

_CELLS = (("tp", 0, 0), ("fn", 0, 1), ("fp", 1, 0), ("tn", 1, 1))


def confusion_matrices(points: Mapping[str, Mapping[str, Any]]) -> Drawing | None:
    """Draw counts with the share of each true class (rows); right calls blue, wrong ones vermillion."""
    drawn = {name: point for name, point in points.items() if point.get("confusion")}
    if not drawn:
        return None

    def paint(figure: Figure) -> None:
        columns = min(2, len(drawn))
        rows = -(-len(drawn) // columns)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in panels[len(drawn) :]:
            axes.set_axis_off()
        for axes, (name, point) in zip(panels, drawn.items(), strict=False):
            _panel(axes, name, point)

    size = (2.6 * min(2, len(drawn)), 2.1 * -(-len(drawn) // 2))
    alt = "Confusion matrices: " + "; ".join(f"{point_name(n)} {_words(p['confusion'])}" for n, p in drawn.items())
    return draw("confusion", alt, size, paint)


def _words(cells: Mapping[str, int]) -> str:
    return ", ".join(f"{key.upper()} {cells[key]}" for key, *_ in _CELLS)


def _panel(axes: Axes, name: str, point: Mapping[str, Any]) -> None:
    cells = point["confusion"]
    totals = (cells["tp"] + cells["fn"], cells["fp"] + cells["tn"])
    for key, row, column in _CELLS:
        part = cells[key] / totals[row] if totals[row] else 0.0
        colour = to_rgba(BLUE if key in ("tp", "tn") else VERMILLION, 0.08 + 0.47 * part)
        axes.fill_between([column, column + 1], 1 - row, 2 - row, color=colour, linewidth=0)
        text = f"{key.upper()} {count(cells[key])}\n{100 * part:.0f} %"
        axes.text(column + 0.5, 1.5 - row, text, ha="center", va="center", color=INK, fontsize=8.5)
    axes.axhline(1, color="white", linewidth=2)
    axes.axvline(1, color="white", linewidth=2)
    axes.set(xlim=(0, 2), ylim=(0, 2), xticks=[0.5, 1.5], yticks=[1.5, 0.5])
    axes.set_xticklabels(["called\nfracture", "called\nno fracture"])
    axes.set_yticklabels(["fracture", "no fracture"], rotation=90, va="center")
    axes.set_title(f"{point_name(name)}: score ≥ {threshold(point['threshold'])}")
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
