"""Turn boxes as EXIF orientation turns pixels (EXIF 2.32, tag 274)."""

from __future__ import annotations

from colles.core.records import Box


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
        width - x if orientation in (2, 3, 6, 7) else x,
        height - y if orientation in (3, 4, 7, 8) else y,
    )
