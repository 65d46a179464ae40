"""Which pairs are proposed for a second look, by descriptions alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from frames import texture
from PIL import Image

from colles.datasets.audit.candidates import suspect
from colles.datasets.audit.canvases import Described, describe_files
from colles.datasets.audit.orientations import orient

Describe = Callable[[list[np.ndarray]], Described]


@pytest.fixture
def described(tmp_path: Path) -> Describe:
    """Describe pictures as the audit does, from files."""

    def describe(pictures: list[np.ndarray]) -> Described:
        paths = [tmp_path / f"{number}.png" for number in range(len(pictures))]
        for path, pixels in zip(paths, pictures, strict=True):
            Image.fromarray(pixels).save(path)
        return describe_files([str(path) for path in paths])

    return describe


@pytest.mark.parametrize("inverted", [False, True])
def test_a_layout_says_how_a_copy_has_to_be_turned_back(described: Describe, inverted: bool) -> None:
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


def test_copies_that_are_known_take_no_place_among_the_nearest(described: Describe) -> None:
    """Six equal files and six of a part of them: each has five nearer neighbours than the pair that is looked for."""
    original = texture(9, 300, 240)
    seen = described([original] * 6 + [np.ascontiguousarray(original[35:-30, 30:-20])] * 6)
    found = suspect(seen, np.repeat([0, 1], 6), hash_distance=0).pairs
    assert found and all(first < 6 <= second for first, second in found)
    assert {"layout", "spectrum"} <= {by for pair in found.values() for by in pair.found_by}


@pytest.mark.slow
def test_a_part_of_a_picture_has_its_spectrum_at_another_size(described: Describe) -> None:
    pictures = [texture(seed, 240, 240) for seed in range(20)]
    parts = [np.ascontiguousarray(each[20:-20, 20:-20]) for each in pictures]
    found = suspect(described(pictures + parts), np.arange(40), hash_distance=0).pairs
    assert all("spectrum" in found[place, place + 20].found_by for place in range(20))
