"""What the network saw: training images with their augmentations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Missing, Picture, Pictures, Text
from colles.reporting.pictures import data_address
from colles.reporting.sections.base import Section

SIDE = 1400


class Samples(Section):
    """The picture that training saved."""

    name = "samples"
    title = "Training images, augmented"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        address = None if run.samples is None else data_address(run.samples, SIDE)
        if address is None:
            return [Missing("No picture of training images.", "colles train RECIPE --out RUN")]
        alt = "Training radiographs as the network saw them"
        return [Text(_settings(run)), Pictures((Picture(address, alt),), wide=True)]


def _setting(value: object) -> str:
    return "–".join(map(str, value)) if isinstance(value, list) else str(value)


def _settings(run: Artefacts) -> str:
    recipe = run.recipe or {}
    augment = ((recipe.get("train") or {}).get("augment")) or {}
    settings = ", ".join(f"{name} {_setting(value)}" for name, value in augment.items() if value not in (0, [1.0, 1.0]))
    size = (recipe.get("preprocess") or {}).get("size")
    canvas = f" on a canvas of {size} × {size} pixels" if size else ""
    drawn = f"Random changes, drawn anew each epoch: {settings}." if settings else "The recipe names no random changes."
    return (
        f"Training radiographs as the network saw them{canvas}. {drawn} Validation and test images are never changed."
    )
