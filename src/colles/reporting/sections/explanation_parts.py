"""On which fractures the model's own map points: by their size, the image's size, region and source; its candidates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from colles.reporting.blocks import Block, Table
from colles.reporting.formats import count, estimate, number

_FIGURES = {"pointing": "Peak in a box", "pointing_margin": "Peak near a box"}


def part_blocks(scores: Mapping[str, Any]) -> Iterator[Block]:
    """Yield tables of the default method of explain/scores.json: pointing by part, fractures found at false boxes."""
    default = scores.get("default")
    method = (scores.get("methods") or {}).get(default) or {}
    title = title_of(str(default), method)
    parts = method.get("subgroups") or ()
    if parts:
        rows = tuple(_part(part) for part in parts)
        heads = ("Part", "Images", *_FIGURES.values())
        yield Table(heads, rows, f"{title}: where it points well, and where less so, with intervals.")
    found = method.get("froc") or ()
    if found:
        rows = tuple((number(row.get("false_boxes_per_image"), 2), estimate(row.get("recall"), 2)) for row in found)
        caption = f"{title}: candidate boxes on {count(method.get('froc_images'))} images (FROC)."
        yield Table(("False boxes an image", "Fractures found"), rows, caption)


def _part(part: Mapping[str, Any]) -> tuple[str, ...]:
    column, figures = str(part.get("column")).replace("_", " "), part.get("figures") or {}
    return (f"{column}: {part.get('value')}", count(part.get("n")), *(estimate(figures.get(f), 2) for f in _FIGURES))


def title_of(name: str, method: Mapping[str, Any]) -> str:
    """Return what a reader calls a method of explain/scores.json."""
    return str(method.get("title") or name.replace("_", " "))
