"""The same radiograph a little worse: noise, blur, JPEG, rotation, inversion and exposure at three strengths.

Every function takes and gives a grey image (H, W) uint8. Sizes are shares of the longer side, so that a small and a
large file are changed alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colles.imaging.resize import resize

Grey = NDArray[np.uint8]
Perturbation = Callable[[Grey, int, np.random.Generator], Grey]
_GRAIN = 512
"""Noise has as many grains along the longer side, or as many as the image has pixels."""
_NOISE_SD = (5.0, 10.0, 20.0)
"""Grey levels of 255."""
_BLUR_SIGMA = (0.002, 0.004, 0.008)
"""Share of the longer side: 1, 2 and 4 pixels of 512."""
_JPEG_QUALITY = (50, 20, 8)
_ROTATION = (5.0, 15.0, 30.0)
"""Degrees, either way by chance."""
_UNDER, _OVER = (0.7, 0.5, 0.3), (1.4, 2.0, 3.0)
"""Factors on grey levels; what passes white is lost."""


def noise(image: Grey, strength: int, rng: np.random.Generator) -> Grey:
    """Add Gaussian noise of SD 5, 10 or 20 grey levels."""
    height, width = image.shape
    shrink = min(1.0, _GRAIN / max(height, width))
    grain = rng.normal(0.0, _NOISE_SD[strength - 1], (max(1, round(height * shrink)), max(1, round(width * shrink))))
    field = resize(grain.astype(np.float32), width, height) if shrink < 1 else grain
    return _clip(image + field)


def blur(image: Grey, strength: int, rng: np.random.Generator) -> Grey:
    """Blur as motion or a large focus would: Gaussian, σ of 0.2, 0.4 or 0.8 % of the longer side."""
    return _clip(cv2.GaussianBlur(image, (0, 0), _BLUR_SIGMA[strength - 1] * max(image.shape)))


def jpeg(image: Grey, strength: int, rng: np.random.Generator) -> Grey:
    """Store as JPEG of quality 50, 20 or 8, and read it back."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY[strength - 1]])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


def rotation(image: Grey, strength: int, rng: np.random.Generator) -> Grey:
    """Turn by 5, 15 or 30 degrees, left or right, about the centre; corners that leave the frame are lost."""
    height, width = image.shape
    angle = _ROTATION[strength - 1] * rng.choice([-1.0, 1.0])
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    return np.asarray(cv2.warpAffine(image, turn, (width, height), flags=cv2.INTER_LINEAR), dtype=np.uint8)


def inversion(image: Grey, strength: int, rng: np.random.Generator) -> Grey:
    """Show bone dark, as a file whose photometric interpretation was ignored does; it has one strength."""
    return np.asarray(255 - image, dtype=np.uint8)


def underexposure(image: Grey, strength: int, rng: np.random.Generator) -> Grey:
    """Darken to 70, 50 or 30 % of the grey level."""
    return _clip(image * _UNDER[strength - 1])


def overexposure(image: Grey, strength: int, rng: np.random.Generator) -> Grey:
    """Brighten 1.4, 2 or 3 times; what passes white is lost."""
    return _clip(image * _OVER[strength - 1])


PERTURBATIONS: dict[str, Perturbation] = {
    "noise": noise,
    "blur": blur,
    "jpeg": jpeg,
    "rotation": rotation,
    "inversion": inversion,
    "underexposure": underexposure,
    "overexposure": overexposure,
}
ONE_STRENGTH = frozenset(("inversion",))


def conditions(kinds: tuple[str, ...], strengths: tuple[int, ...]) -> list[tuple[str, str, int]]:
    """Return (name, kind, strength) of every condition, such as `noise 2`; a kind of one strength stands once."""
    found = []
    for kind in kinds:
        if kind in ONE_STRENGTH:
            found.append((kind, kind, 1))
        else:
            found += [(f"{kind} {strength}", kind, strength) for strength in strengths]
    return found


def _clip(values: NDArray[Any]) -> Grey:
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)
