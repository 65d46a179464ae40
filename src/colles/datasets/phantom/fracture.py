"""Fractures: where bones break, how the fragments part, and how hard that is to see.

Difficulty = exp(−(gap · sharpness / 1.2 + |step| / 2 + |angle| / 8)) with the gap and the step across the bone in
millimetres and the angle in degrees, all as this view shows them, and the sharpness 1 where the fracture line runs
along the rays, falling to 0 where it is oblique to them. 0 is plain to see, 1 invisible.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from colles.datasets.phantom.geometry import Array, Cut, Motion, Point, Tube

_TEETH = 64
_WIDEST = 15.0  # a wide bone end is not displaced by its whole width


@dataclass(frozen=True)
class Site:
    """A place where a bone may break."""

    bone: str
    low: float
    high: float
    """Range of the place along the bone, as shares of its length."""
    name: str
    """Class name of the YOLO export."""
    near_moves: bool = False
    """The near fragment is the small one that moves."""
    carries: bool = True
    """The bones beyond go along with the fragment."""
    twin: str | None = None
    """A bone that breaks together with this one, at times."""
    bend: float = 24.0
    """Greatest angle between the fragments, in degrees."""
    weight: float = 1.0


SITES: dict[str, tuple[Site, ...]] = {
    "hand": (
        *(Site(f"MC{k}", 0.3, 0.85, "fingers positive", weight=0.7) for k in range(1, 6)),
        *(Site(f"PP{k}", 0.25, 0.75, "fingers positive") for k in range(1, 6)),
        *(Site(f"MP{k}", 0.3, 0.7, "fingers positive", weight=0.6) for k in range(2, 6)),
    ),
    "forearm": (
        Site("radius", 0.87, 0.94, "wrist positive", weight=3),
        Site("radius", 0.35, 0.75, "forearm fracture", twin="ulna", bend=16, weight=2),
        Site("ulna", 0.4, 0.85, "forearm fracture", carries=False, bend=7),
    ),
    "elbow": (
        Site("humerus", 0.82, 0.9, "elbow positive", weight=2),
        Site("radius", 0.06, 0.1, "elbow positive", near_moves=True, weight=1.5),
        Site("ulna", 0.06, 0.13, "elbow positive", near_moves=True),
        Site("humerus", 0.6, 0.76, "humerus fracture"),
    ),
    "shoulder": (
        Site("humerus", 0.16, 0.24, "shoulder fracture", weight=2),
        Site("clavicle", 0.35, 0.7, "shoulder fracture", weight=1.5),
        Site("humerus", 0.35, 0.6, "humerus"),
    ),
}


@dataclass(frozen=True)
class Fracture:
    """How one bone is broken, in three dimensions."""

    site: Site
    place: float
    """Share of the bone's length."""
    kind: str
    """line, gap, displaced or angulated."""
    gap: float
    """Millimetres between the fragments along the bone."""
    step: tuple[float, float]
    """Displacement across the bone in x and z, as shares of its width."""
    angle: tuple[float, float]
    """Degrees in the frontal and in the lateral plane."""
    slope: tuple[float, float]
    """Tangents of the line's obliquity in the frontal and in the lateral plane."""
    teeth: Array
    """Unevenness of the line, −1 to 1."""


@dataclass(frozen=True)
class Break:
    """A fracture as one view shows it."""

    cuts: tuple[Cut, Cut]
    """The fragment that stays, the one that moves."""
    motion: Motion
    outline: Point
    """Polygon (N, 2) about it, in the tube's plane."""
    difficulty: float


def draw_site(part: str, rng: np.random.Generator) -> tuple[Site, float]:
    """Draw a place of a body part and where along the bone it is."""
    sites = SITES[part]
    weights = np.array([site.weight for site in sites])
    site = sites[int(rng.choice(len(sites), p=weights / weights.sum()))]
    return site, rng.uniform(site.low, site.high)


