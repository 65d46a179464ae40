"""Take one radiograph of a patient: project, break, cover, expose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from colles.datasets.phantom import devices, physics
from colles.datasets.phantom.anatomy import Skeleton
from colles.datasets.phantom.devices import Cast
from colles.datasets.phantom.fracture import Break, Fracture, break_tube
from colles.datasets.phantom.geometry import Array, Cut, Frame, Point, Tube, paths, project
from colles.datasets.phantom.patient import Patient, aim, pose, view_angle

Box = tuple[float, float, float, float]
Pixels = npt.NDArray[np.uint8]

_SEAM = 5.0  # exponent of the mean that joins soft tissues: high enough to be nearly the greatest, without a crease
_SHORT = 30.0  # millimetres: shorter bones have no marrow cavity
_GROOVES = 0.35  # share of pictures with a vessel's groove that mimics a fracture line


@dataclass(frozen=True)
class View:
    """One radiograph with its truth."""

    pixels: Pixels
    boxes: tuple[Box, ...]
    """About the fractures, in pixels (edges at whole numbers), inside the picture."""
    difficulty: float | None
    """Of its plainest fracture; None without one."""


def render_view(patient: Patient, view: str, index: int, size: int) -> View:
    """Take a radiograph whose longer side is `size` pixels; the same arguments give the same pixels."""
    rng = np.random.default_rng([patient.seed, 1, index])
    condition = patient.condition
    skeleton = pose(patient, view, rng)
    angle = view_angle(patient.part, view, rng)
    frame = aim(patient, skeleton, angle, size, rng)
    tubes = {bone.name: project(bone, angle).moved(frame.placement) for bone in skeleton.bones}
    whole = tubes[condition.site.bone]
    breaks, tubes = _broken(condition.fractures, tubes, angle)
    tissue = _anatomy(skeleton, tubes, breaks, frame, angle, condition.cast, rng)
    metal = np.zeros_like(tissue)
    if condition.plate is not None:
        metal = metal + devices.plate_attenuation(condition.plate, whole, frame, angle)
    if patient.side == "L":
        tissue, metal = (np.ascontiguousarray(each[:, ::-1]) for each in (tissue, metal))
    shutter, field = devices.draw_shutter(frame, rng)
    if patient.marker:
        x, y = _in_pixels(whole.at(condition.place * whole.length)[None], frame, patient.side)[0]
        metal = metal + devices.marker_attenuation(patient.side, frame, field, (float(x), float(y)), rng)
    shown = physics.expose(tissue + metal, tissue, shutter, frame.pitch, physics.draw_exposure(rng), rng)
    found = (_box(_in_pixels(each.outline, frame, patient.side), field) for each in breaks.values())
    boxes = tuple(box for box in found if box is not None)
    difficulty = min((each.difficulty for each in breaks.values()), default=None)
    return View(physics.to_uint8(shown), boxes, difficulty)


def _anatomy(
    skeleton: Skeleton, tubes: dict[str, Tube], breaks: dict[str, Break], frame: Frame, angle: float,
    cast: Cast | None, rng: np.random.Generator,
) -> Array:  # fmt: skip
    fine, coarse = _textures(frame, rng)
    soft, limbs = _soft_tissue(skeleton, tubes, frame, angle)
    total = np.asarray(soft * (1 + np.float32(0.02) * coarse) * np.float32(physics.SOFT), dtype=np.float32)
    groove = str(rng.choice(sorted(tubes))) if rng.random() < _GROOVES else ""
    for name, tube in tubes.items():
        for piece, cut in _pieces(tube, breaks.get(name)):
            _add_bone(total, piece, cut, frame, fine, rng if name == groove else None)
    _add_blades(total, skeleton, frame, angle)
    if cast is not None:
        total += devices.cast_attenuation(cast, limbs, frame, coarse)
    return total


def _box(outline: Point, field: Box) -> Box | None:
    # What the shutter hides is not in the truth.
    low, high = outline.min(axis=0), outline.max(axis=0)
    shown_low, shown_high = np.maximum(low, field[:2]), np.minimum(high, field[2:])
    if np.prod(np.maximum(shown_high - shown_low, 0)) < 0.5 * np.prod(high - low):
        return None
    return float(shown_low[0]), float(shown_low[1]), float(shown_high[0]), float(shown_high[1])


def _broken(
    fractures: tuple[Fracture, ...], tubes: dict[str, Tube], angle: float
) -> tuple[dict[str, Break], dict[str, Tube]]:
    breaks: dict[str, Break] = {}
    for fracture in fractures:
        name = fracture.site.bone
        breaks[name] = break_tube(tubes[name], fracture, angle)
        if fracture.site.carries and not fracture.site.near_moves:
            beyond = _beyond(name, tubes)
            motion = breaks[name].motion
            tubes = {key: tube.moved(motion) if key in beyond else tube for key, tube in tubes.items()}
    return breaks, tubes


def _beyond(name: str, tubes: dict[str, Tube]) -> set[str]:
    found = {name}
    for _ in range(6):  # no chain of bones is longer
        found |= {key for key, tube in tubes.items() if tube.parent in found}
    return found - {name}


def _pieces(tube: Tube, found: Break | None) -> list[tuple[Tube, Cut | None]]:
    if found is None:
        return [(tube, None)]
    stays, moves = found.cuts
    return [(tube, stays), (tube.moved(found.motion), moves)]


def _add_bone(
    total: Array, tube: Tube, cut: Cut | None, frame: Frame, texture: Array, groove: np.random.Generator | None
) -> None:
    found = paths(tube, frame, cut)
    if found is None:
        return
    core = physics.core_share(np.clip(found.t / np.float32(tube.length), 0, 1))
    if tube.length < _SHORT:
        core = np.full_like(core, 0.8 * physics.TRABECULAR_SHARE)
    core = core * np.clip(1 + np.float32(0.16) * texture[found.window], 0.2, 2)
    bone = physics.bone_attenuation(found.outer, found.inner, core)
    if groove is not None:
        place, lean = groove.uniform(0.25, 0.75) * tube.length, groove.uniform(-1.2, 1.2)
        line = np.exp(-(((found.t - np.float32(place) - np.float32(lean) * found.s) / np.float32(0.6)) ** 2))
        bone = bone * (1 - np.float32(groove.uniform(0.1, 0.25)) * line * (found.s > 0))
    total[found.window] += bone


def _soft_tissue(skeleton: Skeleton, tubes: dict[str, Tube], frame: Frame, angle: float) -> tuple[Array, list[Tube]]:
    limbs = [project(bone, angle).moved(frame.placement) for bone in skeleton.soft]
    skins = [tubes[name].inflated(margin) for name, margin in skeleton.skins]
    total = np.zeros((frame.height, frame.width), np.float32)
    for tube in (*limbs, *skins):
        found = paths(tube, frame)
        if found is not None:
            total[found.window] += (found.outer / np.float32(100)) ** np.float32(_SEAM)
    total = total ** np.float32(1 / _SEAM) * np.float32(100)
    for bone in skeleton.air:
        found = paths(project(bone, angle).moved(frame.placement), frame)
        if found is not None:
            total[found.window] = np.maximum(total[found.window] - np.float32(0.75) * found.outer, 20)
    return np.asarray(total, dtype=np.float32), limbs


def _add_blades(total: Array, skeleton: Skeleton, frame: Frame, angle: float) -> None:
    for blade in skeleton.blades:
        corners = np.array(blade.corners)
        flat = np.stack([corners[:, 0] * np.cos(angle) + corners[:, 2] * np.sin(angle), corners[:, 1]], axis=1)
        points = frame.pixels(frame.placement.apply(flat))
        mask = np.zeros(total.shape, np.uint8)
        cv2.fillPoly(mask, [np.rint(points * 16).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=4)
        smooth = cv2.GaussianBlur(mask.astype(np.float32) / np.float32(255), (0, 0), 1.5 / frame.pitch)
        # Turned edge-on, the same bone lies in fewer rays, each with a longer path.
        longer = 1 / max(abs(float(np.cos(angle))), 0.25)
        total += smooth * np.float32(0.7 * blade.thickness * longer * (physics.CORTICAL - physics.SOFT))


def _textures(frame: Frame, rng: np.random.Generator) -> tuple[Array, Array]:
    noise = rng.standard_normal((frame.height, frame.width), dtype=np.float32)
    fine = cv2.GaussianBlur(noise, (0, 0), max(0.3 / frame.pitch, 0.4))
    fine = fine - cv2.GaussianBlur(noise, (0, 0), max(1.4 / frame.pitch, 1.0))
    small = rng.standard_normal((frame.height // 8 + 2, frame.width // 8 + 2), dtype=np.float32)
    coarse = cv2.resize(cv2.GaussianBlur(small, (0, 0), max(9 / frame.pitch / 8, 0.8)), (frame.width, frame.height))
    return _unit(fine), _unit(coarse)


def _unit(field: npt.NDArray[Any]) -> Array:
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-6), dtype=np.float32)


def _in_pixels(points: Point, frame: Frame, side: str) -> Point:
    found = frame.pixels(points)
    if side == "L":
        found = np.stack([frame.width - found[:, 0], found[:, 1]], axis=1)
    return found
