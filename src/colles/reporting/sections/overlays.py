"""A heat map's picture from the folder of `colles explain`, never from outside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colles.reporting.blocks import Picture
from colles.reporting.formats import number
from colles.reporting.pictures import data_address

SIDE = 360
"""Longer side of an embedded picture, pixels."""
_LETTERS = 40  # of a name below it


def overlay_picture(entry: Mapping[str, Any], folder: Path, *, several: bool = False) -> Picture | None:
    """Return the overlay of one entry of explanations.json, or None where it cannot be read.

    `several` prefers the picture that shows all methods side by side.
    """
    beside = entry.get("side_by_side") if several else None
    file = (folder / str(beside or entry.get("overlay") or "")).resolve()
    if not file.is_relative_to(folder.resolve()) or not file.is_file():
        return None
    address = data_address(file, 2 * SIDE if beside else SIDE)
    if address is None:
        return None
    name = str(entry.get("image_id") or Path(str(entry.get("path") or "")).name)
    method = "methods side by side" if beside else str(entry.get("method")).replace("_", " ")
    outcome = str(entry.get("outcome") or "outcome not known")
    lines = (short_name(name), method, f"score {number(entry.get('score'))} · {outcome}")
    return Picture(address, f"Heat map by {method} on {name}, {outcome}", lines)


def short_name(image_id: str) -> str:
    """Return the end of an image's id, which tells images apart, without its folders."""
    name = image_id.rsplit("/", 1)[-1]
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS - 12]}…{name[-11:]}"
