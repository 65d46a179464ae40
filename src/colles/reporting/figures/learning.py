"""Learning curves: loss and AUROC by epoch, with the boundary between the stages."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from colles.reporting.figures.style import BLUE, GREEN, GREY, ORANGE, Drawing, draw, shade

_LOSSES = (("train_loss", "training", GREEN), ("val_loss", "validation", ORANGE))
_AUROCS = (("val_auroc", "validation", BLUE),)


def learning_curves(metrics: pl.DataFrame) -> Drawing | None:
    """Draw what `metrics` has of epoch, stage, train_loss, val_loss and val_auroc (a row an epoch)."""
    known = [name for name, *_ in (*_LOSSES, *_AUROCS) if name in metrics.columns]
    if not known or metrics.is_empty():
        return None
    epochs = _epochs(metrics)

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        _panel(left, metrics, epochs, _LOSSES, "Loss")
        _panel(right, metrics, epochs, _AUROCS, "AUROC, validation")
        _mark_best(right, metrics, epochs)

    alt = f"Learning curves over {len(epochs)} epochs: {', '.join(known)}"
    return draw("learning_curves", alt, (7.2, 2.9), paint)


def _epochs(metrics: pl.DataFrame) -> list[int]:
    # Stages may count their epochs anew; a run shows them one after the other, from 1.
    return list(range(1, metrics.height + 1))


def stage_boundaries(metrics: pl.DataFrame) -> list[int]:
    """Return the (1-based) epochs at which a new stage begins."""
    if "stage" not in metrics.columns:
        return []
    stages = metrics["stage"].to_list()
    return [index + 1 for index in range(1, len(stages)) if stages[index] != stages[index - 1]]


def _panel(
    axes: Axes, metrics: pl.DataFrame, epochs: Sequence[int], lines: Sequence[tuple[str, str, str]], title: str
) -> None:
    for rank, (column, label, colour) in enumerate(lines):
        if column not in metrics.columns:
            continue
        pairs = [(e, v) for e, v in zip(epochs, metrics[column].to_list(), strict=True) if v is not None]
        if not pairs:
            continue
        x, y = zip(*pairs, strict=True)
        axes.plot(x, y, color=colour, marker="o", markersize=3)
        if len(lines) > 1:
            axes.text(
                0.98, 0.97 - 0.08 * rank, label, color=shade(colour), ha="right", va="top", transform=axes.transAxes
            )
    for epoch in stage_boundaries(metrics):
        axes.axvline(epoch - 0.5, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.annotate("all layers from here", (epoch - 0.5, 0), (3, 3), xycoords=("data", "axes fraction"),
                      textcoords="offset points", fontsize=7, color=GREY, va="bottom")  # fmt: skip
    axes.set(title=title, xlabel="Epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.15)
    axes.set_xlim(0.5, len(epochs) + 0.5)


def _mark_best(axes: Axes, metrics: pl.DataFrame, epochs: Sequence[int]) -> None:
    if "val_auroc" not in metrics.columns or metrics["val_auroc"].is_null().all():
        return
    values = metrics["val_auroc"].fill_null(-1.0).to_list()
    best = max(range(len(values)), key=values.__getitem__)
    # At the ends the label stands inside the axes: centred, it would lie over the scale.
    ends = {0: ("left", 4), len(values) - 1: ("right", 0)} if len(values) > 1 else {}
    side, right = ends.get(best, ("center", 0))
    axes.annotate(f"best {values[best]:.3f}", (epochs[best], values[best]), (right, 5), textcoords="offset points",
                  ha=side, fontsize=7.5, color=BLUE)  # fmt: skip
