"""What else lies in the beam: plates, screws and wires, casts, lead markers; and the shutter around it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from colles.datasets.phantom.geometry import Array, Frame, Tube, paths
from colles.datasets.phantom.physics import IRON, LEAD, PLASTER, TITANIUM


@dataclass(frozen=True)
class Plate:
    """A plate with screws on a bone's surface, in millimetres; or a wire, where its width is 0."""

    place: float
    """Share of the bone's length."""
    length: float
    width: float
    thickness: float
    facing: float
    """Radians about the bone: 0 faces the tube in the frontal view."""
    screws: int
    steel: bool


@dataclass(frozen=True)
class Cast:
    """A plaster sleeve, in millimetres."""

    padding: float
    thickness: float


def draw_plate(place: float, small: bool, rng: np.random.Generator) -> Plate:
    """Draw a plate (or, on a small bone, at times a wire) near a place."""
    wire = small and rng.random() < 0.5
    length = rng.uniform(18, 30) if small else rng.uniform(45, 85)
    return Plate(
        place=float(np.clip(place + rng.uniform(-0.06, 0.06), 0.02, 0.98)),
        length=length * (1.3 if wire else 1.0),
        width=0.0 if wire else (rng.uniform(4, 5.5) if small else rng.uniform(8, 11)),
        thickness=rng.uniform(1.1, 1.6) if small else rng.uniform(2.5, 3.6),
        facing=rng.uniform(-0.5, 0.5) + (math.pi / 2 if rng.random() < 0.4 else 0.0),
        screws=int(rng.integers(3, 5)) if small else int(rng.integers(4, 8)),
        steel=bool(rng.random() < 0.5),
    )


def draw_cast(rng: np.random.Generator) -> Cast:
    """Draw a cast."""
    return Cast(rng.uniform(1.5, 4), rng.uniform(3.5, 7))


def plate_attenuation(plate: Plate, tube: Tube, frame: Frame, view: float) -> Array:
    """Return the line integrals (H, W) of a plate and its screws on a projected bone."""
    total = np.zeros((frame.height, frame.width), np.float32)
    middle = plate.place * tube.length
    low, high = (tube.at(middle + k * (plate.length / 2 + 6)) for k in (-1, 1))
    half = tube.sample(tube.half, middle)
    margin = half + plate.width + 8
    window = frame.window(np.minimum(low, high) - margin, np.maximum(low, high) + margin)
    if window is None:
        return total
    x = frame.columns[:, window[1]] - np.float32(tube.at(middle)[0])
    y = frame.rows[window[0]] - np.float32(tube.at(middle)[1])
    t = x * np.float32(tube.axis[0]) + y * np.float32(tube.axis[1])
    s = y * np.float32(tube.axis[0]) - x * np.float32(tube.axis[1])
    metal = _wire(plate, t, s) if plate.width == 0 else _plate(plate, t, s, half, plate.facing - view)
    total[window] = metal * np.float32(IRON if plate.steel else TITANIUM)
    return total


def _wire(plate: Plate, t: Array, s: Array) -> Array:
    lean = math.tan(plate.facing * 0.5)
    inside = np.maximum(1 - ((s - np.float32(lean) * t) / np.float32(plate.thickness / 2)) ** 2, 0)
    return np.asarray(plate.thickness * np.sqrt(inside) * (np.abs(t) < plate.length / 2), dtype=np.float32)


def _plate(plate: Plate, t: Array, s: Array, half: float, turn: float) -> Array:
    face, side = abs(math.cos(turn)), math.sin(turn)
    offset = (half + plate.thickness / 2) * side
    seen = plate.width * face + plate.thickness * abs(side)
    body = _edge(plate.length / 2 - np.abs(t)) * _edge(seen / 2 - np.abs(s - np.float32(offset)))
    metal = body * np.float32(plate.width * plate.thickness / seen)
    width = 0.27 * plate.width
    deep = 2 * half  # the screw runs through both cortices
    reach = deep * abs(side)
    path = min(width / max(abs(side), 0.05), deep / max(face, 0.05))
    for place in np.linspace(-0.42, 0.42, plate.screws) * plate.length:
        inside = _edge(reach / 2 + width / 2 - np.abs(s - np.float32(offset - math.copysign(reach / 2, side))))
        screw = _edge(width / 2 - np.abs(t - np.float32(place))) * inside
        metal = metal + screw * np.float32(min(path, deep))
        head = _edge(0.75 * width - np.hypot(t - np.float32(place), (s - np.float32(offset)) / max(face, 0.4)))
        metal = metal + head * np.float32(plate.thickness * 0.5)
    return np.asarray(metal, dtype=np.float32)


