"""Canvases as training examples: augmented by a seed of their own, then the one path to the network's input."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import Dataset

from colles.core.recipe import PreprocessRecipe
from colles.imaging.preprocess import to_input
from colles.learning.loaders.augment import augment_seeded
from colles.learning.loaders.samplers import Draw, epoch_seed


class CanvasDataset(Dataset[dict[str, Any]]):
    """Examples `{image (C, S, S) float32, label, weight, index}`; weight 0 marks a placeholder of a broken file."""

    def __init__(
        self,
        canvases: NDArray[np.uint8],
        rows: NDArray[np.int64],
        labels: NDArray[np.int64],
        weights: NDArray[np.float32],
        recipe: PreprocessRecipe,
        *,
        augment: nn.Module | None = None,
        seed: int = 0,
    ) -> None:
        self.canvases, self.rows, self.labels, self.weights = canvases, rows, labels, weights
        self.recipe, self.augment, self.seed = recipe, augment, seed

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, draw: Draw | int) -> dict[str, Any]:
        epoch, position, index = draw if isinstance(draw, tuple) else (0, draw, draw)
        canvas = np.array(self.canvases[self.rows[index]])
        if self.augment is not None:
            seed = epoch_seed(self.seed, epoch, position, index)
            canvas = augment_seeded(self.augment, torch.from_numpy(canvas)[None], seed)[0].numpy()
        return {
            "image": torch.from_numpy(to_input(canvas, self.recipe)),
            "label": np.float32(self.labels[index]),
            "weight": self.weights[index],
            "index": index,
        }
