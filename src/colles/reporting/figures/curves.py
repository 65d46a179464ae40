"""ROC and precision–recall curves of the subsets, with the operating points on the last one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from colles.reporting.figures.style import (
    GREY,
    INK,
    POINT_MARKERS,
    SUBSET_COLOURS,
    Drawing,
    draw,
    name_line,
    unit_square,
)
from colles.reporting.formats import estimate, point_name, subset_name

SIZE = (3.9, 3.9)
Subsets = Mapping[str, Mapping[str, Any]]


def roc_curve(subsets: Subsets) -> Drawing | None:
    """Draw sensitivity against 1 − specificity; the last subset is the one that counts."""
    drawn = {name: part for name, part in subsets.items() if _has(part, "roc", "fpr", "tpr")}
    if not drawn:
        return None

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        unit_square(axes, "1 − specificity", "Sensitivity")
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.7, linestyle=(0, (4, 3)))
        for rank, (name, part) in enumerate(drawn.items()):
            curve = part["curves"]["roc"]
            colour = SUBSET_COLOURS.get(name, INK)
            axes.plot(curve["fpr"], curve["tpr"], color=colour, linewidth=1.8 if rank == len(drawn) - 1 else 1.2)
            name_line(axes, f"{subset_name(name)}: AUROC {_figure(part, 'auroc')}", rank, len(drawn), colour)
        last = list(drawn)[-1]
        _mark_points(axes, drawn[last], "roc", SUBSET_COLOURS.get(last, INK))

    return draw("roc", _alt("ROC curves", drawn, "auroc", "AUROC"), SIZE, paint)


def precision_recall_curve(subsets: Subsets) -> Drawing | None:
    """Draw precision (PPV) against recall (sensitivity), with the prevalence as a line."""
    drawn = {name: part for name, part in subsets.items() if _has(part, "pr", "recall", "precision")}
    if not drawn:
        return None

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        unit_square(axes, "Recall (sensitivity)", "Precision (PPV)")
        for rank, (name, part) in enumerate(drawn.items()):
            curve = part["curves"]["pr"]
            colour = SUBSET_COLOURS.get(name, INK)
            recall, precision = _reached(curve)
            axes.step(recall, precision, color=colour, linewidth=1.8 if rank == len(drawn) - 1 else 1.2, where="pre")
            label = f"{subset_name(name)}: AP {_figure(part, 'average_precision')}"
            name_line(axes, label, rank, len(drawn), colour)
        last = list(drawn)[-1]
        part = drawn[last]
        if part.get("n"):
            axes.axhline(part["n_positive"] / part["n"], color=GREY, linewidth=0.7, linestyle=(0, (4, 3)))
        _mark_points(axes, part, "pr", SUBSET_COLOURS.get(last, INK))

    return draw("pr", _alt("Precision–recall curves", drawn, "average_precision", "average precision"), SIZE, paint)


def _reached(curve: Mapping[str, Sequence[float]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return recall from low to high with its precision, at one recall that of the highest threshold first.

    A step holds the precision with which its right end was reached, as average precision counts it; the false alarms
    that follow without a further fracture only lower it.
    """
    points = sorted(zip(curve["recall"], curve["precision"], strict=True), key=lambda point: (point[0], -point[1]))
    recall, precision = zip(*points, strict=True)
    return recall, precision


def _has(part: Mapping[str, Any], curve: str, *keys: str) -> bool:
    found = (part.get("curves") or {}).get(curve) or {}
    return all(found.get(key) for key in keys)


def _figure(part: Mapping[str, Any], name: str) -> str:
    return estimate((part.get("figures") or {}).get(name), 2)


def _alt(what: str, drawn: Subsets, figure: str, words: str) -> str:
    return f"{what}: " + "; ".join(f"{subset_name(n)} {words} {_figure(part, figure)}" for n, part in drawn.items())


def _mark_points(axes: Axes, part: Mapping[str, Any], curve: str, colour: str) -> None:
    placed: list[tuple[float, float]] = []
    for name, point in (part.get("operating_points") or {}).items():
        position = _position(point.get("figures") or {}, curve)
        if position is None:
            continue
        marker = POINT_MARKERS.get(name, "o")
        axes.plot(*position, color=colour, zorder=5, marker=marker, markersize=7, markeredgecolor="white")
        _annotate(axes, point_name(name), position, curve, placed)


def _position(figures: Mapping[str, Any], curve: str) -> tuple[float, float] | None:
    value = {name: (figures.get(name) or {}).get("value") for name in ("sensitivity", "specificity", "ppv")}
    sensitivity, specificity, ppv = value["sensitivity"], value["specificity"], value["ppv"]
    if curve == "roc":
        return None if sensitivity is None or specificity is None else (1 - specificity, sensitivity)
    return None if sensitivity is None or ppv is None else (sensitivity, ppv)


def _annotate(
    axes: Axes, text: str, position: tuple[float, float], curve: str, placed: list[tuple[float, float]]
) -> None:
    # Names stand inside the curve's hollow and inside the frame; each further one near another moves down a line.
    x, y = position
    right = x < 0.75 if curve == "roc" else x < 0.3
    step = -0.06 if y > 0.3 else 0.06
    place = (x + (0.05 if right else -0.05), y + step)
    while any(abs(place[0] - a) < 0.3 and abs(place[1] - b) < 0.055 for a, b in placed):
        place = (place[0], place[1] + step)
    placed.append(place)
    line = {"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
    axes.annotate(text, position, place, fontsize=7.5, ha="left" if right else "right", va="center", arrowprops=line)


def polyline(x: Sequence[float], y: Sequence[float]) -> str:
    """Return the points of an SVG polyline in a square of 100 × 100 with y downward."""
    return " ".join(f"{100 * a:.2f},{100 - 100 * b:.2f}" for a, b in zip(x, y, strict=True))
