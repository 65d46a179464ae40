"""Forest plot: values with intervals, one under the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from colles.reporting.figures.style import BLUE, FAINT, GREY, INK, Drawing, draw


@dataclass(frozen=True)
class ForestRow:
    """One line of the plot; a heading where it has no value."""

    label: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""
    warned: bool = False


def forest_plot(
    rows: Sequence[ForestRow],
    overall: float | None,
    name: str = "forest",
    *,
    axis: str = "AUROC",
    reference: float | None = 0.5,
) -> Drawing:
    """Draw values with intervals, one under the other; hollow marks carry a warning, `reference` is a faint line."""
    height = 0.75 + 0.24 * len(rows)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        if overall is not None:
            axes.axvline(overall, color=BLUE, linewidth=0.8, linestyle=(0, (4, 3)))
        if reference is not None:
            axes.axvline(reference, color=FAINT, linewidth=0.8)
        for index, row in enumerate(rows):
            _line(axes, len(rows) - 1 - index, row)
        lows = [row.low if row.low is not None else row.value for row in rows if row.value is not None]
        left = min([0.0 if reference is None else reference, *(low for low in lows if low is not None)]) - 0.02
        axes.set(xlim=(left, 1.01), ylim=(-0.8, len(rows) - 0.2), yticks=[], xlabel=axis)
        axes.spines["left"].set_visible(False)

    alt = f"Forest plot, {axis}: " + "; ".join(f"{r.label} {r.note}" for r in rows if r.note)
    return draw(name, alt, (6.6, height), paint)


def _line(axes: Axes, y: int, row: ForestRow) -> None:
    heading = row.value is None and not row.note
    indent = 0 if heading else 8
    axes.annotate(row.label, (0, y), (-175 + indent, 0), xycoords=("axes fraction", "data"), annotation_clip=False,
                  textcoords="offset points", va="center", weight="bold" if heading else "normal")  # fmt: skip
    axes.annotate(row.note, (1, y), (8, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                  va="center", fontsize=7.5, color=INK, annotation_clip=False)  # fmt: skip
    if row.value is None:
        return
    colour = GREY if row.warned else BLUE
    if row.low is not None and row.high is not None:
        axes.plot([row.low, row.high], [y, y], color=colour, linewidth=1.2, solid_capstyle="butt")
    axes.plot(
        [row.value], [y], marker="s", markersize=5, color=colour, markerfacecolor="white" if row.warned else colour
    )
