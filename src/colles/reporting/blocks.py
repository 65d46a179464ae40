"""What a section is made of: frozen blocks that the template draws; all text in them is plain and gets escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from markupsafe import Markup

from colles.reporting.figures.style import Drawing


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Note:
    """A remark that stands out; `warning` is drawn stronger."""

    kind: ClassVar[str] = "note"
    text: str
    warning: bool = False


@dataclass(frozen=True)
class Alarm:
    """What must be read before any figure."""

    kind: ClassVar[str] = "alarm"
    text: str


@dataclass(frozen=True)
class Missing:
    """What a section lacks, and the command that makes it."""

    kind: ClassVar[str] = "missing"
    what: str
    command: str


@dataclass(frozen=True)
class Link:
    """A link to a file beside the report."""

    kind: ClassVar[str] = "link"
    href: str
    text: str


@dataclass(frozen=True)
class Table:
    """A table."""

    kind: ClassVar[str] = "table"
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    text_columns: frozenset[int] = frozenset({0})
    """Indexes of columns set left; the others hold figures."""


@dataclass(frozen=True)
class KeyFigure:
    """One of the figures on top of the report."""

    label: str
    value: str
    interval: str
    note: str


@dataclass(frozen=True)
class KeyFigures:
    """The row of figures on top of the report."""

    kind: ClassVar[str] = "key_figures"
    items: tuple[KeyFigure, ...]
    doubtful: bool = False
    """True draws the values faintly: they say next to nothing."""


@dataclass(frozen=True)
class Figures:
    """Drawings side by side, one under the other on a phone."""

    kind: ClassVar[str] = "figures"
    items: tuple[tuple[Drawing, str], ...]
    """Drawing and caption."""
    wide: bool = False


@dataclass(frozen=True)
class Svg:
    """A diagram that is markup already (escaped where it was made)."""

    kind: ClassVar[str] = "svg"
    markup: Markup
    caption: str


@dataclass(frozen=True)
class Picture:
    """An embedded picture with a caption of short lines."""

    src: str
    """A data: address."""
    alt: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pictures:
    """A gallery."""

    kind: ClassVar[str] = "pictures"
    items: tuple[Picture, ...]
    wide: bool = False
    broad: bool = False
    """True for pictures that hold several side by side: fewer in a row."""


@dataclass(frozen=True)
class Code:
    """Text set as typed."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True)
class Slider:
    """The control that moves the threshold; `data` goes to the page as JSON."""

    kind: ClassVar[str] = "slider"
    data: dict[str, Any]
    roc: str
    """Points of the polylines in a square of 100 × 100, y downward."""
    pr: str


@dataclass(frozen=True)
class Details:
    """Blocks folded away under a line."""

    kind: ClassVar[str] = "details"
    summary: str
    blocks: tuple[Block, ...] = field(default=())


Block = (
    Text
    | Bullets
    | Heading
    | Note
    | Alarm
    | Missing
    | Link
    | Table
    | KeyFigures
    | Figures
    | Svg
    | Pictures
    | Code
    | Slider
    | Details
)


def drawings(blocks: Iterable[Block]) -> Iterator[Drawing]:
    """Yield every drawing in the blocks, folded ones too."""
    for block in blocks:
        if isinstance(block, Figures):
            yield from (drawing for drawing, _ in block.items)
        elif isinstance(block, Details):
            yield from drawings(block.blocks)


def long_table(table: Table, summary: str, limit: int = 12) -> Sequence[Block]:
    """Fold a table away where it has more than `limit` rows."""
    return [table] if len(table.rows) <= limit else [Details(summary, (table,))]
