"""One look for all figures: Okabe–Ito colours, thin axes, direct labels; the same bytes for the same input."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe & Ito, "Color universal design" (2008): told apart by readers with any colour vision.
BLUE, SKY, GREEN, ORANGE, VERMILLION, PURPLE = "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7"
INK, GREY, FAINT = "#222222", "#767676", "#DDDDDD"
_SHADES = {ORANGE: "#8A5F00", GREEN: "#00704F", VERMILLION: "#B34700", PURPLE: "#9A4574", GREY: "#5B6570"}
SUBSET_COLOURS = {"train": GREEN, "val": ORANGE, "test": BLUE, "external": PURPLE}
CLASS_COLOURS = {1: VERMILLION, 0: BLUE}
LABEL_BOX: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85}
"""What a name stands on where a line or a band may lie below it."""
POINT_MARKERS = {"f1": "o", "youden": "D", "rule_out": "^", "rule_in": "s"}

STYLE: dict[str, Any] = {
    "svg.hashsalt": "colles",  # else the ids in the file differ from run to run
    "svg.fonttype": "path",  # looks the same on machines without the font
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "text.color": INK,
    "text.parse_math": False,  # a name with two dollar signs is a name
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "path.simplify": True,
}


@dataclass(frozen=True)
class Drawing:
    """A finished figure."""

    name: str
    """Stem of its files in results/."""
    alt: str
    """What a reader who cannot see it should know."""
    svg: str
    png: bytes

    def inline(self, anchor: str = "") -> Markup:
        """Return the SVG as part of a page: no header, no metadata, ids that no other figure has.

        `anchor` tells figures of several runs on one page apart.
        """
        body = self.svg[self.svg.index("<svg") :]
        body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
        prefix = f"{anchor}{self.name}-"
        body = re.sub(r'\bid="', f'id="{prefix}', body)
        body = body.replace('href="#', f'href="#{prefix}').replace("url(#", f"url(#{prefix}")
        width = re.search(r'<svg[^>]*?\bwidth="([\d.]+)pt"', body)
        style = f' style="max-width:{float(width[1]) * 4 / 3:.0f}px"' if width else ""
        body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1)
        body = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", body, count=1)
        label = Markup.escape(self.alt)
        return Markup(body.replace("<svg", f'<svg role="img" aria-label="{label}"{style}', 1))


def draw(name: str, alt: str, size: tuple[float, float], paint: Callable[[Figure], None]) -> Drawing:
    """Paint a figure of `size` inches and give it back as SVG and PNG, without a date in either."""
    with mpl.rc_context(cast(Any, STYLE)):
        figure = Figure(figsize=size, layout="constrained")
        paint(figure)
        svg, png = io.StringIO(), io.BytesIO()
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(svg, format="svg", metadata=nothing)
        figure.set_layout_engine(None)  # the layout is found; finding it again takes as long as drawing
        figure.savefig(png, format="png", dpi=200, metadata={"Software": None})
    return Drawing(name, alt, svg.getvalue(), png.getvalue())


def shade(colour: str) -> str:
    """Return the shade of a colour that text is set in: on white its contrast is 4.5 or more (WCAG 2.2, AA)."""
    return _SHADES.get(colour, colour)


def name_line(axes: Axes, text: str, rank: int, of: int, colour: str) -> None:
    """Name one of a unit square's lines at its lower right, the first one uppermost."""
    axes.text(0.98, 0.04 + 0.065 * (of - 1 - rank), text, color=shade(colour), ha="right", transform=axes.transAxes,
              zorder=6, bbox=LABEL_BOX)  # fmt: skip


def unit_square(axes: Axes, x: str, y: str) -> None:
    """Set both axes to 0–1 with a faint grid."""
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=x, ylabel=y, xticks=ticks, yticks=ticks, aspect="equal")
    axes.grid(color=FAINT, linewidth=0.5)
