"""A picture of training images and of what augmentation makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from colles.core.files import atomic_path
from colles.learning.loaders.augment import augment_seeded, create_augment
from colles.learning.loaders.datamodule import RadiographDataModule
from colles.learning.loaders.samplers import epoch_seed

IMAGES, CHANGES, SIDE = 8, 4, 160


def write_samples(data: RadiographDataModule, path: Path) -> Path:
    """Write a grid: a row an image (half of them fractured), the original first, then its random changes."""
    rng = np.random.default_rng(data.seed)
    rows = data.rows("train")
    rows = rows[data.weights[rows] > 0]
    chosen = [
        rng.permutation(rows[data.labels[rows] == label])[: IMAGES // 2] for label in (1, 0)
    ]  # fractured ones on top
    augment = create_augment(data.recipe.augment, data.preprocess.size)
    place = {int(row): number for number, row in enumerate(data.rows("train"))}
    lines = []
    for row in np.concatenate(chosen).tolist():
        drawing = data.drawing
        canvas = torch.from_numpy(np.array(drawing.canvases[drawing.rows[place[row]]]))[None]
        seeds = [epoch_seed(data.seed, 2, row, number) for number in range(CHANGES)]
        changed = [augment_seeded(augment, canvas, seed)[0][0].numpy() for seed in seeds]
        lines.append(np.concatenate([_shrink(each) for each in (canvas[0].numpy(), *changed)], axis=1))
    with atomic_path(path) as temporary:
        Image.fromarray(np.concatenate(lines, axis=0)).save(temporary)
    return path


def _shrink(canvas: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(Image.fromarray(canvas).resize((SIDE, SIDE)))
