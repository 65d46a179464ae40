"""One answer, and the row of the table that it becomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from colles.imaging.heatmap import Candidate
from colles.serving.decision import Decision

PredictionStatus = Literal["ok", "refused", "unreadable"]
STATUSES: tuple[PredictionStatus, ...] = ("ok", "refused", "unreadable")
UNDRAWN = "no picture could be drawn"
"""How the reason of an answer begins where one was to be drawn."""
COLUMNS = ("path", "status", "reason", "score", "probability", "decision", "bundle", "seconds")


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a bundle says of one image."""

    path: str | None
    """As given; None where the image came as bytes or an array."""
    status: PredictionStatus
    reason: str | None
    """Why the status is not ok, of how many pictures in the file the first was judged, or why one that was to be drawn
    is missing."""
    score: float | None
    """Uncalibrated sigmoid output, 0–1."""
    probability: float | None
    """Calibrated, 0–1."""
    decision: Decision | None
    bundle: str
    """`name@version`, with `+int8` behind it where the 8-bit network answered."""
    seconds: float
    """Decoding and computing; in a batch its share."""
    heat: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)
    """(H, W) of the image after EXIF rotation, 0–1, where it was asked for."""

    boxes: tuple[Candidate, ...] | None = field(default=None, compare=False)
    """Where a fracture may be, the likeliest first; None where they were not asked for or there is no map."""

    def row(self) -> dict[str, Any]:
        """Return the table's row, in the order of `COLUMNS`."""
        return {name: getattr(self, name) for name in COLUMNS}
