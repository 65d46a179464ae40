from __future__ import annotations

import numpy as np
import pytest
from frames import texture
from hypothesis import given
from hypothesis import strategies as st

from colles.datasets.audit.confirm import correlation, detail, is_flat
from colles.datasets.audit.hashes import BITS, near_pairs, orient, oriented_hashes, perceptual_hashes


def square(seed: int) -> np.ndarray:
    return texture(seed, 192, 192)


def test_the_hash_is_the_sign_of_scipys_cosine_transform() -> None:
    from scipy.fft import dctn

    pixels = square(1)
    low = dctn(pixels.astype(float), type=2)[:16, :16].ravel()[1:]
    bits = np.unpackbits(perceptual_hashes(pixels[None]).view(np.uint8)[0])
    assert bits[0] == 0
    assert (bits[1:] == (low > np.median(low))).mean() > 0.99  # float32 against float64


@pytest.mark.parametrize("orientation", range(8))
@pytest.mark.parametrize("inverted", [False, True])
def test_every_orientation_and_the_negative_are_found(orientation: int, inverted: bool) -> None:
    original = square(2)
    copy = np.ascontiguousarray(orient(original, orientation))
    copy = 255 - copy if inverted else copy
    found = near_pairs(np.stack([oriented_hashes(original), oriented_hashes(copy)]), 16)
    assert len(found) == 1
    undone = orient(copy, found[0].orientation)
    assert np.array_equal(255 - undone if found[0].inverted else undone, original)
    assert found[0].inverted == inverted


def test_strangers_are_no_candidates() -> None:
    hashes = np.stack([oriented_hashes(square(seed)) for seed in range(12)])
    assert near_pairs(hashes, 48) == []


@given(st.integers(0, 2**32 - 1))
def test_near_pairs_equal_counting_bit_by_bit(seed: int) -> None:
    words = np.random.default_rng(seed).integers(0, 2**63, size=(5, 8, 4), dtype=np.uint64)
    words[:, :, 0] >>= np.uint64(8)
    found = {(pair.first, pair.second): pair.distance for pair in near_pairs(words, 120)}
    for first in range(5):
        for second in range(first + 1, 5):
            apart = [bin(int.from_bytes((words[first, 0] ^ words[second, k]).tobytes())).count("1") for k in range(8)]
            best = min(min(apart), BITS - max(apart))
            assert found.get((first, second)) == (best if best <= 120 else None)


def test_correlation_forgives_contrast_brightness_and_a_small_shift() -> None:
    pixels = square(3)
    darker = (pixels * 0.7 + 20).astype(np.uint8)
    shifted = np.roll(pixels, (3, -4), axis=(0, 1))
    assert correlation(detail(pixels), detail(pixels)) == pytest.approx(1.0, abs=1e-5)
    assert correlation(detail(pixels), detail(darker)) > 0.95
    assert correlation(detail(pixels), detail(shifted)) > 0.95
    assert correlation(detail(pixels), detail(square(4))) < 0.5


def test_a_blank_picture_agrees_with_nothing() -> None:
    blank = np.full((192, 192), 90, np.uint8)
    assert is_flat(blank) and not is_flat(square(5))
    assert correlation(detail(blank), detail(blank)) == 0.0
    assert correlation(detail(blank), detail(square(5))) == 0.0
