"""Random changes that hide parts of a training canvas, but never the centre of a fracture whose box is known."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

_TRIES = 10


class _Occlusion(v2.Transform):  # type: ignore[misc]
    """Paint where a mask says, with a probability."""

    # boxes are looked at, so they have to be among the inputs
    _transformed_types = (tv_tensors.Image, tv_tensors.BoundingBoxes)

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the mask (S, S) of hidden pixels, or None."""
        boxes = [part.numpy() for part in flat_inputs if isinstance(part, tv_tensors.BoundingBoxes)]
        corners = np.concatenate(boxes) if boxes else np.zeros((0, 4))
        side = next(part.shape[-1] for part in flat_inputs if not isinstance(part, tv_tensors.BoundingBoxes))
        if _uniform(0, 1) >= self.probability:
            return {"hidden": None}
        return {"hidden": self.hidden(side, (corners[:, :2] + corners[:, 2:]) / 2)}

    def hidden(self, side: int, centres: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Return the mask of hidden pixels (`side`, `side`), or None; `centres` (k, 2) stay seen."""
        raise NotImplementedError

    def grey(self, canvas: NDArray[np.uint8]) -> int:
        """Return the grey level that is painted."""
        raise NotImplementedError

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Paint; boxes stay."""
        if params["hidden"] is None or isinstance(inpt, tv_tensors.BoundingBoxes):
            return inpt
        pixels = inpt[0].numpy().copy()
        pixels[params["hidden"]] = self.grey(pixels)
        changed: Tensor = tv_tensors.Image(torch.from_numpy(pixels)[None])
        return changed


class CutOut(_Occlusion):
    """One to three rectangles of 5–20 % of the side in the picture's mean grey (DeVries T, arXiv:1708.04552)."""

    def hidden(self, side: int, centres: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Return the rectangles; one that would hide a centre is drawn again, and left out after ten times."""
        mask = np.zeros((side, side), bool)
        for _ in range(1 + int(_uniform(0, 3))):
            for _ in range(_TRIES):
                width, height = (max(1, round(_uniform(0.05, 0.20) * side)) for _ in range(2))
                left, top = int(_uniform(0, side - width)), int(_uniform(0, side - height))
                inside = (centres >= (left, top)) & (centres < (left + width, top + height))
                if not inside.all(axis=1).any():
                    mask[top : top + height, left : left + width] = True
                    break
        return mask

    def grey(self, canvas: NDArray[np.uint8]) -> int:
        """Return the mean."""
        return round(float(canvas.mean()))


class Collimation(_Occlusion):
    """Shutters of the tube: black outside of a rectangle turned by up to 8°, each edge up to 15 % inwards."""

    def hidden(self, side: int, centres: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Return what lies behind the shutters, or None where ten draws would each hide a centre."""
        for _ in range(_TRIES):
            left, top, right, bottom = (_uniform(0, 0.15) * side for _ in range(4))
            corners = np.array([[left, top], [side - right, top], [side - right, side - bottom], [left, side - bottom]])
            angle, middle = np.deg2rad(_uniform(-8, 8)), side / 2
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            polygon = np.rint((corners - middle) @ turn.T + middle).astype(np.int32)
            lit = np.zeros((side, side), np.uint8)
            cv2.fillConvexPoly(lit, polygon, 1)
            column, row = np.clip(centres.astype(int), 0, side - 1).T if len(centres) else (slice(0), slice(0))
            if np.all(lit[row, column]):
                return np.asarray(lit == 0)
        return None

    def grey(self, canvas: NDArray[np.uint8]) -> int:
        """Return black."""
        return 0


def _uniform(low: float, high: float) -> float:
    return float(torch.empty(1).uniform_(low, high))
