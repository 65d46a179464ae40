"""One random affine map from a training canvas to the network's size, of pixels and boxes together.

Flip, turn, rotation, scale and translation are one resampling instead of five, so nothing blurs twice.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from colles.core.recipe import AugmentRecipe

Matrix = NDArray[np.float64]
"""(2, 3): canvas pixel to output pixel."""


class RandomPlace(v2.Transform):  # type: ignore[misc]
    """Move a canvas (1, C, C) uint8 and its boxes to (1, `size`, `size`); outside of the canvas is black."""

    def __init__(self, recipe: AugmentRecipe, size: int) -> None:
        super().__init__()
        self.recipe, self.size = recipe, size

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the map for the canvas among the inputs."""
        side = next(part.shape[-1] for part in flat_inputs if not isinstance(part, tv_tensors.BoundingBoxes))
        return {"matrix": draw_matrix(self.recipe, side, self.size)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Move pixels by interpolation, boxes by formula."""
        matrix: Matrix = params["matrix"]
        if isinstance(inpt, tv_tensors.BoundingBoxes):
            moved = torch.from_numpy(move_boxes(inpt.numpy(), matrix))
            return tv_tensors.BoundingBoxes(moved, format="XYXY", canvas_size=(self.size, self.size))
        # a plain tensor would be passed over by the transforms that ask for an image
        return tv_tensors.Image(_warp(inpt, matrix, self.size))


def _warp(canvas: Tensor, matrix: Matrix, size: int) -> Tensor:
    if canvas.shape[-1] == size and np.array_equal(matrix, np.eye(2, 3)):
        return canvas
    return torch.from_numpy(cv2.warpAffine(canvas[0].numpy(), matrix, (size, size), flags=cv2.INTER_LINEAR))[None]


def draw_matrix(recipe: AugmentRecipe, side: int, size: int) -> Matrix:
    """Draw a map from a canvas of `side` to one of `size` pixels around both centres, with torch's generator."""
    angle = np.deg2rad(_between(-recipe.rotation, recipe.rotation) + 90 * _quarter(recipe.quarter_turn))
    scale = _between(*recipe.scale) * size / side
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]])
    if recipe.flip and _between(0, 1) < recipe.flip:
        linear[:, 0] *= -1
    # pixel centres: the middle of n pixels is (n − 1) / 2
    shift = [_between(-recipe.translation, recipe.translation) * size for _ in range(2)]
    offset = (size - 1) / 2 + np.array(shift) - linear @ np.full(2, (side - 1) / 2)
    return np.round(np.hstack([linear, offset[:, None]]), 12)


def move_boxes(boxes: NDArray[np.float32], matrix: Matrix) -> NDArray[np.float32]:
    """Return the boxes (k, 4) around the moved ellipses that fill the given ones: a turn makes them no larger."""
    boxes = boxes.reshape(-1, 4).astype(np.float64)
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    linear = matrix[:, :2]
    # boxes count from the pixel's edge, the matrix from its centre
    moved = (centre - 0.5) @ linear.T + matrix[:, 2] + 0.5
    reach = np.sqrt((half[:, None, :] ** 2 * linear[None] ** 2).sum(axis=2))
    return np.hstack([moved - reach, moved + reach]).astype(np.float32)


def _between(low: float, high: float) -> float:
    return low if low == high else float(torch.empty(1).uniform_(low, high))


def _quarter(probability: float) -> int:
    return int(torch.randint(1, 4, (1,))) if probability and _between(0, 1) < probability else 0
