"""What lies behind a display shutter is black, as a viewer shows it, and counts for no grey level."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from colles.imaging.read import read_image, to_grey
from drawn_dicom import dicom, encoded

WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}
RECTANGLE = {
    "ShutterShape": "RECTANGULAR",
    "ShutterLeftVerticalEdge": 11,
    "ShutterRightVerticalEdge": 30,
    "ShutterUpperHorizontalEdge": 5,
    "ShutterLowerHorizontalEdge": 20,
}
CIRCLE = {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [21, 31], "RadiusOfCircularShutter": 10}
POLYGON = {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [1, 1, 1, 40, 40, 1]}


def film(**elements: Any) -> bytes:
    """Return a film of 60 by 40 pixels, bright as one is that no shutter was closed on."""
    return encoded(dicom(np.full((40, 60), 3000, np.uint16), **elements))


def seen(**elements: Any) -> np.ndarray:
    return read_image(film(**WINDOW, **elements)).pixels > 0


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_what_lies_behind_a_shutter_was_shown(photometric: str) -> None:
    shown = seen(photometric=photometric, **RECTANGLE)
    expected = np.zeros((40, 60), bool)
    expected[4:20, 10:30] = True  # rows and columns count from 1, the edges are seen
    np.testing.assert_array_equal(shown, expected)


def test_a_circle_and_a_polygon_are_shutters_too() -> None:
    circle = seen(**CIRCLE)
    assert circle[20, 30] and circle[20, 40] and not circle[20, 41] and not circle[12, 22]
    polygon = seen(**POLYGON)
    assert polygon[0, 0] and polygon[0, 39] and not polygon[0, 40] and not polygon[39, 39]


def test_of_several_shapes_only_what_all_leave_open_is_seen() -> None:
    both = seen(**{**RECTANGLE, **CIRCLE, "ShutterShape": ["RECTANGULAR", "CIRCULAR"]})
    np.testing.assert_array_equal(both, seen(**RECTANGLE) & seen(**CIRCLE))


@pytest.mark.parametrize(
    "elements",
    [
        {"ShutterShape": "BITMAP"},
        {"ShutterShape": ""},
        {"ShutterShape": "RECTANGULAR"},
        {**RECTANGLE, "ShutterRightVerticalEdge": 1},
        {**RECTANGLE, "ShutterLeftVerticalEdge": 61, "ShutterRightVerticalEdge": 70},
        {**CIRCLE, "RadiusOfCircularShutter": -1},
        {**CIRCLE, "CenterOfCircularShutter": [1, 2, 3]},
        {**POLYGON, "VerticesOfThePolygonalShutter": [1, 1]},
        {**POLYGON, "VerticesOfThePolygonalShutter": [1, 1, 1, 40, 40, 1] * 1000},  # minutes on a large film
    ],
)
def test_a_shutter_without_sense_hides_nothing(elements: dict[str, Any]) -> None:
    assert seen(**elements).all()


def test_numbers_beyond_every_picture_are_no_danger() -> None:
    far = {**CIRCLE, "CenterOfCircularShutter": [2147483647, -2147483648], "RadiusOfCircularShutter": 2147483647}
    assert seen(**far).shape == (40, 60)
    assert seen(**{**POLYGON, "VerticesOfThePolygonalShutter": [-2147483648, 0, 0, 2147483647, 2147483647, 0]}).any()


def test_what_lies_behind_a_shutter_does_not_press_the_rest_together() -> None:
    stored = np.full((40, 60), 4095, np.uint16)
    stored[4:20, 10:30] = 1000
    stored[10, 12] = 2000
    grey = to_grey(read_image(encoded(dicom(stored, **RECTANGLE))))
    assert (grey[10, 12], grey[5, 12], grey[0, 0]) == (255, 0, 0)


def test_padding_and_a_shutter_hide_what_either_hides() -> None:
    stored = np.full((40, 60), 3000, np.uint16)
    stored[10, 12] = 2500
    shown = read_image(encoded(dicom(stored, **WINDOW, **RECTANGLE, PixelPaddingValue=2500))).pixels > 0
    assert shown[11, 12] and not shown[10, 12] and not shown[0, 0]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_of_a_film_of_8_bits_what_lies_behind_a_shutter_was_grey(photometric: str) -> None:
    stored = np.full((40, 60), 100, np.uint8)  # 8 bits are shown as they are: black is 0, not the lowest of the rest
    for window in ({}, {"WindowCenter": 128, "WindowWidth": 256}):
        grey = to_grey(read_image(encoded(dicom(stored, bits=8, photometric=photometric, **RECTANGLE, **window))))
        assert grey[0, 0] == 0 and grey[10, 15] in (100, 155)
