"""Patients: one anatomy, one state of health, several views of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from colles.datasets.phantom.anatomy import Build, Skeleton, arm, draw_build, shoulder
from colles.datasets.phantom.devices import Cast, Plate, draw_cast, draw_plate
from colles.datasets.phantom.fracture import Fracture, Site, draw_fracture, draw_site
from colles.datasets.phantom.geometry import Frame, Point, project

_TWIN = 0.6  # share of fractures of the radius' shaft with one of the ulna


@dataclass(frozen=True)
class Patient:
    """Who is on the picture; everything else follows from the seed."""

    number: int
    part: str
    side: str
    """L or R."""
    fractured: bool
    hardware: bool
    cast: bool
    """Never true for a shoulder."""
    marker: bool
    seed: int

    @cached_property
    def condition(self) -> Condition:
        """What all views of the patient share."""
        return draw_condition(self)


@dataclass(frozen=True)
class Condition:
    """One anatomy in one state of health."""

    build: Build
    site: Site
    """Where the fracture is; in a healthy patient merely where the picture is aimed."""
    place: float
    """Share of the bone's length."""
    fractures: tuple[Fracture, ...]
    plate: Plate | None
    cast: Cast | None


def draw_condition(patient: Patient) -> Condition:
    """Draw a patient's condition; build and site come first, so that they are alike for broken and whole bones."""
    rng = np.random.default_rng([patient.seed, 0])
    build = draw_build(rng)
    site, place = draw_site(patient.part, rng)
    plate = draw_plate(place, patient.part == "hand", rng) if patient.hardware else None
    cast = draw_cast(rng) if patient.cast else None
    fractures: tuple[Fracture, ...] = ()
    if patient.fractured:
        fractures = (draw_fracture(site, place, rng),)
        if site.twin is not None and rng.random() < _TWIN:
            twin = replace(site, bone=site.twin, carries=False, twin=None)
            second = draw_fracture(twin, float(np.clip(place + rng.uniform(-0.08, 0.08), 0.1, 0.9)), rng)
            fractures += (replace(second, angle=fractures[0].angle, step=fractures[0].step),)
    return Condition(build, site, place, fractures, plate, cast)


def view_angle(part: str, view: str, rng: np.random.Generator) -> float:
    """Draw by how much the anatomy is turned about its long axis, in radians."""
    degrees = {"frontal": 0.0, "lateral": 88.0, "oblique": 42.0}[view]
    if part == "shoulder":  # a true lateral of the shoulder is taken along the blade
        degrees *= 0.7
    return math.radians(degrees + rng.uniform(-7, 7))


def pose(patient: Patient, view: str, rng: np.random.Generator) -> Skeleton:
    """Build the skeleton as it is held for a view."""
    if patient.part == "shoulder":
        return shoulder(patient.condition.build)
    low, high = {"frontal": (0, 15), "lateral": (55, 95), "oblique": (10, 45)}[view]
    flexion = rng.uniform(low, high) if patient.part == "elbow" else rng.uniform(0, 20)
    return arm(patient.condition.build, flexion)


def aim(patient: Patient, skeleton: Skeleton, angle: float, size: int, rng: np.random.Generator) -> Frame:
    """Place the detector so that the site is well inside, whatever the patient's state."""
    tube = project(skeleton.bone(patient.condition.site.bone), angle)
    site = tube.at(patient.condition.place * tube.length)
    scale = patient.condition.build.scale
    field, home, turn, upright = _habit(patient, site, scale, rng)
    short = rng.uniform(0.68, 1.0)
    long_side, short_side = size, max(32, round(size * short))
    width, height = (short_side, long_side) if upright else (long_side, short_side)
    pitch = field / size
    middle = np.array([width, height]) * pitch
    frame = Frame(width, height, pitch, (float(home[0]), float(home[1])), turn)
    shown = frame.placement.apply(site[None])[0]
    wanted = np.clip(shown, 0.24 * middle, 0.76 * middle)
    cos, sin = math.cos(turn), math.sin(turn)
    dx, dy = shown - wanted  # of the picture; turned back into the anatomy's plane
    centre = home + np.array([cos * dx + sin * dy, -sin * dx + cos * dy])
    return replace(frame, centre=(float(centre[0]), float(centre[1])))


def _habit(patient: Patient, site: Point, scale: float, rng: np.random.Generator) -> tuple[float, Point, float, bool]:
    # field in millimetres, middle of the picture, turn in radians, upright
    close = rng.random() < 0.55
    blend = rng.uniform(0.55, 1.0) if close else rng.uniform(0.0, 0.4)
    part = patient.part
    middle = {"hand": (2, -205), "forearm": (0, -30), "elbow": (0, 118), "shoulder": (22, 22)}[part]
    wide = {"hand": (200, 230), "forearm": (170, 230), "elbow": (165, 205), "shoulder": (190, 235)}[part]
    near = {"hand": (105, 150), "forearm": (115, 165), "elbow": (120, 160), "shoulder": (150, 190)}[part]
    field = rng.uniform(*(near if close else wide)) * scale
    home = blend * site + (1 - blend) * np.array(middle, dtype=float) * scale + rng.normal(0, 0.05 * field, 2)
    turn = math.radians(rng.normal(0, 7))
    upright = rng.random() < {"hand": 0.8, "forearm": 0.85, "elbow": 0.6, "shoulder": 0.35}[part]
    if part == "elbow" and rng.random() < 0.5:
        turn += math.pi / 2 if rng.random() < 0.5 else math.pi
    elif not upright and part in ("hand", "forearm"):
        turn += math.pi / 2 if rng.random() < 0.5 else -math.pi / 2
    return field, home, turn, upright
