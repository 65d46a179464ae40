"""Shortcut probes of scores that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colles.core.recipe import PreprocessRecipe
from colles.core.records import Box
from colles.flow.explain import Item
from colles.flow.probes import PARTS, Moves, _cover, _describe, probe_shortcuts
from colles.serving.maps import Maps, MapSource

SIZE = 64
WHOLE = Box(x1=0, y1=0, x2=SIZE, y2=SIZE)


class Frame(MapSource):
    """A picture with a bright edge scores 0.9, any other 0.1."""

    recipe = PreprocessRecipe(size=SIZE, channels=1, mean=(0.0,), std=(1.0,))
    methods = ()

    def explain(self, batch: np.ndarray, names: Sequence[str]) -> Maps:
        raise NotImplementedError

    def score(self, batch: np.ndarray) -> np.ndarray:
        return 0.1 + 0.8 * (batch[:, 0, 0].mean(axis=1) > 0.5)


@pytest.fixture
def framed(tmp_path: Path) -> list[Item]:
    """Draw twelve noisy pictures; the fractured ones have a bright frame."""
    rng, items = np.random.default_rng(0), []
    for number in range(12):
        pixels = rng.integers(20, 60, (SIZE, SIZE)).astype(np.uint8)
        if number % 2:
            pixels[:4], pixels[-4:], pixels[:, :4], pixels[:, -4:] = 200, 200, 200, 200
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        items.append(Item(tmp_path / f"{number}.png", str(number), label=number % 2))
    return items


def test_a_score_that_rests_on_the_border_is_found(framed: list[Item]) -> None:
    border = probe_shortcuts(Frame(), framed)[1]
    assert border["found"] and border["n"] == 12 and border["change"]["high"] < 0
    assert (border["auroc_before"], border["auroc_after"]) == (1, 0.5)
    assert border["change_fractured"] == pytest.approx(-2 * np.log(9), abs=1e-3) and border["change_others"] == 0


def test_what_lies_in_a_reference_box_is_not_covered(framed: list[Item]) -> None:
    assert probe_shortcuts(Frame(), [replace(item, boxes=(WHOLE,)) for item in framed])[1]["n"] == 0


def test_hardware_is_not_looked_for_where_there_is_none() -> None:
    grey, rng = np.full((SIZE, SIZE), 90, np.uint8), np.random.default_rng(0)
    everywhere = replace(PARTS[2], find=lambda grey: np.eye(len(grey), dtype=bool))
    for known, pictures in ((False, 0), (True, 2), (None, 2)):
        assert len(_cover(everywhere, Item(Path("a"), columns={"hardware": known}), grey, rng)) == pictures


def test_a_marker_that_moves_the_score_no_more_than_any_place_is_no_shortcut() -> None:
    rows = np.ones(12, bool)
    covered = np.linspace(-2.1, -1.9, 12)
    moves = Moves(np.zeros(12), covered, covered[::-1], rows, rows, None)
    assert not _describe(PARTS[0], moves)["found"]
    assert _describe(PARTS[0], replace(moves, control=np.zeros(12)))["found"]
