"""PPV and NPV where another share of patients has a fracture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from colles.reporting.figures.style import BLUE, FAINT, GREEN, ORANGE, PURPLE, VERMILLION, Drawing, draw
from colles.reporting.formats import point_name

_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE)
_SIDES = (("ppv", "PPV: of 100 called fractured, so many are"), ("npv", "NPV: of 100 called sound, so many are"))


def predictive_values(points: Mapping[str, Sequence[Mapping[str, Any]]]) -> Drawing | None:
    """Draw both against prevalence; `points` maps an operating point to its rows of `at_prevalence`."""
    drawn = {name: rows for name, rows in points.items() if rows}
    if not drawn:
        return None

    def paint(figure: Figure) -> None:
        for axes, (value, title) in zip(figure.subplots(1, 2), _SIDES, strict=True):
            for colour, (name, rows) in zip(_COLOURS, drawn.items(), strict=False):
                _line(axes, rows, value, colour, point_name(name))
            axes.set(title=title, xlabel="Of 100 patients, so many have a fracture", ylim=(0, 102), xlim=(0, 51))
            axes.grid(color=FAINT, linewidth=0.5)
        figure.axes[0].legend(loc="lower right", fontsize=7.5)

    alt = f"PPV and NPV by the share of fractures for {', '.join(point_name(name) for name in drawn)}"
    return draw("predictive_values", alt, (7.2, 3.0), paint)


def _line(axes: Axes, rows: Sequence[Mapping[str, Any]], value: str, colour: str, label: str) -> None:
    known = [row for row in rows if (row.get(value) or {}).get("value") is not None]
    x = [100 * row["prevalence"] for row in known]
    axes.plot(x, [100 * row[value]["value"] for row in known], color=colour, label=label, marker="o", markersize=2.5)
    bounded = [row for row in known if None not in (row[value].get("low"), row[value].get("high"))]
    if bounded:
        low, high = ([100 * row[value][key] for row in bounded] for key in ("low", "high"))
        axes.fill_between([100 * row["prevalence"] for row in bounded], low, high, color=colour, alpha=0.1, linewidth=0)
