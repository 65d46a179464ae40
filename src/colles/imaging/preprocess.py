"""The one path of the pixels from an image to the network's input, for training, export and prediction alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colles.core.recipe import PreprocessRecipe
from colles.core.records import Box
from colles.imaging.read import RawImage, to_grey
from colles.imaging.resize import resize


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an image lies on its canvas."""

    scale_x: float
    """Canvas pixels an image pixel."""
    scale_y: float
    pad_x: int
    """Canvas pixels left of the image."""
    pad_y: int
    size: int
    """Side of the canvas in pixels."""
    width: int
    """Of the image, in pixels."""
    height: int

    @property
    def inner_width(self) -> int:
        """Width of the image on the canvas, in pixels."""
        return max(1, round(self.width * self.scale_x))

    @property
    def inner_height(self) -> int:
        """Height of the image on the canvas, in pixels."""
        return max(1, round(self.height * self.scale_y))

    def to_canvas_xy(self, x: float, y: float) -> tuple[float, float]:
        """Map a point of the image to the canvas."""
        return x * self.scale_x + self.pad_x, y * self.scale_y + self.pad_y

    def to_image_xy(self, x: float, y: float) -> tuple[float, float]:
        """Map a point of the canvas to the image."""
        return (x - self.pad_x) / self.scale_x, (y - self.pad_y) / self.scale_y

    def boxes_to_canvas(self, boxes: Sequence[Box]) -> list[Box]:
        """Map boxes of the image to the canvas."""
        return [
            Box(x1=x1, y1=y1, x2=x2, y2=y2, name=box.name)
            for box in boxes
            for (x1, y1), (x2, y2) in [(self.to_canvas_xy(box.x1, box.y1), self.to_canvas_xy(box.x2, box.y2))]
        ]


def placement(width: int, height: int, recipe: PreprocessRecipe) -> Placement:
    """Compute where an image of `width` by `height` pixels lies on the canvas of a recipe."""
    size = recipe.size
    if recipe.fit == "stretch":
        return Placement(size / width, size / height, 0, 0, size, width, height)
    scale = size / max(width, height)
    inner_width, inner_height = max(1, round(width * scale)), max(1, round(height * scale))
    pad_x, pad_y = (size - inner_width) // 2, (size - inner_height) // 2
    return Placement(inner_width / width, inner_height / height, pad_x, pad_y, size, width, height)


def to_canvas(image: RawImage | NDArray[Any], recipe: PreprocessRecipe) -> NDArray[np.uint8]:
    """Return the grey canvas, (S, S) uint8: resized by area to shrink, linearly to grow, padded with black."""
    grey = to_grey(image)
    place = placement(grey.shape[1], grey.shape[0], recipe)
    inner = resize(grey, place.inner_width, place.inner_height)
    canvas = np.zeros((recipe.size, recipe.size), np.uint8)
    canvas[place.pad_y : place.pad_y + place.inner_height, place.pad_x : place.pad_x + place.inner_width] = inner
    return canvas


def to_input(canvas: NDArray[np.uint8], recipe: PreprocessRecipe) -> NDArray[np.float32]:
    """Scale to 0–1, subtract the mean, divide by the deviation.

    (S, S) uint8 → (C, S, S) float32, (N, S, S) → (N, C, S, S), with C equal channels before normalisation.
    """
    values = canvas.astype(np.float32) / np.float32(255.0)
    mean = np.asarray(recipe.mean, np.float32)[:, None, None]
    std = np.asarray(recipe.std, np.float32)[:, None, None]
    return np.asarray((values[..., None, :, :] - mean) / std, dtype=np.float32)
