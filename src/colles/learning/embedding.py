"""Features of EfficientNet-Lite0 with ImageNet weights: what a frozen network sees in a picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from colles.core.recipe import PreprocessRecipe
from colles.imaging.preprocess import to_input
from colles.learning.models.pretrained import lite0_backbone

NAME = "lite0-imagenet-224"
"""Changes when the features do."""
PREPROCESS = PreprocessRecipe(size=224, channels=3, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
_BATCH = 32


def embed(canvases: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
    """Yield the features (1280,) of grey canvases (S, S), in their order."""
    backbone, _ = lite0_backbone(3)
    backbone.eval()
    waiting = iter(canvases)
    while batch := list(islice(waiting, _BATCH)):
        with torch.inference_mode():
            features = backbone(torch.from_numpy(to_input(np.stack(batch), PREPROCESS)))
            maps = features[-1] if isinstance(features, list | tuple) else features
            yield from maps.mean((2, 3)).numpy().astype(np.float32)
