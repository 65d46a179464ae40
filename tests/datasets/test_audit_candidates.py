"""Which pairs are proposed for a second look, by descriptions alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from frames import texture

from colles.datasets.audit.candidates import suspect
from colles.datasets.audit.canvases import CANVAS, Described
from colles.datasets.audit.descriptors import SIDE, fit, layout, spectrum
from colles.datasets.audit.hashes import coefficients
from colles.datasets.audit.orientations import orient


def described(pictures: list[np.ndarray]) -> Described:
    squares = [
        cv2.resize(np.ascontiguousarray(each), (CANVAS, CANVAS), interpolation=cv2.INTER_AREA) for each in pictures
    ]
    sizes = np.array([each.shape[::-1] for each in pictures], np.int64)
    waves = coefficients(np.stack([cv2.resize(each, (192, 192), interpolation=cv2.INTER_AREA) for each in squares]))
    spectra = [spectrum(fit(each, *size, SIDE)) for each, size in zip(squares, sizes.tolist(), strict=True)]
    layouts = np.stack([layout(each) for each in squares])
    return Described(np.arange(len(pictures)), sizes, waves, layouts, np.stack(spectra).astype(np.float16))


@pytest.mark.parametrize("inverted", [False, True])
def test_a_layout_says_how_a_copy_has_to_be_turned_back(inverted: bool) -> None:
    originals = [texture(seed, 200, 200) for seed in range(8)]
    copies = [np.ascontiguousarray(orient(each, turn)) for turn, each in enumerate(originals)]
    copies = [255 - each if inverted else each for each in copies]
    for each in copies:
        each[20:36, 30:46] = 255  # a marker, which moves the hash
    found = suspect(described(originals + copies), np.arange(16), hash_distance=0).pairs
    for place, (original, copy) in enumerate(zip(originals, copies, strict=True)):
        pair = found[place, place + 8]
        [(turn, negative)] = pair.turns
        assert "layout" in pair.found_by and negative is inverted
        back = orient(255 - copy if negative else copy, turn).astype(float)
        assert np.corrcoef(back.ravel(), original.ravel())[0, 1] > 0.5


def test_copies_that_are_known_take_no_place_among_the_nearest() -> None:
    """Six equal files and six of a part of them: each has five nearer neighbours than the pair that is looked for."""
    original = texture(9, 300, 240)
    seen = described([original] * 6 + [np.ascontiguousarray(original[35:-30, 30:-20])] * 6)
    found = suspect(seen, np.repeat([0, 1], 6), hash_distance=0).pairs
    assert found and all(first < 6 <= second for first, second in found)
    assert {"layout", "spectrum"} <= {by for pair in found.values() for by in pair.found_by}


@pytest.mark.slow
def test_a_part_of_a_picture_has_its_spectrum_at_another_size() -> None:
    pictures = [texture(seed, 240, 240) for seed in range(20)]
    parts = [np.ascontiguousarray(each[20:-20, 20:-20]) for each in pictures]
    found = suspect(described(pictures + parts), np.arange(40), hash_distance=0).pairs
    assert all("spectrum" in found[place, place + 20].found_by for place in range(20))