def _edge(inside: Array | npt.NDArray[np.float64]) -> Array:
    return np.asarray(np.clip(inside / np.float32(0.4) + np.float32(0.5), 0, 1), dtype=np.float32)


def cast_attenuation(cast: Cast, limbs: list[Tube], frame: Frame, texture: Array) -> Array:
    """Return the line integrals (H, W) of a cast about the soft tissue `limbs`; `texture` (H, W) has mean 0."""
    shells = []
    for margin in (cast.padding + cast.thickness, cast.padding):
        total = np.zeros((frame.height, frame.width), np.float32)
        for limb in limbs:
            found = paths(limb.inflated(margin), frame)
            if found is not None:
                total[found.window] = np.maximum(total[found.window], found.outer)
        shells.append(total)
    folds = np.clip(1 + np.float32(0.12) * texture, 0.5, 1.5)
    return np.asarray((shells[0] - shells[1]) * folds * np.float32(PLASTER), dtype=np.float32)


def draw_shutter(frame: Frame, rng: np.random.Generator) -> tuple[Array, tuple[float, float, float, float]]:
    """Draw the open share (H, W) of the collimated field and its edges x1, y1, x2, y2 in pixels."""
    width, height = frame.width, frame.height
    if rng.random() < 0.2:
        return np.ones((height, width), np.float32), (0.0, 0.0, float(width), float(height))
    left, right = rng.uniform(0.0, 0.1, 2) * width
    top, bottom = rng.uniform(0.0, 0.1, 2) * height
    turn = math.tan(math.radians(rng.uniform(-2.5, 2.5)))
    x = np.arange(width, dtype=np.float32)[None, :] + 0.5
    y = np.arange(height, dtype=np.float32)[:, None] + 0.5
    leaning_x, leaning_y = x + np.float32(turn) * (y - height / 2), y - np.float32(turn) * (x - width / 2)
    gaps = (leaning_x - left, width - right - leaning_x, leaning_y - top, height - bottom - leaning_y)
    opened = np.ones((height, width), np.float32)
    softness = max(0.8, 0.9 / frame.pitch)  # penumbra of the blades
    for gap in gaps:
        opened = opened * np.clip(gap / np.float32(softness) + 0.5, 0, 1)
    return np.asarray(opened, dtype=np.float32), (left, top, width - right, height - bottom)


def marker_attenuation(
    text: str, frame: Frame, field: tuple[float, float, float, float], avoid: tuple[float, float],
    rng: np.random.Generator,
) -> Array:  # fmt: skip
    """Return the line integrals (H, W) of a lead letter in the corner of the field far from `avoid` (pixels)."""
    size = rng.uniform(8, 12) / frame.pitch
    x1, y1, x2, y2 = field
    inset = size * rng.uniform(0.5, 1.2)
    corners = [(x, y) for x in (x1 + inset, x2 - inset - size * 0.8) for y in (y1 + inset + size, y2 - inset)]
    far = sorted(corners, key=lambda c: -math.hypot(c[0] - avoid[0], c[1] - avoid[1]))
    x, y = far[int(rng.integers(0, 2))]
    zoom = 4  # drawn large, then reduced, so that small letters stay smooth
    side = max(int(size * 1.4 * zoom), 8)
    letter = np.zeros((side, side), np.uint8)
    scale = size * zoom / 22  # a capital of this font is 22 units high
    stroke = max(1, int(0.16 * size * zoom))
    cv2.putText(letter, text, (side // 8, int(side * 0.9)), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, stroke, cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), float(rng.uniform(-15, 15)), 1 / zoom)
    turn[0, 2] += x + size * 0.5 - side / 2
    turn[1, 2] += y - size * 0.5 - side / 2
    drawn = cv2.warpAffine(letter, turn, (frame.width, frame.height), flags=cv2.INTER_AREA)
    return np.asarray(drawn.astype(np.float32) * np.float32(LEAD * 0.5 / 255), dtype=np.float32)
