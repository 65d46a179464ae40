"""Solids and the path of a ray through them: tubes for shafts, ellipsoids for carpals and heads."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Break:
    """A fracture across a tube."""

    at: float
    """Share of the length."""
    gap: float
    """Width of the cleft in mm."""
    depth: float
    """Share of the bone missing in the cleft, 0–1."""
    shift: float
    """Sideways displacement of the far part, mm."""
    angle: float
    """Angulation of the far part, radians."""
    slope: float
    """Obliquity: mm along the bone for a mm across it."""
    teeth: float
    """Jaggedness of the edge, mm."""
    phase: float = 0.0

    @property
    def difficulty(self) -> float:
        """0 plain to 1 hardly visible: how little cleft, displacement and angulation there are."""
        seen = self.depth * min(1.0, self.gap / 2.5) + abs(self.shift) / 6.0 + abs(self.angle) / 0.5
        return float(np.clip(1.0 - seen, 0.0, 1.0))


@dataclass(frozen=True)
class Tube:
    """A long bone from `start` to `end` (x, y in mm) with a cortical shell and a marrow cavity."""

    start: tuple[float, float]
    end: tuple[float, float]
    radius: float
    """Of the shaft, mm."""
    flare: float = 1.5
    """Radius at the ends over that of the shaft."""
    shell: float = 0.32
    """Cortical thickness of the shaft over its radius."""
    bow: float = 0.0
    """Sideways curvature, mm at mid-length."""
    fracture: Break | None = field(default=None)

    @property
    def length(self) -> float:
        """Distance of the ends, mm."""
        return float(np.hypot(self.end[0] - self.start[0], self.end[1] - self.start[1]))

    def point(self, share: float) -> tuple[float, float]:
        """Return the axis at a share of the length, mm."""
        (x1, y1), (x2, y2) = self.start, self.end
        side = self.bow * 4.0 * share * (1.0 - share) / max(self.length, 1e-6)
        return x1 + (x2 - x1) * share - (y2 - y1) * side, y1 + (y2 - y1) * share + (x2 - x1) * side

    def radius_at(self, share: float) -> float:
        """Return the outer radius at a share of the length, mm."""
        return float(_profile(np.float32(share), self.radius, self.flare))

    def paths(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Return the ray's path through shell and marrow, mm, at points (H, W) in mm."""
        if self.fracture is None:
            return _whole(self, x, y, 0.0, 1.0)
        near = _whole(replace(self, fracture=None), x, y, 0.0, 1.0)
        keep = _side(self, self.fracture, x, y)
        moved_x, moved_y = _move_back(self, self.fracture, x, y)
        far = _whole(replace(self, fracture=None), moved_x, moved_y, 0.0, 1.0)
        beyond = 1.0 - _side(self, self.fracture, moved_x, moved_y)
        cleft = self.fracture.depth
        solid = 1.0 - cleft
        fill = [np.maximum(n * np.maximum(keep, 0.0) + f * beyond, 0.0) for n, f in zip(near, far, strict=True)]
        overlap = _gap(self, self.fracture, x, y)
        return fill[0] * (1 - overlap * (1 - solid)), fill[1] * (1 - overlap * (1 - solid))


def _profile(share: Array | np.float32, radius: float, flare: float) -> Array:
    ends = np.exp(-((share / 0.13) ** 2)) + np.exp(-(((1.0 - share) / 0.13) ** 2))
    return np.asarray(radius * (1.0 + (flare - 1.0) * ends), np.float32)


def _local(tube: Tube, x: Array, y: Array) -> tuple[Array, Array]:
    (x1, y1), (x2, y2) = tube.start, tube.end
    length = max(tube.length, 1e-6)
    ux, uy = (x2 - x1) / length, (y2 - y1) / length
    along = (x - x1) * ux + (y - y1) * uy
    across = -(x - x1) * uy + (y - y1) * ux
    share = along / length
    return np.asarray(along, np.float32), np.asarray(across - tube.bow * 4.0 * share * (1.0 - share), np.float32)


def _whole(tube: Tube, x: Array, y: Array, first: float, last: float) -> tuple[Array, Array]:
    along, across = _local(tube, x, y)
    share = np.clip(along / tube.length, first, last)
    radius = _profile(share, tube.radius, tube.flare)
    # beyond an end the bone closes like a cap
    beyond = np.maximum(np.maximum(-along, along - tube.length), 0.0)
    distance2 = across**2 + (beyond * 1.6) ** 2
    outer = 2.0 * np.sqrt(np.maximum(radius**2 - distance2, 0.0))
    # the shell thins towards the ends, where the cavity is full of trabeculae
    middle = np.exp(-(((share - 0.5) / 0.33) ** 4))
    cavity = radius - tube.radius * tube.shell * (0.22 + 0.78 * middle)
    inner = 2.0 * np.sqrt(np.maximum(cavity**2 - distance2, 0.0))
    marrow = inner * (1.0 - 0.75 * middle)
    return np.asarray(outer - inner, np.float32), np.asarray(marrow, np.float32)


def _edge(tube: Tube, crack: Break, across: Array) -> Array:
    wave = np.sin(across * 1.9 + crack.phase) + 0.6 * np.sin(across * 4.3 + 2.0 * crack.phase)
    return np.asarray(crack.at * tube.length + crack.slope * across + crack.teeth * wave, np.float32)


def _side(tube: Tube, crack: Break, x: Array, y: Array) -> Array:
    along, across = _local(tube, x, y)
    return np.asarray(np.clip((_edge(tube, crack, across) - along) / 0.4 + 0.5, 0.0, 1.0), np.float32)


def _gap(tube: Tube, crack: Break, x: Array, y: Array) -> Array:
    along, across = _local(tube, x, y)
    distance = (along - _edge(tube, crack, across)) / max(crack.gap / 2.0, 0.1)
    return np.asarray(np.exp(-(distance**2)), np.float32)


def _move_back(tube: Tube, crack: Break, x: Array, y: Array) -> tuple[Array, Array]:
    px, py = tube.point(crack.at)
    (x1, y1), (x2, y2) = tube.start, tube.end
    ux, uy = (x2 - x1) / tube.length, (y2 - y1) / tube.length
    dx, dy = x - px + uy * crack.shift, y - py - ux * crack.shift
    c, s = np.cos(-crack.angle), np.sin(-crack.angle)
    return np.asarray(px + c * dx - s * dy, np.float32), np.asarray(py + s * dx + c * dy, np.float32)


@dataclass(frozen=True)
class Ellipsoid:
    """A short bone or a joint head."""

    centre: tuple[float, float]
    radii: tuple[float, float, float]
    """Half axes in mm: along, across, and in the ray's direction."""
    angle: float = 0.0
    shell: float = 0.12
    """Cortical thickness over the radius."""

    def paths(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Return the ray's path through shell and marrow, mm."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        dx, dy = x - self.centre[0], y - self.centre[1]
        u, v = (c * dx + s * dy) / self.radii[0], (-s * dx + c * dy) / self.radii[1]
        outer = 2.0 * self.radii[2] * np.sqrt(np.maximum(1.0 - u**2 - v**2, 0.0))
        k = 1.0 - self.shell
        inner = 2.0 * self.radii[2] * k * np.sqrt(np.maximum(1.0 - (u / k) ** 2 - (v / k) ** 2, 0.0))
        return np.asarray(outer - inner, np.float32), np.asarray(inner, np.float32)


Solid = Tube | Ellipsoid
