"""Skeletons with soft tissue: the arm (hand, forearm, elbow) and the shoulder, of a right side, in millimetres.

Sizes follow an adult and vary from patient to patient. Wrist and elbow lie at y −115 and +120, fingers point up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from colles.datasets.phantom.geometry import Bone, Knots

PARTS = ("forearm", "hand", "shoulder", "elbow")
VIEWS = ("frontal", "lateral", "oblique")


@dataclass(frozen=True)
class Blade:
    """A flat bone: a polygon in three dimensions with one thickness."""

    corners: tuple[tuple[float, float, float], ...]
    thickness: float


@dataclass(frozen=True)
class Skeleton:
    """What a picture shows before anything is broken."""

    bones: tuple[Bone, ...]
    soft: tuple[Bone, ...]
    """Soft tissue: the greatest of them counts, so joints make no seam."""
    skins: tuple[tuple[str, float], ...] = ()
    """(bone, margin): soft tissue that follows the bone."""
    blades: tuple[Blade, ...] = ()
    air: tuple[Bone, ...] = ()
    """Lung: takes soft tissue away."""

    def bone(self, name: str) -> Bone:
        """Return a bone by its name."""
        return next(bone for bone in self.bones if bone.name == name)


@dataclass(frozen=True)
class Build:
    """How one patient's bones differ from the mean."""

    scale: float
    thick: float
    """Width of bones, as a factor."""
    shell: float
    """Thickness of cortex, as a factor: low in osteoporosis."""
    fat: float
    """Soft tissue, as a factor."""
    spread: tuple[float, ...]
    """Degrees by which each finger leaves its mean direction."""
    bend: tuple[float, ...]
    """Degrees between a finger's bones."""


def draw_build(rng: np.random.Generator) -> Build:
    """Draw a patient's build; a fifth are children."""
    child = rng.random() < 0.2
    return Build(
        scale=rng.uniform(0.68, 0.85) if child else rng.uniform(0.9, 1.1),
        thick=rng.uniform(0.85, 1.15),
        shell=rng.uniform(0.65, 1.25),
        fat=rng.uniform(0.85, 1.35),
        spread=tuple(rng.uniform(-5, 5, 5)),
        bend=tuple(rng.uniform(-6, 6, 5)),
    )


def arm(build: Build, flexion: float) -> Skeleton:
    """Build hand, forearm and elbow; `flexion` of the elbow in degrees."""
    bones = [*_forearm(), _humerus_of_elbow(flexion), *_carpals(), *_hand(build)]
    skins = [(bone.name, 5.5 * build.fat) for bone in bones if bone.name[:2] in ("PP", "MP", "DP")]
    skins += [(bone.name, 8.5 * build.fat) for bone in bones if bone.name[:2] == "MC"]
    soft = [_soft("forearm", (0, 132, 0), (2, -118, 0), ((0, 44, 38), (0.3, 41, 36), (0.75, 28, 22), (1, 27, 19)))]
    upper = next(bone for bone in bones if bone.name == "humerus")
    soft.append(_soft("upper", upper.end, upper.start, ((0, 42, 38), (0.3, 44, 42), (1, 48, 46)), extra=14))
    soft.append(_soft("palm", (2, -98, 0), (0, -196, 0), ((0, 26, 17), (0.4, 38, 17), (0.8, 40, 13), (1, 36, 9))))
    skeleton = Skeleton(tuple(bones), tuple(_fatter(soft, build.fat)), tuple(skins))
    return _grown(skeleton, build)


def _forearm() -> list[Bone]:
    radius = Bone(
        "radius", (11, 116, 4), (13, -114, 0),
        ((0, 10.5, 10.5), (0.05, 11, 11), (0.11, 7, 7), (0.17, 8, 8), (0.4, 7.4, 7), (0.7, 7.6, 7), (0.86, 10, 8),
         (0.95, 15, 10.5), (1, 15.5, 10)),
        ((0, 0.8), (0.12, 1.6), (0.45, 3), (0.75, 2.4), (0.93, 0.9), (1, 0.7)),
        ((0, 0, 0), (0.5, 5, 2), (1, 0, 0)),
    )  # fmt: skip
    ulna = Bone(
        "ulna", (-9, 136, -9), (-14, -108, -2),
        ((0, 10, 9), (0.05, 12.5, 12), (0.12, 12, 10), (0.22, 8, 8.5), (0.55, 6.8, 7), (0.86, 5.2, 5), (0.95, 7, 7),
         (1, 7, 7)),
        ((0, 1), (0.12, 1.6), (0.5, 2.8), (0.8, 2), (0.95, 0.9), (1, 0.8)),
        ((0, 0, 0), (0.35, -3, -3), (0.7, 2, 0), (1, 0, 0)),
    )  # fmt: skip
    return [replace(radius, parent="humerus"), replace(ulna, parent="humerus")]


