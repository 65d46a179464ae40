from __future__ import annotations

import numpy as np
import pytest
from frames import texture
from hypothesis import given, settings
from hypothesis import strategies as st

from colles.datasets.audit import hash_pairs
from colles.datasets.audit.hash_pairs import near_pairs, near_rows
from colles.datasets.audit.hashes import BITS, Candidate, coefficients, framed_hashes
from colles.datasets.audit.orientations import MATRICES, ORIENTATIONS, orient, orientation_of


def square(seed: int) -> np.ndarray:
    return texture(seed, 192, 192)


def hashed(*pictures: np.ndarray) -> hash_pairs.Framed:
    return framed_hashes(coefficients(np.stack(pictures)))


def test_the_hash_is_the_sign_of_scipys_cosine_transform_in_some_frame() -> None:
    from scipy.fft import dctn

    pixels = square(1)
    found = hashed(pixels)
    first = orient(255 - pixels if found.inverted[0] else pixels, int(found.frame[0]))
    low = dctn(first.astype(float), type=2)[:16, :16].ravel()[1:]
    bits = np.unpackbits(found.words[:1].view(np.uint8))
    assert bits[0] == 0
    assert (bits[1:] == (low > 0)).mean() > 0.99  # float32 against float64


@pytest.mark.parametrize("index", range(len(ORIENTATIONS)))
def test_the_matrix_of_an_orientation_moves_a_point_as_the_pixels_move(index: int) -> None:
    grid = np.zeros((5, 5))
    grid[1, 4] = 1  # x = +2, y = −1 from the middle
    row, column = np.argwhere(orient(grid, index) == 1)[0]
    assert (MATRICES[index] @ [2, -1]).tolist() == [column - 2, row - 2]
    assert orientation_of(MATRICES[index]) == index


@pytest.mark.parametrize("orientation", range(8))
@pytest.mark.parametrize("inverted", [False, True])
def test_every_orientation_and_the_negative_are_found(orientation: int, inverted: bool) -> None:
    original = square(2)
    copy = np.ascontiguousarray(orient(original, orientation))
    copy = 255 - copy if inverted else copy
    found = near_pairs(hashed(original, copy), 4, np.arange(2))
    assert len(found) == 1
    undone = orient(copy, found[0].orientation)
    assert np.array_equal(255 - undone if found[0].inverted else undone, original)
    assert found[0].inverted == inverted


def test_strangers_are_no_candidates() -> None:
    assert near_pairs(hashed(*(square(seed) for seed in range(12))), 32, np.arange(12)) == []


def test_equal_files_made_a_pair_of_each_two_only_to_be_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """3,000 of them took 24 s and 2.7 GB."""
    made: list[object] = []
    monkeypatch.setattr(hash_pairs, "_candidate", lambda *pair: made.append(pair) or Candidate(*pair[1], 0, False, 0))
    equal = hashed(*(square(0) for _ in range(6)), square(0), square(0))
    found = near_pairs(equal, 4, np.array([0, 0, 0, 0, 0, 0, 1, 1]))
    assert len(found) == len(made) == 6 * 2


def test_no_pictures_have_no_hashes() -> None:
    assert near_pairs(framed_hashes(np.zeros((0, 16, 16), np.float32)), 20, np.arange(0)) == []


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([3, 20]))
def test_bands_miss_no_pair_that_comparing_all_finds(seed: int, distance: int) -> None:
    rng = np.random.default_rng(seed)
    bits = rng.random((40, BITS + 1)) < 0.5
    bits = np.repeat(bits, 3, axis=0) ^ (rng.random((120, BITS + 1)) < rng.uniform(0, 0.08))
    bits[:, 0] = False
    words = np.packbits(bits, axis=1).view(np.uint64)
    all_rows = {pair for found in hash_pairs._all_rows(words, distance) for pair in zip(*map(list, found), strict=True)}
    few, hash_pairs._FEW = hash_pairs._FEW, 0
    try:
        banded = {pair for found in near_rows(words, distance) for pair in zip(*map(list, found), strict=True)}
    finally:
        hash_pairs._FEW = few
    assert banded == all_rows
    counted = {
        (one, other, int((bits[one] ^ bits[other]).sum()))
        for one in range(120)
        for other in range(one + 1, 120)
        if (bits[one] ^ bits[other]).sum() <= distance
    }
    assert all_rows == counted
