"""From thickness to a picture: Beer–Lambert attenuation, detector blur, photon noise, logarithmic display."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

# Linear attenuation at 60 keV in 1/cm: mass attenuation (Hubbell and Seltzer, NISTIR 5632, tables 3, 4) times density.
MU = {
    "soft": 0.2048 * 1.06,
    "cortical": 0.3148 * 1.92,
    "trabecular": 0.2048 * 1.06 + 0.25 * (0.3148 * 1.92 - 0.2048 * 1.06),  # a quarter bone, the rest marrow
    "metal": 0.766 * 4.54,  # titanium
    "plaster": 0.30 * 1.1,  # gypsum with air in it
}


@dataclass(frozen=True)
class Exposure:
    """How one picture is taken."""

    photons: float
    """Per detector pixel in air."""
    blur: float
    """Standard deviation of focal spot and detector together, in pixels."""
    gamma: float
    """Of the display curve."""
    white: float
    """Share of the densest pixels that the display saturates."""


def draw_exposure(rng: np.random.Generator) -> Exposure:
    """Draw an exposure between grainy and clean."""
    photons = float(10 ** rng.uniform(3.6, 4.6))
    return Exposure(photons, rng.uniform(0.5, 0.9), rng.uniform(0.75, 1.05), rng.uniform(0.001, 0.006))


def expose(thickness: dict[str, Array], exposure: Exposure, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the picture (H, W) of path lengths in cm by material: bone bright, air black."""
    depth = sum(MU[name] * path for name, path in thickness.items())
    transmitted = np.exp(-np.asarray(depth, np.float32))
    transmitted = cv2.GaussianBlur(transmitted, (0, 0), exposure.blur)
    counted = rng.poisson(transmitted * exposure.photons).astype(np.float32)
    density = -np.log(np.maximum(counted, 1.0) / exposure.photons)
    # the middle 90 % of a display window leaves the thickest parts just short of white
    top = float(np.quantile(density, 1.0 - exposure.white)) * 1.05
    shown = np.clip(density / max(top, 1e-3), 0.0, 1.0) ** exposure.gamma
    return np.asarray(np.rint(shown * 255.0), dtype=np.uint8)