def _humerus_of_elbow(flexion: float) -> Bone:
    bent = math.radians(flexion)
    end = (0.0, 119.0, 0.0)
    start = (end[0] - 14, end[1] + 250 * math.cos(bent), end[2] + 250 * math.sin(bent))
    return Bone(
        "humerus", start, end,
        ((0, 12, 12), (0.6, 11, 11), (0.78, 13, 9.5), (0.88, 22, 9), (0.95, 30, 11), (1, 28, 11.5)),
        ((0, 3.6), (0.6, 3.6), (0.8, 2.4), (0.93, 1.1), (1, 0.9)),
    )  # fmt: skip


def _carpals() -> list[Bone]:
    # name, middle (x, y, z), half length, half widths: the proximal row, then the distal one
    table = (
        ("scaphoid", 13, -124, 0, 9, 6.5, 6), ("lunate", 1, -123, 0, 7.5, 7, 7), ("triquetrum", -10, -124, -3, 7, 6, 6),
        ("pisiform", -13, -127, 7, 4.5, 4, 4), ("trapezium", 20, -136, 4, 7, 6.5, 6),
        ("trapezoid", 12, -138, 0, 6, 5.5, 5.5), ("capitate", 2, -137, 0, 11, 7, 7), ("hamate", -9, -137, 1, 9, 7, 7),
    )  # fmt: skip
    tilt = {"scaphoid": 6.0, "trapezium": 3.0, "hamate": -3.0}
    shell: Knots = ((0, 0.8), (1, 0.8))
    return [
        Bone(
            name, (x - tilt.get(name, 0) / 2, y + reach, z), (x + tilt.get(name, 0) / 2, y - reach, z),
            ((0, a, b), (1, a, b)), shell, parent="radius",
        )
        for name, x, y, z, reach, a, b in table
    ]  # fmt: skip


def _hand(build: Build) -> list[Bone]:
    # base (x, y, z), degrees from straight up, lengths of metacarpal and phalanges, half width of the metacarpal
    table = (
        ((24, -142, 8), 36, (44, 30, 22), 6.0), ((13, -146, 1), 6, (64, 40, 24, 18), 5.4),
        ((4, -148, 0), 0, (62, 44, 28, 19), 5.4), ((-5, -147, 0), -6, (55, 41, 26, 18), 4.8),
        ((-13, -144, -1), -13, (51, 32, 19, 17), 4.6),
    )  # fmt: skip
    bones: list[Bone] = []
    for digit, (base, lean, lengths, half) in enumerate(table, start=1):
        names = ("MC", "PP", "DP") if digit == 1 else ("MC", "PP", "MP", "DP")
        bones += _digit(digit, base, lean, list(zip(names, lengths, strict=True)), half, build)
    return bones


def _digit(
    digit: int, base: tuple[float, float, float], lean: float, parts: list[tuple[str, float]], half: float, build: Build
) -> list[Bone]:
    here, parent, bones = np.array(base, dtype=float), "radius", []
    for place, (kind, length) in enumerate(parts):
        angle = math.radians(lean + build.spread[digit - 1] * min(place, 1) + build.bend[digit - 1] * place / 2)
        fan = math.radians((digit - 3) * 7.0 * place)  # fingers are fanned out for the lateral view
        way = np.array([math.sin(angle), -math.cos(angle) * math.cos(fan), math.sin(fan)])
        end = here + way * length
        r = half * (1.0, 0.92, 0.78, 0.66)[place]
        name = f"{kind}{digit}"
        bones.append(Bone(name, _triple(here), _triple(end), _long_bone(kind, r), _thin_shell(kind), parent=parent))
        here, parent = end + way * 1.8, name
    return bones


def _long_bone(kind: str, r: float) -> Knots:
    if kind == "DP":
        return ((0, 1.35 * r, 1.1 * r), (0.25, r, r), (0.6, 0.62 * r, 0.6 * r), (0.85, 0.85 * r, 0.6 * r),
                (1, 0.75 * r, 0.5 * r))  # fmt: skip
    return ((0, 1.45 * r, 1.3 * r), (0.14, 1.25 * r, 1.15 * r), (0.45, 0.8 * r, 0.8 * r), (0.7, 0.85 * r, 0.8 * r),
            (0.9, 1.25 * r, 1.15 * r), (1, 1.15 * r, 1.1 * r))  # fmt: skip


def _thin_shell(kind: str) -> Knots:
    middle = {"MC": 1.9, "PP": 1.6, "MP": 1.3, "DP": 0.9}[kind]
    return ((0, 0.6), (0.2, 0.7 * middle), (0.5, middle), (0.8, 0.7 * middle), (1, 0.6))


