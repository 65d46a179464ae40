"""Bones as solids with an elliptical cross-section along an axis, and how long a ray runs through them.

Lengths are millimetres. Anatomy has x lateral, y down the picture, z towards the tube; a view turns it about y.
Projected along z, an ellipse with half axes a (x) and b (z) has the half width w = √((a cos θ)² + (b sin θ)²), and
the ray at the distance s from its middle runs 2 (a b / w) √(1 − (s / w)²) inside it. A shell is outer minus inner.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

Array = npt.NDArray[np.float32]
Point = npt.NDArray[np.float64]
Knots = tuple[tuple[float, ...], ...]
"""Rows (t, value, …) with t from 0 (near end) to 1 (far end), interpolated monotonically between them."""

SAMPLES = 1024  # along an axis: finer than a pixel at every size allowed
_CAP = 0.8  # a bone's end is rounded over so many half widths


@dataclass(frozen=True)
class Bone:
    """A solid in three dimensions."""

    name: str
    start: tuple[float, float, float]
    end: tuple[float, float, float]
    width: Knots
    """Rows (t, a, b): half axes across x and along z."""
    cortex: Knots = ((0.0, 0.0), (1.0, 0.0))
    """Rows (t, thickness of the cortical shell)."""
    bow: Knots = ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0))
    """Rows (t, x, z): how far the axis leaves the straight line."""
    parent: str | None = None
    """The bone whose broken end carries this one along."""


@dataclass(frozen=True)
class Motion:
    """A turn about a point, then a shift, in the projected plane."""

    pivot: tuple[float, float]
    angle: float
    """Radians."""
    shift: tuple[float, float]

    def apply(self, points: Point) -> Point:
        """Move points (N, 2)."""
        pivot = np.array(self.pivot)
        return np.asarray((points - pivot) @ _turn(self.angle).T + pivot + np.array(self.shift))


@dataclass(frozen=True)
class Tube:
    """A bone in projection: profiles sampled along a straight axis in the picture."""

    name: str
    origin: tuple[float, float]
    axis: tuple[float, float]
    """Unit vector."""
    length: float
    half: Array
    """Half width across the axis."""
    depth: Array
    """Half path of the ray through the middle."""
    inner_half: Array
    inner_depth: Array
    bow: Array
    parent: str | None = None

    def moved(self, motion: Motion) -> Tube:
        """Return the tube after a motion."""
        origin = motion.apply(np.array([self.origin]))[0]
        axis = _turn(motion.angle) @ np.array(self.axis)
        return replace(self, origin=(float(origin[0]), float(origin[1])), axis=(float(axis[0]), float(axis[1])))

    def inflated(self, margin: float) -> Tube:
        """Return the soft tissue about the tube, `margin` thick."""
        length = self.length + 2 * margin
        along = np.clip((np.linspace(0, length, SAMPLES) - margin) / max(self.length, 1e-6), 0, 1)
        index = (along * (SAMPLES - 1)).astype(int)
        # The rounded ends of the bone are no guide for the skin: take the width a little inside.
        inside = np.clip(index, SAMPLES // 8, SAMPLES - SAMPLES // 8)
        half, depth = self.half[inside] + margin, self.depth[inside] + margin
        cap = _cap(np.linspace(0, length, SAMPLES), length, half)
        axis = np.array(self.axis)
        origin = np.array(self.origin) - axis * margin
        empty = np.zeros(SAMPLES, np.float32)
        return Tube(
            self.name, (float(origin[0]), float(origin[1])), self.axis, length,
            _f32(half * cap), _f32(depth * cap), empty, empty, self.bow[index], self.parent,
        )  # fmt: skip

    def at(self, t: float, s: float = 0.0) -> Point:
        """Return the point (2,) at the length `t` along and `s` across, the bow included."""
        axis = np.array(self.axis)
        across = np.array([-axis[1], axis[0]])
        return np.asarray(np.array(self.origin) + axis * t + across * (s + self.sample(self.bow, t)))

    def sample(self, profile: Array, t: float) -> float:
        """Return a profile's value at the length `t`."""
        return float(profile[int(np.clip(t / max(self.length, 1e-6), 0, 1) * (SAMPLES - 1))])

    @cached_property
    def reach(self) -> float:
        """The farthest that the solid reaches from its straight axis."""
        return float(self.half.max() + np.abs(self.bow).max())


@dataclass(frozen=True)
class Cut:
    """The part of a tube on one side of a fracture."""

    place: float
    """Length along the axis at which the fracture crosses it."""
    slope: float
    """Tangent of the fracture line's obliquity in the picture."""
    soft: float
    """Length over which the fracture fades because it is oblique to the ray."""
    teeth: Array
    """Unevenness of the line, sampled across from −reach to +reach."""
    far: bool
    """Keep the far side (towards the bone's end) instead of the near one."""


