"""From attenuation to grey levels: Beer–Lambert, scatter, detector blur, Poisson noise, display.

The beam is taken as monochromatic at 60 keV, near the mean energy of a limb exposure. Mass attenuation coefficients
and densities: Hubbell & Seltzer, NIST Standard Reference Database 126 (NISTIR 5632), tables 1 to 4, at 60 keV.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from colles.datasets.phantom.geometry import Array

# Linear attenuation, 1/mm: mass attenuation in cm²/g × density in g/cm³ / 10.
SOFT = 0.2048 * 1.06 / 10  # soft tissue, ICRU-44
CORTICAL = 0.3148 * 1.92 / 10  # bone, cortical, ICRU-44
TITANIUM = 0.7661 * 4.54 / 10
IRON = 1.205 * 7.874 / 10  # stands for surgical steel
LEAD = 5.021 * 11.35 / 10
# Gypsum, CaSO4·2H2O, from its elements (Ca 0.6578, S 0.4053, O 0.1907, H 0.3260 cm²/g by mass share); a set cast is
# porous, so about 1.0 g/cm³ instead of the mineral's 2.3.
PLASTER = 0.343 * 1.0 / 10
TRABECULAR_SHARE = 0.28  # volume of mineralised bone in the core near a joint; the rest is marrow, taken as soft tissue
_MARROW_SHARE = 0.06


@dataclass(frozen=True)
class Exposure:
    """How a picture was taken and shown."""

    photons: float
    """Mean count that reaches an uncovered pixel of 0.45 mm."""
    blur: float
    """Standard deviation of the detector's and focal spot's blur, in millimetres."""
    scatter: float
    """Scattered signal, as a share of the primary signal round about (after the grid)."""
    low: float
    """Attenuation shown black, as a share of the window."""
    high: float
    """Attenuation shown white, as a multiple of the body's own 98th percentile."""
    gamma: float
    detail: float
    """Strength of the unsharp mask that workstations apply."""


def draw_exposure(rng: np.random.Generator) -> Exposure:
    """Draw the settings of one exposure."""
    return Exposure(
        photons=float(np.exp(rng.uniform(np.log(3000), np.log(20000)))),
        blur=rng.uniform(0.18, 0.42),
        scatter=rng.uniform(0.01, 0.08),
        low=rng.uniform(0.0, 0.12),
        high=rng.uniform(1.02, 1.25),
        gamma=rng.uniform(0.8, 1.3),
        detail=rng.uniform(0.0, 0.6),
    )


def bone_attenuation(outer: Array, inner: Array, core: Array) -> Array:
    """Return what a bone attenuates beyond the soft tissue that it replaces; `core` is the mineral share of its inside.

    Lengths in millimetres; the result is a line integral (no unit).
    """
    return np.asarray((CORTICAL - SOFT) * ((outer - inner) + inner * core), dtype=np.float32)


def core_share(t: Array) -> Array:
    """Return the mineral share of the core at the share `t` of a bone's length: dense at joints, marrow between."""
    ends = np.clip(np.abs(2 * t - 1) ** 3, 0, 1)
    return np.asarray(_MARROW_SHARE + (TRABECULAR_SHARE - _MARROW_SHARE) * ends, dtype=np.float32)


def expose(
    attenuation: Array, tissue: Array, shutter: Array, pitch: float, how: Exposure, rng: np.random.Generator
) -> Array:
    """Return a picture's grey levels 0–1 (H, W) from its line integrals and the open share of the shutter (0–1).

    `tissue` is what body and cast attenuate: it sets the window, so that metal does not darken bone.
    """
    primary = np.exp(-attenuation)
    sigma = how.blur / pitch
    broad = max(0.06 * max(attenuation.shape), 1.0)
    small = cv2.resize(primary, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    haze = cv2.resize(cv2.GaussianBlur(small, (0, 0), max(broad / 4, 0.5)), primary.shape[::-1])
    signal = cv2.GaussianBlur(primary, (0, 0), max(sigma, 0.05)) + np.float32(how.scatter) * haze
    counts = signal * np.float32(how.photons * (pitch / 0.45) ** 2)
    noisy = rng.poisson(np.maximum(counts, 0)).astype(np.float32)
    # The light of one photon spreads: noise leaves the detector a little blurred too.
    spread = np.asarray(cv2.GaussianBlur(noisy, (0, 0), max(0.5 * sigma, 0.35)), dtype=np.float32)
    level: Array = -np.log(np.maximum(spread, 0.5) / np.float32(how.photons * (pitch / 0.45) ** 2))
    if how.detail > 0:
        smooth = np.asarray(cv2.GaussianBlur(level, (0, 0), 2.5 / pitch), dtype=np.float32)
        level = level + np.float32(how.detail) * (level - smooth)
    return _display(level, tissue, shutter, how)


def _display(level: Array, tissue: Array, shutter: Array, how: Exposure) -> Array:
    inside = level[shutter > 0.5]
    inside = inside[:: max(1, inside.size // 20000)]
    white = how.high * float(np.percentile(tissue[shutter > 0.5], 98))
    black = float(np.percentile(inside, 0.5)) + how.low * white
    shown = np.clip((level - np.float32(black)) / np.float32(max(white - black, 1e-3)), 0, 1)
    return np.asarray(shown ** np.float32(how.gamma) * shutter, dtype=np.float32)


def to_uint8(shown: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Round grey levels 0–1 to 8 bits."""
    return np.clip(np.rint(shown * 255), 0, 255).astype(np.uint8)
