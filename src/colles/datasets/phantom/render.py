"""Project one view of one patient: solids, devices, collimation, marker; and where the fracture is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from colles.datasets.phantom.anatomy import Anatomy, build_anatomy
from colles.datasets.phantom.physics import draw_exposure, expose
from colles.datasets.phantom.solids import Array, Break, Solid, Tube

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Patient:
    """What stays the same in every view."""

    number: int
    part: str
    side: str
    fractured: bool
    hardware: bool
    cast: bool
    marker: bool
    seed: int


@dataclass(frozen=True)
class View:
    """One picture with its truth."""

    pixels: NDArray[np.uint8]
    boxes: tuple[Box, ...]
    difficulty: float | None


def render_view(patient: Patient, view: str, index: int, size: int) -> View:
    """Render a view, `size` pixels on the longer side; the same arguments give the same pixels."""
    anatomy = build_anatomy(patient.part, view, np.random.default_rng([patient.seed, 0]))
    crack_rng = np.random.default_rng([patient.seed, 1])
    rng = np.random.default_rng([patient.seed, 2, index])
    target = int(crack_rng.choice(anatomy.breakable))
    crack = draw_break(anatomy, target, crack_rng)
    bones = list(anatomy.bones)
    bone = bones[target]
    assert isinstance(bone, Tube)
    if patient.fractured:
        seen = float(rng.uniform(0.7, 1.0))  # a view rarely shows the full displacement
        crack = replace(crack, shift=crack.shift * seen, angle=crack.angle * seen)
        bones[target] = bone = replace(bone, fracture=crack)
    field = (anatomy.field[0] * rng.uniform(0.92, 1.0), anatomy.field[1] * rng.uniform(0.92, 1.0))
    scale = size / max(field)
    shape = (max(32, round(field[1] * scale)), max(32, round(field[0] * scale)))
    grid = _Grid(shape, scale, tilt=float(rng.normal(0, 0.06)), centre=(field[0] / 2, field[1] / 2))
    thickness = _thickness(anatomy, bones, bone, crack, patient, grid)
    picture = expose(thickness, draw_exposure(rng), rng)
    boxes = (grid.box(bone, crack),) if patient.fractured else ()
    picture = _collimate(picture, boxes, rng)
    picture = _mark(picture, patient, rng)
    inside = tuple(box for box in boxes if box[2] - box[0] > 3 and box[3] - box[1] > 3)
    return View(picture, inside, crack.difficulty if inside else None)


def draw_break(anatomy: Anatomy, target: int, rng: np.random.Generator) -> Break:
    """Draw a fracture inside the field of view, from hairline to displaced."""
    bone = anatomy.bones[target]
    assert isinstance(bone, Tube)
    margin = 0.08
    shares = [
        share
        for share in np.linspace(0.16, 0.84, 35).tolist()
        if all(margin * f < c < (1 - margin) * f for c, f in zip(bone.point(share), anatomy.field, strict=True))
    ]
    plain = rng.uniform() < 0.78
    scale = bone.radius / 6.0
    return Break(
        at=float(rng.choice(shares)) if shares else 0.5,
        gap=float(rng.uniform(1.6, 3.4) if plain else rng.uniform(0.7, 1.5)) * max(0.6, scale),
        depth=float(rng.uniform(0.7, 0.98) if plain else rng.uniform(0.35, 0.7)),
        shift=float(rng.uniform(0.25, 0.9) * bone.radius * rng.choice([-1, 1])) if plain else 0.0,
        angle=float(rng.uniform(0.05, 0.32) * rng.choice([-1, 1])) if plain else float(rng.normal(0, 0.02)),
        slope=float(rng.uniform(-0.7, 0.7)),
        teeth=float(rng.uniform(0.1, 0.5)),
        phase=float(rng.uniform(0, 6.28)),
    )


class _Grid:
    """Pixels of a picture in mm, a little tilted, as patients lie."""

    def __init__(self, shape: tuple[int, int], scale: float, tilt: float, centre: tuple[float, float]) -> None:
        self.shape, self.scale, self.tilt, self.centre = shape, scale, tilt, centre
        rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
        x, y = columns / scale - centre[0], rows / scale - centre[1]
        c, s = np.cos(tilt), np.sin(tilt)
        self.x = np.asarray(c * x + s * y + centre[0], np.float32)
        self.y = np.asarray(-s * x + c * y + centre[1], np.float32)

    def to_pixel(self, x: float, y: float) -> tuple[float, float]:
        """Map mm to pixels."""
        dx, dy = x - self.centre[0], y - self.centre[1]
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        return float((c * dx - s * dy + self.centre[0]) * self.scale), float(
            (s * dx + c * dy + self.centre[1]) * self.scale
        )

    def window(self, points: list[tuple[float, float]], reach: float) -> tuple[slice, slice]:
        """Return rows and columns within `reach` mm of the box around points."""
        pixels = [self.to_pixel(*point) for point in points]
        pad = reach * self.scale + 2
        left, right = min(p[0] for p in pixels) - pad, max(p[0] for p in pixels) + pad
        top, bottom = min(p[1] for p in pixels) - pad, max(p[1] for p in pixels) + pad
        rows = slice(max(0, int(top)), max(0, min(self.shape[0], int(bottom) + 1)))
        return rows, slice(max(0, int(left)), max(0, min(self.shape[1], int(right) + 1)))

    def box(self, bone: Tube, crack: Break) -> Box:
        """Return the box of a fracture in pixels, clipped to the picture."""
        x, y = self.to_pixel(*bone.point(crack.at))
        half = (bone.radius_at(crack.at) * (1.25 + 0.5 * abs(crack.slope)) + abs(crack.shift) + crack.gap) * self.scale
        height, width = self.shape
        return (max(0.0, x - half), max(0.0, y - half), min(float(width), x + half), min(float(height), y + half))


def _ends(solid: Solid) -> tuple[list[tuple[float, float]], float]:
    if isinstance(solid, Tube):
        reach = solid.radius * solid.flare + abs(solid.bow)
        extra = 0.0 if solid.fracture is None else abs(solid.fracture.shift) + abs(solid.fracture.angle) * solid.length
        return [solid.start, solid.end], reach + extra
    return [solid.centre], max(solid.radii)


def _thickness(
    anatomy: Anatomy, bones: list[Solid], broken: Tube, crack: Break, patient: Patient, grid: _Grid
) -> dict[str, Array]:
    paths = {name: np.zeros(grid.shape, np.float32) for name in ("soft", "cortical", "trabecular", "metal", "plaster")}
    for tube in anatomy.flesh:
        paths["soft"] = np.maximum(paths["soft"], _cylinder(tube, grid, tube.radius) / 10.0)
    for bone in bones:
        points, reach = _ends(bone)
        window = grid.window(points, reach)
        shell, marrow = bone.paths(grid.x[window], grid.y[window])
        paths["cortical"][window] += shell / 10.0
        paths["trabecular"][window] += marrow / 10.0
    # bone takes the place of soft tissue
    paths["soft"] = np.maximum(paths["soft"] - paths["cortical"] - paths["trabecular"], 0.0)
    if patient.hardware:
        _add_plate(paths["metal"], broken, crack, grid, np.random.default_rng([patient.seed, 3]))
    if patient.cast:
        for tube in anatomy.flesh:
            shell = _cylinder(tube, grid, tube.radius + 5) - _cylinder(tube, grid, tube.radius + 1.5)
            paths["plaster"] = np.maximum(paths["plaster"], shell / 10.0)
    return paths


def _cylinder(tube: Tube, grid: _Grid, radius: float) -> Array:
    (x1, y1), (x2, y2) = tube.start, tube.end
    dx, dy = x2 - x1, y2 - y1
    share = np.clip(((grid.x - x1) * dx + (grid.y - y1) * dy) / (dx * dx + dy * dy), 0.0, 1.0)
    distance2 = (grid.x - x1 - share * dx) ** 2 + (grid.y - y1 - share * dy) ** 2
    return np.asarray(2.0 * np.sqrt(np.maximum(radius**2 - distance2, 0.0)), np.float32)


def _add_plate(metal: Array, bone: Tube, crack: Break, grid: _Grid, rng: np.random.Generator) -> None:
    at = crack.at * bone.length
    half = float(rng.uniform(0.14, 0.22)) * bone.length
    (x1, y1), (x2, y2) = bone.start, bone.end
    ux, uy = (x2 - x1) / bone.length, (y2 - y1) / bone.length
    px, py = bone.point(crack.at)
    along = (grid.x - px) * ux + (grid.y - py) * uy
    across = -(grid.x - px) * uy + (grid.y - py) * ux - bone.radius * 0.55
    edge = np.clip((bone.radius * 0.45 - np.abs(across)) * grid.scale + 0.5, 0, 1)
    metal += np.asarray(edge * np.clip((half - np.abs(along)) * grid.scale + 0.5, 0, 1) * 0.22, np.float32)
    for place in np.linspace(-0.85, 0.85, 6) * half:
        if at + place < 0 or at + place > bone.length:
            continue
        inside = (np.abs(along - place) < 1.3) & (np.abs(across + bone.radius * 0.55) < bone.radius * 1.15)
        metal += np.where(inside, 0.26, 0.0).astype(np.float32)


def _collimate(picture: NDArray[np.uint8], boxes: tuple[Box, ...], rng: np.random.Generator) -> NDArray[np.uint8]:
    if rng.uniform() > 0.6:
        return picture
    height, width = picture.shape
    edges = [rng.uniform(0, 0.07) * width, rng.uniform(0, 0.07) * height, 0.0, 0.0]
    edges[2:] = [width - rng.uniform(0, 0.07) * width, height - rng.uniform(0, 0.07) * height]
    for x1, y1, x2, y2 in boxes:  # the field always holds what the picture was taken for
        edges = [min(edges[0], x1), min(edges[1], y1), max(edges[2], x2), max(edges[3], y2)]
    left, top, right, bottom = (round(edge) for edge in edges)
    framed = np.full_like(picture, int(rng.integers(0, 7)))
    framed[top:bottom, left:right] = picture[top:bottom, left:right]
    return framed


def _mark(picture: NDArray[np.uint8], patient: Patient, rng: np.random.Generator) -> NDArray[np.uint8]:
    if not patient.marker:
        return picture
    height, width = picture.shape
    scale = max(height, width) / 384
    x = int(width * rng.choice([0.08, 0.84]))
    y = int(height * rng.uniform(0.1, 0.9))
    marked = picture.copy()
    cv2.putText(
        marked, patient.side, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.8 * scale, 245, max(1, round(2 * scale)), cv2.LINE_AA
    )
    return marked
