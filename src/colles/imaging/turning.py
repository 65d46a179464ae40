"""Turn boxes and pixels as EXIF orientation asks a viewer to (EXIF 2.32, tag 274)."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from colles.core.records import Box

_FROM_RIGHT, _FROM_BELOW = {2, 3, 6, 7}, {3, 4, 7, 8}  # as displayed; from 5 on the axes change places before


def as_shown(box: Box, orientation: int, shown: tuple[int, int]) -> Box:
    """Map a box in pixels of the stored image to the image as displayed.

    `orientation` is 1–8, `shown` width and height after it was applied: from 5 on the axes change places.
    """
    first, second = (_point(x, y, orientation, shown) for x, y in ((box.x1, box.y1), (box.x2, box.y2)))
    (x1, x2), (y1, y2) = sorted((first[0], second[0])), sorted((first[1], second[1]))
    return box.model_copy(update={"x1": x1, "y1": y1, "x2": x2, "y2": y2})


def _point(x: float, y: float, orientation: int, shown: tuple[int, int]) -> tuple[float, float]:
    if orientation >= 5:
        x, y = y, x
    width, height = shown
    return (
        width - x if orientation in _FROM_RIGHT else x,
        height - y if orientation in _FROM_BELOW else y,
    )


def turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return pixels (H, W, ...) as stored in the way that they are displayed, a view."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    return pixels[:: -1 if orientation in _FROM_BELOW else 1, :: -1 if orientation in _FROM_RIGHT else 1]
