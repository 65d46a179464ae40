"""The location map of a bundle's graph, on the image itself: a heat map that needs no torch and costs nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colles.core.files import atomic_path
from colles.imaging.heatmap import unletterbox
from colles.imaging.overlay import overlay
from colles.imaging.preprocess import Placement
from colles.serving.prediction import Prediction
from colles.serving.session import sigmoid


def location_heat(cam: NDArray[np.float32], place: Placement) -> NDArray[np.float32]:
    """Return the class activation map (h, w) of the canvas as (H, W) of the image, 0–1.

    The values are the sigmoid of the map, whose mean over places is the image's logit: they compare between images,
    and an image without a fracture stays cold. For pooling and one linear layer the map is Grad-CAM's before its ReLU,
    plus the bias.
    """
    return unletterbox(sigmoid(cam).astype(np.float32), place)


def save_overlay(prediction: Prediction, grey: NDArray[np.uint8], path: Path) -> Path:
    """Draw a prediction's heat map over its image (H, W), of the image's size, with decision and probability."""
    assert prediction.heat is not None and prediction.probability is not None
    caption = f"{str(prediction.decision).replace('_', ' ')}, probability {prediction.probability:.2f}"
    picture = overlay(grey, prediction.heat, caption=caption)
    with atomic_path(path) as temporary:
        picture.save(temporary)
    return path
