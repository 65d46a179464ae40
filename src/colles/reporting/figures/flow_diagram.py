"""The flow diagram: boxes down the page, exits to the right, subsets side by side at the end; text stays text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from colles.reporting.formats import count

_WIDTH, _LINE, _PAD, _GAP = 680, 17, 11, 26
_MAIN = (1, 250)  # left edge and width of the main column
_SIDE = (321, 350)
_SIDE_LETTERS = 50


@dataclass(frozen=True)
class Exit:
    """Images that leave the flow."""

    n: int
    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Station:
    """A step of the flow and what leaves after it."""

    text: str
    exits: tuple[Exit, ...] = ()


def flow_diagram(stations: Sequence[Station], endings: Sequence[Sequence[str]]) -> Markup:
    """Draw the diagram as SVG markup; all text is escaped."""
    parts: list[str] = []
    y = 4
    for index, station in enumerate(stations):
        bottom = _box(parts, _MAIN[0], y, _MAIN[1], [station.text], strong=True)
        side = _exits(parts, bottom, [leaving for leaving in station.exits if leaving.n])
        y = max(bottom + _GAP, side)
        if index < len(stations) - 1:
            _arrow(parts, (_centre(), bottom), (_centre(), y))
    if endings:
        y = _endings(parts, bottom, endings)
    summary = "; ".join([*map(_told, stations), *(" ".join(lines) for lines in endings)])
    return Markup(
        f'<svg class="flow" role="img" aria-label="{escape(summary)}" viewBox="0 0 {_WIDTH} {y + 4}">'
        '<defs><marker id="flow-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto">'
        f'<path d="M0 0 8 4 0 8z"/></marker></defs>{"".join(parts)}</svg>'
    )


def _told(station: Station) -> str:
    """Say a step and what leaves after it, for whoever hears the diagram."""
    left = [
        f"{count(leaving.n)} {leaving.title}" + (f" ({', '.join(leaving.lines)})" if leaving.lines else "")
        for leaving in station.exits
        if leaving.n
    ]
    return f"{station.text}, of which {', '.join(left)}" if left else station.text


def _centre() -> int:
    return _MAIN[0] + _MAIN[1] // 2


def _exits(parts: list[str], top: int, exits: Sequence[Exit]) -> int:
    if not exits:
        return 0
    y = top + 12
    for leaving in exits:
        lines = [f"{count(leaving.n)} {leaving.title}"]
        if leaving.lines != (f"{count(leaving.n)} {leaving.title}",):
            lines += [part for line in leaving.lines for part in _wrapped(line)]
        bottom = _box(parts, _SIDE[0], y, _SIDE[1], lines)
        _arrow(parts, (_centre(), (y + bottom) // 2), (_SIDE[0], (y + bottom) // 2))
        y = bottom + 10
    return y + 4


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, _SIDE_LETTERS, subsequent_indent="  ")[:3]


def _endings(parts: list[str], top: int, endings: Sequence[Sequence[str]]) -> int:
    gap = 14
    width = min(210, (_WIDTH - 20 - gap * (len(endings) - 1)) // len(endings))
    y, rail = top + 2 * _GAP, top + _GAP
    centres = [1 + index * (width + gap) + width // 2 for index in range(len(endings))]
    ends = sorted([_centre(), *centres])
    parts.append(f'<path class="line" d="M{_centre()} {top}V{rail}M{ends[0]} {rail}H{ends[-1]}"/>')
    bottom = y
    for lines, centre in zip(endings, centres, strict=True):
        _arrow(parts, (centre, rail), (centre, y))
        bottom = max(bottom, _box(parts, centre - width // 2, y, width, lines, strong=True))
    return bottom


def _box(parts: list[str], x: int, y: int, width: int, lines: Sequence[str], *, strong: bool = False) -> int:
    height = 2 * _PAD + _LINE * len(lines)
    parts.append(
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" class="{"main" if strong else "side"}"/>'
    )
    for index, line in enumerate(lines):
        weight = ' class="strong"' if index == 0 else ""
        parts.append(f'<text x="{x + 12}" y="{y + _PAD + 13 + _LINE * index}"{weight}>{escape(line)}</text>')
    return y + height


def _arrow(parts: list[str], start: tuple[int, int], end: tuple[int, int]) -> None:
    parts.append(f'<path class="line" marker-end="url(#flow-tip)" d="M{start[0]} {start[1]}L{end[0]} {end[1]}"/>')