@dataclass(frozen=True)
class Frame:
    """The detector: how pixels lie over the projected anatomy."""

    width: int
    height: int
    pitch: float
    """Millimetres a pixel."""
    centre: tuple[float, float]
    """Anatomical point in the middle of the picture."""
    turn: float
    """Radians by which the anatomy is turned in the picture."""

    @property
    def placement(self) -> Motion:
        """The motion from anatomy to millimetres of the picture, origin at its top left."""
        middle = np.array([self.width, self.height]) * self.pitch / 2
        shift = middle - np.array(self.centre)
        return Motion(self.centre, self.turn, (float(shift[0]), float(shift[1])))

    def pixels(self, points: Point) -> Point:
        """Turn points of the picture in millimetres into pixels (edges at whole numbers)."""
        return points / self.pitch

    @cached_property
    def columns(self) -> Array:
        """Middles of the pixels across, in millimetres (1, W)."""
        return _f32((np.arange(self.width) + 0.5) * self.pitch)[None, :]

    @cached_property
    def rows(self) -> Array:
        """Middles of the pixels down, in millimetres (H, 1)."""
        return _f32((np.arange(self.height) + 0.5) * self.pitch)[:, None]

    def window(self, low: Point, high: Point) -> tuple[slice, slice] | None:
        """Return the rows and columns between two corners in millimetres, None where outside the picture."""
        x1, y1 = np.maximum(np.floor(low / self.pitch), 0).astype(int)
        x2, y2 = np.minimum(np.ceil(high / self.pitch), [self.width, self.height]).astype(int)
        return (slice(y1, y2), slice(x1, x2)) if x1 < x2 and y1 < y2 else None


@dataclass(frozen=True)
class Paths:
    """Path lengths in millimetres within a window of the picture."""

    window: tuple[slice, slice]
    outer: Array
    inner: Array
    t: Array
    """Place along the axis, in millimetres."""
    s: Array
    """Place across it, from the bowed middle."""


def project(bone: Bone, angle: float) -> Tube:
    """Project a bone for a view turned by `angle` radians about y."""
    cos, sin = math.cos(angle), math.sin(angle)
    start, end = (np.array([p[0] * cos + p[2] * sin, p[1]]) for p in (bone.start, bone.end))
    span = end - start
    length = float(np.hypot(*span))
    axis = span / max(length, 1e-6)
    t = np.linspace(0, 1, SAMPLES)
    _, a, b = _spline(bone.width, t)
    _, shell = _spline(bone.cortex, t)
    _, bow_x, bow_z = _spline(bone.bow, t)
    length = max(length, 1.2 * float(a.max()))
    half, depth = _seen(a, b, cos, sin)
    inner_half, inner_depth = _seen(np.maximum(a - shell, 0), np.maximum(b - shell, 0), cos, sin)
    cap = _cap(t * length, length, half)
    rim = float(shell[0] + shell[-1]) / 2
    inner_cap = _cap(t * length - rim, length - 2 * rim, inner_half)
    bow = (bow_x * cos + bow_z * sin) * -axis[1]  # a bow in x shows across the axis by the axis' share of y
    return Tube(
        bone.name, (float(start[0]), float(start[1])), (float(axis[0]), float(axis[1])), length,
        _f32(half * cap), _f32(depth * cap), _f32(inner_half * inner_cap), _f32(inner_depth * inner_cap),
        _f32(bow), bone.parent,
    )  # fmt: skip


def paths(tube: Tube, frame: Frame, cut: Cut | None = None) -> Paths | None:
    """Return how far each ray runs inside a tube and inside its marrow; None where it is outside the picture."""
    ends = np.array([tube.origin, np.array(tube.origin) + np.array(tube.axis) * tube.length])
    window = frame.window(ends.min(axis=0) - tube.reach, ends.max(axis=0) + tube.reach)
    if window is None:
        return None
    x = frame.columns[:, window[1]] - np.float32(tube.origin[0])
    y = frame.rows[window[0]] - np.float32(tube.origin[1])
    ux, uy = np.float32(tube.axis[0]), np.float32(tube.axis[1])
    t = x * ux + y * uy  # (h, w)
    index = np.clip(t * np.float32((SAMPLES - 1) / tube.length), 0, SAMPLES - 1).astype(np.int32)
    s = y * ux - x * uy - tube.bow[index]
    outer = _chord(s, tube.half[index], tube.depth[index])
    inner = _chord(s, tube.inner_half[index], tube.inner_depth[index])
    if cut is not None:
        share = _side(t, s, cut, tube.reach)
        outer, inner = outer * share, inner * share
    return Paths(window, outer, inner, t, s)


def _side(t: Array, s: Array, cut: Cut, reach: float) -> Array:
    size = len(cut.teeth)
    index = np.clip((s / np.float32(reach) + 1) * np.float32(size / 2), 0, size - 1).astype(np.int32)
    line = np.float32(cut.place) + np.float32(cut.slope) * s + cut.teeth[index]
    share = np.clip(0.5 + (line - t) / np.float32(max(cut.soft, 1e-3)), 0, 1)
    return np.asarray(1 - share if cut.far else share, dtype=np.float32)


def _chord(s: Array, half: Array, depth: Array) -> Array:
    ratio = s / np.maximum(half, np.float32(1e-3))
    return np.asarray(2 * depth * np.sqrt(np.maximum(1 - ratio * ratio, 0)), dtype=np.float32)


def _seen(a: Point, b: Point, cos: float, sin: float) -> tuple[Point, Point]:
    half = np.sqrt((a * cos) ** 2 + (b * sin) ** 2)
    return half, a * b / np.maximum(half, 1e-6)


def _cap(x: Point, length: float, half: Point) -> Point:
    near = np.clip(x / max(_CAP * float(half[SAMPLES // 50]), 1e-3), 0, 1)
    far = np.clip((length - x) / max(_CAP * float(half[-SAMPLES // 50]), 1e-3), 0, 1)
    return np.asarray(np.sqrt(1 - (1 - near) ** 2) * np.sqrt(1 - (1 - far) ** 2))


def _spline(knots: Knots, t: Point) -> tuple[Point, ...]:
    rows = np.array(knots)
    return (t, *(np.asarray(PchipInterpolator(rows[:, 0], rows[:, k])(t)) for k in range(1, rows.shape[1])))


def _turn(angle: float) -> Point:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def _f32(values: Point | Array) -> Array:
    return np.asarray(values, dtype=np.float32)
