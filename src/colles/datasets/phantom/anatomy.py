"""Bones of forearm, hand, shoulder and elbow in a view, in mm, with the soft tissue around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from colles.datasets.phantom.solids import Ellipsoid, Solid, Tube

PARTS = ("forearm", "hand", "shoulder", "elbow")
VIEWS = ("frontal", "lateral", "oblique")


@dataclass(frozen=True)
class Anatomy:
    """What one picture shows."""

    field: tuple[float, float]
    """Width and height in mm."""
    bones: tuple[Solid, ...]
    breakable: tuple[int, ...]
    """Indices of tubes that may break."""
    flesh: tuple[Tube, ...]
    """Soft tissue as tubes without a shell."""


def build_anatomy(part: str, view: str, rng: np.random.Generator) -> Anatomy:
    """Draw one patient's anatomy; the same generator state gives the same patient in every view."""
    return _BUILDERS[part](view, _Person(rng))


class _Person:
    """Sizes that belong to the patient, drawn in a fixed order so that views agree."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.size = float(rng.uniform(0.86, 1.12))
        self.build = float(rng.uniform(0.85, 1.3))
        self.shell = float(rng.uniform(0.24, 0.38))
        self.jitter = rng.uniform(-1.0, 1.0, size=64)

    def j(self, index: int, amount: float) -> float:
        """Return a personal deviation of at most `amount`."""
        return float(self.jitter[index % 64] * amount)


def _spread(view: str) -> float:
    return {"frontal": 1.0, "oblique": 0.6, "lateral": 0.22}[view]


def _forearm(view: str, p: _Person) -> Anatomy:
    width, height = 130.0, 270.0
    k, spread, centre = p.size, _spread(view), width / 2 + p.j(0, 6)
    gap = 17.0 * k * spread
    top, bottom = 42.0 + p.j(1, 8), 224.0 + p.j(2, 6)
    radius = Tube((centre + gap * 0.7, top), (centre + gap, bottom), 6.4 * k, 1.9, p.shell, bow=5 * k * spread)
    ulna = Tube((centre - gap * 0.6, top - 16), (centre - gap, bottom - 3), 5.8 * k, 1.5, p.shell, bow=-3 * k * spread)
    humerus = Tube((centre - 2, -90.0), (centre - 1, top - 24), 10.0 * k, 1.9, p.shell)
    carpals = [
        Ellipsoid(
            (centre + (i % 4 - 1.5) * 9.5 * k * max(spread, 0.5), bottom + 15 + (i // 4) * 12), (6.5, 5.8, 6), p.j(i, 1)
        )
        for i in range(8)
    ]
    flesh = (
        Tube((centre, -30), (centre, 200), 36 * p.build * k, 1.0),
        Tube((centre, 190), (centre, 330), 27 * p.build * k, 1.0),
    )
    return Anatomy((width, height), (radius, ulna, humerus, *carpals), (0, 1), flesh)


def _hand(view: str, p: _Person) -> Anatomy:
    width, height = 170.0, 220.0
    k, spread = p.size * 0.98, max(_spread(view), 0.35)
    wrist = (width / 2 + p.j(0, 6), 168.0 + p.j(1, 5))
    bones: list[Solid] = []
    flesh = [Tube((wrist[0], wrist[1] + 90), (wrist[0], wrist[1]), 25 * p.build * k, 1.0)]
    for finger in range(5):
        angle = (finger - 2) * 0.17 * spread - (0.45 * spread if finger == 0 else 0.0) + p.j(10 + finger, 0.03)
        direction = (float(np.sin(angle)), -float(np.cos(angle)))
        x, y = wrist[0] + (finger - 2) * 10.5 * k * spread, wrist[1] - 14 - (3 if 0 < finger < 4 else -4)
        lengths = (38, 28) if finger == 0 else (56 - abs(finger - 2) * 4, 36 - abs(finger - 2) * 4, 22, 16)
        lengths = (*lengths, 20) if finger == 0 else lengths
        first = (x, y)
        for number, part_length in enumerate(lengths):
            length = part_length * k
            end = (x + direction[0] * length, y + direction[1] * length)
            bones.append(Tube((x, y), end, (4.3 - 0.55 * number) * k, 1.55, p.shell))
            x, y = end[0] + direction[0] * 3.2, end[1] + direction[1] * 3.2
        flesh.append(Tube(first, (x, y), 8.8 * p.build * k, 1.0))
        flesh.append(Tube((wrist[0], wrist[1]), first, 17 * p.build * k, 1.0))
    breakable = tuple(range(len(bones)))
    for i in range(8):
        place = (wrist[0] + (i % 4 - 1.5) * 10.5 * k * spread, wrist[1] + 2 - (i // 4) * 10.5)
        bones.append(Ellipsoid(place, (6.4, 5.6, 6), p.j(20 + i, 1.0)))
    reach = 10.5 * k * spread
    bones.append(Tube((wrist[0] + reach, wrist[1] + 100), (wrist[0] + reach, wrist[1] + 14), 7 * k, 1.8, p.shell))
    bones.append(Tube((wrist[0] - reach, wrist[1] + 100), (wrist[0] - reach, wrist[1] + 17), 5.4 * k, 1.5, p.shell))
    return Anatomy((width, height), tuple(bones), (*breakable, len(bones) - 2), tuple(flesh))


def _shoulder(view: str, p: _Person) -> Anatomy:
    width, height = 230.0, 220.0
    k, spread = p.size, max(_spread(view), 0.55)
    head = (92.0 + p.j(0, 6), 84.0 + p.j(1, 6))
    elbow = (head[0] - 16 * spread + p.j(2, 6), head[1] + 250)
    humerus = Tube((head[0] + 3, head[1] + 4), elbow, 11.5 * k, 1.75, p.shell)
    clavicle = Tube(
        (head[0] + 2, head[1] - 36), (head[0] + 118 * spread, head[1] - 44 + p.j(3, 8)), 6.2 * k, 1.4, p.shell, bow=9
    )
    spine = Tube((head[0] - 4, head[1] - 28), (head[0] + 88 * spread, head[1] + 2), 5.0 * k, 1.2, 0.3, bow=-6)
    border = Tube(
        (head[0] + 34 * spread, head[1] + 12), (head[0] + 66 * spread, head[1] + 118), 4.4 * k, 1.2, 0.4, bow=5
    )
    blade = Ellipsoid((head[0] + 62 * spread, head[1] + 46), (52, 27 * spread, 2.2), 1.15, 0.3)
    ball = Ellipsoid(head, (24 * k, 22 * k, 21 * k), 0.5, 0.07)
    socket = Ellipsoid((head[0] + 27 * k, head[1] + 8), (5, 17 * k, 9), 0.05, 0.2)
    ribs = [
        Tube((width - 92 + 6 * i, head[1] + 8 + 31 * i), (width + 40, head[1] - 26 + 33 * i), 4.4, 1.0, 0.4, bow=-16)
        for i in range(5)
    ]
    flesh = (
        Tube((head[0] + 8, head[1] - 6), elbow, 44 * p.build * k, 1.0),
        Tube((head[0] + 20, head[1] + 30), (width + 60, head[1] + 70), 78 * p.build * k, 1.0),
    )
    return Anatomy((width, height), (humerus, clavicle, spine, border, blade, ball, socket, *ribs), (0, 1), flesh)


def _elbow(view: str, p: _Person) -> Anatomy:
    width, height = 170.0, 200.0
    k, spread = p.size, _spread(view)
    joint = (width / 2 + p.j(0, 8), 98.0 + p.j(1, 8))
    bend = {"frontal": 0.08, "oblique": 0.5, "lateral": 1.35}[view] + p.j(2, 0.1)
    along = (float(np.sin(bend)), float(np.cos(bend)))
    side = (along[1], -along[0])
    gap = 9.5 * k * max(spread, 0.35)
    humerus = Tube((joint[0] + p.j(3, 6), -80.0), (joint[0], joint[1] - 8), 10.0 * k, 2.0, p.shell)
    ends = [(joint[0] + s * gap * side[0], joint[1] + s * gap * side[1]) for s in (1, -1)]
    far = 190.0
    radius = Tube(
        (ends[0][0] + along[0] * 9, ends[0][1] + along[1] * 9),
        (ends[0][0] + along[0] * far, ends[0][1] + along[1] * far), 6.0 * k, 1.7, p.shell,
    )  # fmt: skip
    ulna = Tube(
        (ends[1][0] - along[0] * 10, ends[1][1] - along[1] * 10),
        (ends[1][0] + along[0] * far, ends[1][1] + along[1] * far), 6.6 * k, 1.9, p.shell,
    )  # fmt: skip
    capitulum = [Ellipsoid(end, (8.5 * k, 8 * k, 8 * k), 0.3, 0.1) for end in ends]
    flesh = (
        Tube((joint[0], -60), joint, 37 * p.build * k, 1.0),
        Tube(joint, (joint[0] + along[0] * far, joint[1] + along[1] * far), 34 * p.build * k, 1.0),
    )
    return Anatomy((width, height), (humerus, radius, ulna, *capitulum), (0, 1, 2), flesh)


_BUILDERS: dict[str, Callable[[str, _Person], Anatomy]] = {
    "forearm": _forearm,
    "hand": _hand,
    "shoulder": _shoulder,
    "elbow": _elbow,
}
