"""A picture of a search: the score of every trial, what each parameter weighs, and the score over the heaviest ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from colles.core.errors import InputError, UsageError
from colles.core.files import write_bytes, write_text
from colles.learning.sweep.entries import Entry
from colles.learning.sweep.importance import Importance, is_plain
from colles.learning.sweep.logs import SweepLogs, varied
from colles.reporting.figures.style import BLUE, GREY, ORANGE, VERMILLION, Drawing, draw

_PANELS = 3
"""Parameters that get a panel of their own."""


def write_picture(logs: SweepLogs, path: Path) -> Path:
    """Write the picture as SVG or PNG, by the file's ending."""
    if path.suffix.lower() not in (".svg", ".png"):
        raise UsageError(f"cannot draw into {path.suffix!r}", path=path, repair="Name a .png or .svg file")
    drawing = draw_sweep(logs)
    if path.suffix.lower() == ".png":
        return write_bytes(path, drawing.png)
    return write_text(path, drawing.svg)


def draw_sweep(logs: SweepLogs) -> Drawing:
    """Draw the trials in their order and the parameters; raise `InputError` where no trial has a score."""
    scored = [entry for entry in logs.entries if entry.best_score is not None]
    if not scored:
        raise InputError("no trial has a score to draw", path=logs.folder, repair="See the errors: colles sweep show")
    importance = logs.importance()
    complete = logs.of("complete")
    names = [name for name in importance.shares or varied(complete) if name in varied(complete)][:_PANELS]

    def paint(figure: Figure) -> None:
        columns = max(2, len(names))
        grid = figure.add_gridspec(2 if names else 1, columns)
        split = (columns + 1) // 2
        _trials(figure.add_subplot(grid[0, :split]), logs.entries)
        _shares(figure.add_subplot(grid[0, split:]), importance)
        for place, name in enumerate(names):
            _scatter(figure.add_subplot(grid[1, place]), complete, name)

    alt = f"Scores of {len(scored)} trials in their order, and the importance of {len(importance.shares)} parameters"
    return draw("sweep", alt, (8.6, 5.4 if names else 2.9), paint)


def _trials(axes: Axes, entries: Sequence[Entry]) -> None:
    best: list[float] = []
    styles = {"complete": (BLUE, "o"), "partial": (ORANGE, "v")}
    for state, (colour, marker) in styles.items():
        points = [(n, e.best_score) for n, e in enumerate(entries) if e.state == state and e.best_score is not None]
        if points:
            x, y = zip(*points, strict=True)
            axes.plot(x, y, marker, color=colour, markersize=4, label=f"{state} ({len(points)})")
    for entry in entries:
        score = entry.best_score if entry.state == "complete" else None
        best.append(max([*best[-1:], *([] if score is None else [score])], default=float("nan")))
    axes.step(range(len(best)), best, where="post", color=GREY, linewidth=1.0, label="best so far")
    failed = [number for number, entry in enumerate(entries) if entry.state == "failed"]
    if failed:
        floor = min(entry.best_score for entry in entries if entry.best_score is not None)
        axes.plot(failed, [floor] * len(failed), "x", color=VERMILLION, markersize=5, label=f"failed ({len(failed)})")
    axes.set(title="Best score of each trial, on val", xlabel="Trial, in order", ylabel="Objective")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=7, loc="best")


def _shares(axes: Axes, importance: Importance) -> None:
    axes.set_title("Importance of the parameters")
    if not importance.shares:
        axes.axis("off")
        axes.text(0.5, 0.5, importance.remark, ha="center", va="center", wrap=True, color=GREY)
        return
    names = list(importance.shares)[::-1]
    axes.barh(names, [importance.shares[name] for name in names], color=BLUE, height=0.6)
    axes.set(xlim=(0, 1), xlabel=f"Share ({max(0.0, importance.explained or 0.0):.0%} explained)")


def _scatter(axes: Axes, entries: Sequence[Entry], name: str) -> None:
    found = [(entry.params[name], entry.best_score or 0.0) for entry in entries if name in entry.params]
    values: list[Any] = [value for value, _ in found]
    numeric = all(is_plain(value) for value in values)
    shown: list[Any] = [float(value) if numeric else _word(value) for value in values]
    if not numeric:
        known = sorted(set(shown))
        axes.set_xticks(range(len(known)), known)
        axes.set_xlim(-0.5, len(known) - 0.5)
        shown = [known.index(value) for value in shown]
    elif min(shown) > 0 and max(shown) / min(shown) > 20:
        axes.set_xscale("log")
    axes.plot(shown, [score for _, score in found], "o", color=BLUE, markersize=4)
    axes.set(xlabel=name, ylabel="Objective")


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 18 else f"{text[:17]}…"