def draw_fracture(site: Site, place: float, rng: np.random.Generator) -> Fracture:
    """Draw how a bone breaks at a place: a fifth are fine lines, the hard tail."""
    kind = str(rng.choice(["line", "gap", "displaced", "angulated"], p=[0.18, 0.24, 0.36, 0.22]))
    gap = {"line": (0.7, 1.4), "gap": (1.8, 4.0), "displaced": (0.8, 2.5), "angulated": (0.8, 2.2)}[kind]
    step = {"line": (0.0, 0.03), "gap": (0.03, 0.15), "displaced": (0.25, 0.75), "angulated": (0.05, 0.25)}[kind]
    angle = {"line": (0.0, 1.0), "gap": (0.0, 4.0), "displaced": (0.0, 8.0), "angulated": (9.0, site.bend)}[kind]
    way, turn = rng.uniform(0, 2 * math.pi, 2)
    high = min(angle[1], site.bend)
    size, bend = rng.uniform(*step), rng.uniform(min(angle[0], high), high)
    teeth = np.interp(np.linspace(0, 9, _TEETH), np.arange(10), rng.uniform(-1, 1, 10)).astype(np.float32)
    return Fracture(
        site, place, kind, rng.uniform(*gap),
        (size * math.cos(way), size * math.sin(way)), (bend * math.cos(turn), bend * math.sin(turn)),
        (rng.uniform(-0.6, 0.6), rng.uniform(-0.12, 0.12)), teeth,
    )  # fmt: skip


def break_tube(tube: Tube, fracture: Fracture, view: float) -> Break:
    """Break a projected bone (millimetres, any plane) for a view turned by `view` radians."""
    cos, sin = math.cos(view), math.sin(view)
    place = fracture.place * tube.length
    half, depth = tube.sample(tube.half, place), tube.sample(tube.depth, place)
    step = (fracture.step[0] * cos + fracture.step[1] * sin) * min(2 * half, _WIDEST)
    angle = fracture.angle[0] * cos + fracture.angle[1] * sin
    slope = fracture.slope[0] * cos + fracture.slope[1] * sin
    across = fracture.slope[1] * cos - fracture.slope[0] * sin * 0.3  # a line seen from its side is rarely as oblique
    gap = fracture.gap * min(1.0, half / 5.0)  # small bones open less
    soft = 2 * depth * abs(across)
    teeth = fracture.teeth * np.float32(min(0.12 * half, 1.2))
    cuts = tuple(Cut(place, slope, max(soft, 0.15), teeth, far) for far in (False, True))
    motion = _motion(tube, fracture, place, gap, step, angle)
    sharp = gap / (gap + soft)
    difficulty = math.exp(-(gap * sharp / 1.2 + abs(step) / 2 + abs(angle) / 8))
    stays, moves = (1, 0) if fracture.site.near_moves else (0, 1)
    length = 2.5 + gap + soft / 2 + abs(slope) * half + 0.6 * half
    width = 2.5 + half + abs(step)
    outline = _outline(tube, place, length, width, step / 2)
    return Break((cuts[stays], cuts[moves]), motion, outline, round(difficulty, 3))


def _motion(tube: Tube, fracture: Fracture, place: float, gap: float, step: float, angle: float) -> Motion:
    sign = -1.0 if fracture.site.near_moves else 1.0
    pivot = tube.at(place)
    axis = np.array(tube.axis)
    shift = axis * gap * sign + np.array([-axis[1], axis[0]]) * step
    return Motion((float(pivot[0]), float(pivot[1])), math.radians(angle), (float(shift[0]), float(shift[1])))


def _outline(tube: Tube, place: float, length: float, width: float, shift: float) -> Point:
    corners = []
    for turn in np.linspace(0, 2 * math.pi, 8, endpoint=False) + math.pi / 8:
        t, s = (math.copysign(abs(f(turn)) ** 0.6, f(turn)) for f in (math.cos, math.sin))
        corners.append(tube.at(place, 0.0) + _along(tube, t * length, s * width + shift))
    return np.array(corners)


def _along(tube: Tube, t: float, s: float) -> Point:
    axis = np.array(tube.axis)
    return np.asarray(axis * t + np.array([-axis[1], axis[0]]) * s)
