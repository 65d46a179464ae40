"""Silhouette, border, markers and metal on drawn pictures, and covering them."""

from __future__ import annotations

import numpy as np
import pytest

from colles.imaging.regions import border_mask, centre, cover, marker_mask, metal_mask, moved_mask, silhouette


def limb() -> np.ndarray:
    """A grey limb from top to bottom on black, with a letter of lead beside it and a plate inside."""
    grey = np.full((200, 160), 5, np.uint8)
    grey[:, 50:110] = 120
    grey[15:25, 15:19], grey[25:29, 15:25] = 255, 255
    grey[90:130, 77:83] = 250
    return grey


def test_the_silhouette_is_deepest_in_the_middle_of_the_body() -> None:
    deep = silhouette(limb())
    row, column = np.unravel_index(int(deep.argmax()), deep.shape)
    assert deep.max() == 1 and deep.min() == 0 and 70 <= column <= 90 and 30 <= row <= 170
    assert (silhouette(np.zeros((20, 30), np.uint8)) == 1).all()


def test_marker_and_metal_are_told_apart_by_their_place() -> None:
    marker, metal = marker_mask(limb()), metal_mask(limb())
    assert marker[20, 16] and not marker[100, 80]
    assert metal[110, 80] and not metal[20, 16]
    plain = np.where(limb() > 200, 5, limb()).astype(np.uint8)
    plain[90:130, 77:83] = 120
    assert not marker_mask(plain).any() and not metal_mask(plain).any()


def test_centre_falls_from_the_middle() -> None:
    heat = centre((41, 61))
    assert heat[20, 30] == pytest.approx(1) and heat[0, 0] < heat[0, 30] < 1 and heat.min() >= 0


def test_covering_changes_the_marked_places_only() -> None:
    grey = limb()
    for mask in (marker_mask(grey), border_mask(grey)):
        covered = cover(grey, mask)
        assert (covered[~mask] == grey[~mask]).all() and (covered[mask] != grey[mask]).any()
    nothing = np.zeros(grey.shape, bool)
    assert cover(grey, nothing) is grey
    assert not cover(grey, ~nothing).any()


def test_a_control_has_the_same_shape_elsewhere() -> None:
    mask = marker_mask(limb())
    avoid = np.zeros(mask.shape, bool)
    avoid[:, 50:] = True
    moved = moved_mask(mask, np.random.default_rng(0), avoid)
    assert moved.sum() == mask.sum() and not (moved & (mask | avoid)).any()
    assert moved_mask(np.zeros((5, 5), bool), np.random.default_rng(0)).sum() == 0


def test_the_border_is_a_sixteenth_of_the_shorter_side() -> None:
    mask = border_mask(np.zeros((160, 480), np.uint8))
    assert mask[80].sum() == mask[:, 240].sum() == 20 and mask[80, :10].all() and mask[80, -10:].all()