def shoulder(build: Build) -> Skeleton:
    """Build the shoulder girdle, upper humerus and the edge of the chest; the joint lies at (0, 0)."""
    humerus = Bone(
        "humerus", (-2, -27, 0), (-22, 205, 4),
        ((0, 23, 21), (0.05, 25, 23), (0.11, 24.5, 22), (0.17, 18, 17), (0.25, 13, 13), (0.6, 11.5, 11.5), (1, 12, 12)),
        ((0, 1), (0.12, 1.1), (0.22, 2.2), (0.5, 4), (1, 3.8)),
        ((0, 7, 0), (0.1, 4, 0), (0.22, 0, 0), (1, 0, 0)),
    )  # fmt: skip
    clavicle = Bone(
        "clavicle", (128, -40, 25), (2, -46, -5),
        ((0, 10, 10), (0.15, 7, 7), (0.5, 6, 6), (0.8, 6.5, 5), (1, 9, 5)),
        ((0, 1), (0.5, 2), (1, 1)), ((0, 0, 0), (0.3, 0, 12), (0.75, 0, -9), (1, 0, 0)),
    )  # fmt: skip
    shell: Knots = ((0, 0.5), (0.5, 0.8), (1, 0.4))
    scapula = (
        Bone("glenoid", (27, -18, -5), (30, 24, -5), ((0, 8, 8), (0.5, 9, 12), (1, 7, 8)), ((0, 1), (1, 1))),
        Bone("border", (32, 18, -8), (66, 128, -45), ((0, 6.5, 7), (0.5, 4.5, 5), (1, 5, 5)), shell),
        Bone("spine", (96, 12, -45), (14, -38, -22), ((0, 4, 4), (0.5, 5, 6), (1, 7, 7)), shell),
        Bone("acromion", (20, -40, -20), (-16, -40, 0), ((0, 6, 9), (0.5, 7, 12), (1, 6, 9)), shell),
        Bone("coracoid", (36, -16, 0), (14, -12, 24), ((0, 7, 7), (0.6, 6, 5), (1, 5, 4)), shell),
    )
    ribs = [
        Bone(f"rib{k}", (92 + 5 * k, -18 + 30 * k, -30), (200, -26 + 36 * k, 40), ((0, 5, 5), (1, 5.5, 4)),
             ((0, 0.9), (1, 0.9)), ((0, 0, 0), (0.4, 0, 0), (1, 0, 0)))
        for k in range(5)
    ]  # fmt: skip
    blade = Blade(((32, -10, -6), (92, -28, -40), (100, 10, -52), (68, 128, -46), (36, 28, -10)), 2.6)
    soft = [
        _soft("deltoid", (-8, -62, 0), (-20, 110, 0), ((0, 34, 34), (0.25, 46, 46), (0.7, 44, 46), (1, 40, 44)), 20),
        _soft("upper", (-18, 60, 0), (-24, 215, 4), ((0, 42, 44), (1, 40, 42)), extra=10),
        _soft("axilla", (45, -58, 0), (62, 80, 0), ((0, 40, 40), (0.5, 48, 52), (1, 44, 44)), extra=15),
        _soft("chest", (150, -90, 0), (150, 230, 0), ((0, 70, 50), (0.3, 95, 85), (1, 100, 95)), extra=40),
    ]
    air = (_soft("lung", (158, -38, 0), (165, 240, 0), ((0, 30, 28), (0.35, 62, 62), (1, 72, 72))),)
    bones = (humerus, clavicle, *scapula, *ribs)
    return _grown(Skeleton(bones, tuple(_fatter(soft, build.fat)), (), (blade,), air), build)


def _soft(name: str, start: Sequence[float], end: Sequence[float], width: Knots, extra: float = 6.0) -> Bone:
    # `extra` lets the tissue run on, so that its rounded end lies beyond the joint or the picture.
    a, b = np.array(start, dtype=float), np.array(end, dtype=float)
    way = (b - a) / np.linalg.norm(b - a)
    return Bone(name, _triple(a - way * extra), _triple(b + way * extra), width)


def _fatter(soft: list[Bone], fat: float) -> list[Bone]:
    return [replace(bone, width=tuple((t, a * fat, b * fat) for t, a, b in bone.width)) for bone in soft]


def _grown(skeleton: Skeleton, build: Build) -> Skeleton:
    bones = tuple(_resized(bone, build.scale, build.thick, build.shell) for bone in skeleton.bones)
    soft = tuple(_resized(bone, build.scale, 1, 1) for bone in skeleton.soft)
    air = tuple(_resized(bone, build.scale, 1, 1) for bone in skeleton.air)
    blades = tuple(
        Blade(tuple(_triple(np.array(c) * build.scale) for c in blade.corners), blade.thickness * build.scale)
        for blade in skeleton.blades
    )
    skins = tuple((name, margin * build.scale) for name, margin in skeleton.skins)
    return Skeleton(bones, soft, skins, blades, air)


def _resized(bone: Bone, scale: float, thick: float, shell: float) -> Bone:
    return replace(
        bone,
        start=_triple(np.array(bone.start) * scale),
        end=_triple(np.array(bone.end) * scale),
        width=tuple((t, a * scale * thick, b * scale * thick) for t, a, b in bone.width),
        cortex=tuple((t, c * scale * shell) for t, c in bone.cortex),
        bow=tuple((t, x * scale, z * scale) for t, x, z in bone.bow),
    )


def _triple(point: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, float, float]:
    return float(point[0]), float(point[1]), float(point[2])
