"""Judge a suspicion: lay the pictures on each other in every way that is suspected, until one agrees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from colles.datasets.audit.alignment import Placement, place_freely, place_turned
from colles.datasets.audit.candidates import Suspicion
from colles.datasets.audit.canvases import Pictures
from colles.datasets.audit.confirm import Agreement, compare

_LEAST_TURN, _LEAST_SIZE = 0.5, 0.02  # degrees, and a ratio less 1, that are worth a word


@dataclass(frozen=True)
class Verdict:
    """Two pictures that show one radiograph."""

    agreement: Agreement
    words: str
    """What was done to the second picture."""


def judge(pair: Suspicion, pictures: Pictures, least: float) -> Verdict | None:
    """Return how two pictures are copies of each other, or None where no placement makes them agree."""
    for placement in _placements(pair, pictures):
        found = compare(pictures.get(pair.first), pictures.get(pair.second), placement)
        if placement is not None and found is not None and found.confirms(least):
            return Verdict(found, _words(placement, found))
    return None


def _placements(pair: Suspicion, pictures: Pictures) -> Iterator[Placement | None]:
    first, second = pictures.get(pair.first), pictures.get(pair.second)
    for orientation, inverted in pair.turns:
        yield place_turned(first, second, orientation, inverted)
    if pair.free:
        yield place_freely(first, second)


def _words(placement: Placement, found: Agreement) -> str:
    parts = [] if placement.words == "as it is" else [placement.words]
    if abs(found.degrees) >= _LEAST_TURN:
        parts.append(f"turned by {abs(found.degrees):.0f}°" if abs(found.degrees) >= 1 else "turned by less than 1°")
    if placement.inverted:
        parts.append("inverted")
    if abs(found.size - 1) >= _LEAST_SIZE:
        parts.append("cropped or padded")
    return ", ".join(parts) or "as it is"
