"""Copies that no hash finds: cropped, turned by any angle, painted over, and several changes at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from frames import texture

from colles.datasets.audit.alignment import Picture, place_freely, place_turned, rescale
from colles.datasets.audit.confirm import Agreement, compare, is_flat
from colles.datasets.audit.descriptors import SIDE, fit, signatures, spectrum
from colles.datasets.audit.shifts import refine, vertex


def picture(pixels: np.ndarray) -> Picture:
    height, width = pixels.shape
    square = cv2.resize(np.ascontiguousarray(pixels), (320, 320), interpolation=cv2.INTER_AREA)
    return Picture(square, width, height, spectrum(fit(square, width, height, SIDE)))


def turned(pixels: np.ndarray, degrees: float) -> np.ndarray:
    height, width = pixels.shape
    return cv2.warpAffine(pixels, cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0), (width, height))


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "cropped": lambda grey: grey[30:-12, 8:-20],
    "turned": lambda grey: turned(grey, 11),
    "turned back": lambda grey: turned(grey, -14),
    "mirrored and turned": lambda grey: turned(np.ascontiguousarray(grey[:, ::-1]), 7),
    "negative, a quarter and cropped": lambda grey: 255 - np.rot90(grey)[20:, :-10],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_lies_on_its_original(change: str) -> None:
    original = texture(1)
    first, second = picture(original), picture(CHANGES[change](original))
    found = compare(first, second, place_freely(first, second))
    assert found is not None and found.confirms(0.86)


def test_the_angle_is_measured() -> None:
    original = texture(2)
    first, second = picture(original), picture(turned(original, 9))
    found = compare(first, second, place_freely(first, second))
    assert found is not None and abs(found.degrees) == pytest.approx(9, abs=0.5)


def test_the_turn_of_a_mirrored_copy_is_read_from_its_spectrum() -> None:
    original = texture(2)
    first, second = picture(original), picture(turned(np.ascontiguousarray(original[:, ::-1]), 9))
    placement = place_freely(first, second)
    assert placement is not None and placement.words == "mirrored"
    turn = placement.matrix[:2, :2] @ np.diag([-1.0, 1.0])
    assert abs(np.rad2deg(np.arctan2(turn[1, 0], turn[0, 0]))) == pytest.approx(9, abs=1)


def test_a_squeezed_and_painted_copy_lies_on_its_original_when_the_turn_is_known() -> None:
    original = texture(3)
    copy = cv2.resize(np.ascontiguousarray(np.rot90(original)), (200, 320))
    copy[20:60, 20:70] = 0
    first, second = picture(original), picture(copy)
    found = compare(first, second, place_turned(first, second, 3, False))
    assert found is not None and found.confirms(0.86)


def test_strangers_do_not_lie_on_each_other() -> None:
    first, second = picture(texture(4)), picture(texture(5))
    for placement in (place_freely(first, second), place_turned(first, second, 0, False)):
        found = compare(first, second, placement)
        assert found is None or not found.confirms(0.86)


def test_a_picture_is_not_a_copy_of_its_negative_unless_that_is_said() -> None:
    first, second = picture(texture(6)), picture(255 - texture(6))
    assert compare(first, second, place_turned(first, second, 0, False)) is None
    found = compare(first, second, place_turned(first, second, 0, True))
    assert found is not None and found.confirms(0.86)


def test_signatures_do_not_see_a_turn() -> None:
    original = texture(7, 280, 280)
    values = signatures(
        np.stack([picture(each).waves for each in (original, np.rot90(original), texture(8, 280, 280))])
    )
    values -= values.mean(0)
    same, other = np.linalg.norm(values[0] - values[1]), np.linalg.norm(values[0] - values[2])
    assert same < 0.2 * other


def test_a_blank_picture_is_flat_and_agrees_with_nothing() -> None:
    blank = np.full((320, 320), 90, np.uint8)
    assert is_flat(blank) and not is_flat(picture(texture(9)).pixels)
    grid = 100 + 5 * np.sin(2 * np.pi * 96 * (np.arange(320) + 0.5) / 320 + 0.7)  # lines, and nothing behind them
    assert is_flat(np.tile(np.round(grid), (320, 1)).astype(np.uint8))
    assert is_flat(blank + np.random.default_rng(0).integers(0, 3, blank.shape, dtype=np.uint8))
    first, second = picture(texture(9)), picture(blank)
    assert compare(first, second, place_turned(first, second, 0, False)) is None


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"within": None}, True),
        ({"within": None, "median": 0.91}, False),
        ({"within": None, "whole": 0.89}, False),
        ({"within": 0.71, "median": 0.87, "whole": 0.84}, True),
        ({"within": 0.69, "median": 0.91}, False),
        ({"within": 0.69}, True),
        ({"within": 0.49}, False),
        ({"median": 0.85}, False),
        ({"whole": 0.82}, False),
        ({"third": 0.69}, False),
        ({"skew": 1.08}, False),
        ({"overlap": 0.59}, False),
    ],
)
def test_pictures_are_copies_where_everything_agrees(change: dict[str, float | None], same: bool) -> None:
    sound = Agreement(whole=0.95, median=0.95, third=0.9, skew=1, overlap=0.7, degrees=0, size=1, within=0.9)
    assert replace(sound, **change).confirms(0.86) is same


def test_two_exposures_that_share_half_of_a_limb_are_no_copies_and_a_part_of_one_is() -> None:
    film = texture(17, 480, 320)
    whole, lower, part = (picture(each) for each in (film[:320], film[160:], film[30:270, 40:280]))
    half = compare(whole, lower, place_freely(whole, lower))
    assert half is None or not half.confirms(0.86)
    found = compare(whole, part, place_freely(whole, part))
    assert found is not None and found.confirms(0.86) and found.overlap > 0.9
    assert found.size == pytest.approx(240 / 320, abs=0.01)


@pytest.mark.parametrize("source", [True, False])
def test_the_edge_of_a_picture_stays_its_edge_at_another_size(source: bool) -> None:
    edge = (-0.5, -0.5, 1.0)  # of the first pixel, whose middle is 0
    assert rescale(np.eye(3), 2.5, source=source) @ edge == pytest.approx(edge)


def in_round_field(pixels: np.ndarray) -> np.ndarray:
    middle = pixels.shape[1] // 2, pixels.shape[0] // 2
    field = cv2.circle(np.zeros_like(pixels), middle, min(middle) - 8, 255, -1)
    return np.where(field > 0, np.maximum(pixels, 60), 0).astype(np.uint8)


def test_two_pictures_in_one_round_field_are_no_copies_because_their_rims_agree() -> None:
    first, second = (picture(in_round_field(texture(seed, 300, 300) // 4 + 120)) for seed in (11, 12))
    found = compare(first, second, place_turned(first, second, 0, False))
    assert found is None or (found.within is not None and found.within < 0.3 and not found.confirms(0.86))
    copy = picture(in_round_field(texture(11, 300, 300) // 5 + 130))
    again = compare(first, copy, place_turned(first, copy, 0, False))
    assert again is not None and again.confirms(0.86)


def test_a_marker_on_a_dark_picture_does_not_hide_its_copy() -> None:
    original = texture(13) // 6 + 4  # 4 to 46 grey levels, as even as surroundings beside the marker
    copy = original.copy()
    copy[200:232, 60:130] = 255
    cv2.putText(copy, "L", (80, 228), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 0, 3)
    first, second = picture(original), picture(copy)
    found = compare(first, second, place_turned(first, second, 0, False))
    assert found is not None and found.confirms(0.86)


def test_a_place_that_is_three_pixels_off_is_found_under_a_marker() -> None:
    original, matrix = texture(15), np.array([[1.01, 0.02, -3.0], [-0.02, 1.01, 2.5], [0.0, 0.0, 1.0]])
    copy = original.copy()
    copy[40:75, 120:170] = 0
    assert np.abs(refine(original, copy, matrix) - np.eye(3))[:2, :2].max() < 0.002
    corner = refine(original, copy, matrix) @ (230.0, 290.0, 1.0)
    assert np.abs(corner[:2] - (230.0, 290.0)).max() < 0.5


@pytest.mark.parametrize("off", [-0.4, 0.0, 0.3])
def test_a_peak_between_samples_is_where_the_parabola_has_it(off: float) -> None:
    assert vertex(*(1 - (at - off) ** 2 for at in (-1, 0, 1))) == pytest.approx(off)
    assert vertex(1.0, 1.0, 1.0) == 0


def test_the_surroundings_of_a_field_are_told_from_the_picture() -> None:
    bare = picture(in_round_field(texture(14, 300, 300) // 4 + 120)).border > 0
    assert bare[0, 0] and bare[-1, -1] and not bare[160, 160]
    assert 0.2 < bare.mean() < 0.35  # a disc leaves 1 − π/4 of its square, and a little more where it is smaller


@pytest.mark.parametrize(("wider", "same"), [(1.045, True), (1.15, False)])
def test_a_second_exposure_may_be_a_little_stretched(wider: float, same: bool) -> None:
    original = texture(16)
    height, width = original.shape
    stretched = cv2.warpAffine(original, np.array([[wider, 0.01, -6.0], [0.0, 1.0, 0.0]]), (width, height))
    first, second = picture(original), picture(stretched)
    found = compare(first, second, place_freely(first, second))
    assert (found is not None and found.confirms(0.86)) is same
    if found is not None and same:
        assert found.skew == pytest.approx(wider, abs=0.01)
