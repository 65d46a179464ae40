"""Canvases as training examples: augmented by a seed of their own, then the one path to the network's input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from colles.core.recipe import PreprocessRecipe
from colles.imaging.preprocess import to_input
from colles.learning.loaders.augment import NO_BOXES, augment_seeded, one_thread
from colles.learning.loaders.samplers import Draw, epoch_seed
from colles.learning.loaders.targets import Boxes, boxes_inside, location_target, padded


class CanvasDataset(Dataset[dict[str, Any]]):
    """Examples `{image (C, S, S) float32, label, weight, index}`; weight 0 marks a placeholder of a broken file.

    With `boxes` (one array (k, 4) an example, in pixels of its canvas) and a `stride` also `target` (1, h, w), where
    the fractures are, `located`, 0 for a fractured image without a box on the canvas, and the first `boxes` (8, 4).
    With `parts` (an index an example, −1 for unknown) also `part` (`part_count`,), 1 at the body part.
    """

    def __init__(
        self,
        canvases: NDArray[np.uint8],
        rows: NDArray[np.int64],
        labels: NDArray[np.int64],
        weights: NDArray[np.float32],
        recipe: PreprocessRecipe,
        *,
        augment: v2.Transform | None = None,
        seed: int = 0,
        boxes: Sequence[Boxes] | None = None,
        stride: int = 0,
        parts: NDArray[np.int16] | None = None,
        part_count: int = 0,
    ) -> None:
        self.canvases, self.rows, self.labels, self.weights = canvases, rows, labels, weights
        self.recipe, self.augment, self.seed = recipe, augment, seed
        self.boxes, self.stride = boxes, stride
        self.parts, self.part_count = parts, part_count

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, draw: Draw | int) -> dict[str, Any]:
        epoch, position, index = draw if isinstance(draw, tuple) else (0, draw, draw)
        canvas = np.array(self.canvases[self.rows[index]])
        boxes = NO_BOXES if self.boxes is None else self.boxes[index]
        if self.augment is not None:
            seed = epoch_seed(self.seed, epoch, position, index)
            changed, boxes = augment_seeded(self.augment, torch.from_numpy(canvas)[None], seed, boxes)
            canvas = changed[0].numpy()
        return {
            "image": torch.from_numpy(to_input(canvas, self.recipe)),
            "label": np.float32(self.labels[index]),
            "weight": self.weights[index],
            "index": index,
            **(self._location(boxes, index) if self.stride else {}),
            **({} if self.parts is None else {"part": self._part(int(self.parts[index]))}),
        }

    def __getitems__(self, draws: Sequence[Draw | int]) -> list[dict[str, Any]]:
        """Return a batch's examples, which a data loader asks for together."""
        with one_thread():
            return [self[draw] for draw in draws]

    def _location(self, boxes: Boxes, index: int) -> dict[str, Any]:
        seen = bool(len(boxes_inside(boxes, self.recipe.size)))
        known = self.labels[index] == 0 or seen
        target = location_target(boxes if seen else NO_BOXES, self.recipe.size, self.stride)
        located = np.float32(known and self.weights[index] > 0)
        return {"target": torch.from_numpy(target), "located": located, "boxes": torch.from_numpy(padded(boxes))}

    def _part(self, place: int) -> Tensor:
        part = torch.zeros(self.part_count)
        if place >= 0:
            part[place] = 1.0
        return part
