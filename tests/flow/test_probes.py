"""Shortcut probes of scores that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colles.core.recipe import PreprocessRecipe
from colles.core.records import Box, Estimate
from colles.flow.explain import Item
from colles.flow.probes import PARTS, Moves, _cover, _describe, _score_all, probe_shortcuts, rests_on
from colles.serving.decode import decode
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


def test_seven_images_say_nothing_and_eight_say_something(framed: list[Item]) -> None:
    few, enough = (probe_shortcuts(Frame(), framed[-count:])[1] for count in (7, 8))
    assert (few["n"], few["change"]["value"], few["found"]) == (7, None, False)
    assert (enough["n"], enough["found"]) == (8, True)


def test_images_of_one_group_are_no_further_evidence(framed: list[Item]) -> None:
    pairs = probe_shortcuts(Frame(), [replace(item, group=str(place // 2)) for place, item in enumerate(framed)])[1]
    assert (pairs["change"]["n"], pairs["change"]["n_groups"], pairs["change"]["method"]) == (12, 6, "student_groups")


def test_images_without_a_label_move_with_the_others_and_are_in_no_class(framed: list[Item]) -> None:
    unknown = [replace(item, label=None) if place in (0, 1) else item for place, item in enumerate(framed)]
    border, known = (probe_shortcuts(Frame(), items)[1] for items in (unknown, framed))
    for name in ("change", "change_fractured", "auroc_before", "auroc_after"):
        assert border[name] == known[name]
    assert border["change_others"] == 0
    alike = probe_shortcuts(Frame(), [replace(item, label=1) for item in framed])[1]
    assert (alike["auroc_before"], alike["change_others"]) == (None, None)


def test_what_a_part_moves_counted_by_hand() -> None:
    before, covered, control = np.array([0.0, 2.0, 4.0, 6.0]), np.array([3.0, 1.0, 2.0, 3.0]), np.array([1.0, 2, 3, 7])
    fractured, known = np.array([True, False, True, False]), np.array([True, True, True, False])
    found = _describe(PARTS[0], Moves(before, covered, control, fractured, known, None))
    assert found["change"]["value"] == pytest.approx((2 - 1 - 1 - 4) / 4)
    assert found["change"]["low"] < -1 and found["change"]["high"] > 1  # of a logit, not of a share
    assert (found["change_fractured"], found["change_others"]) == (0.5, -1)
    assert (found["auroc_before"], found["auroc_after"]) == (0.5, 1)


@pytest.mark.parametrize(
    ("value", "low", "high", "found"),
    [
        (0.5, 0.1, 0.9, True), (-0.5, -0.9, -0.1, True), (0.49, 0.1, 0.9, False), (-0.49, -0.9, -0.1, False),
        (0.5, 0.0, 1.0, False), (-0.5, -1.0, 0.0, False), (3.0, -0.1, 6.1, False), (0.5, None, None, False),
    ],
)  # fmt: skip
def test_a_shortcut_is_certain_and_a_quarter_of_the_spread(value, low, high, found) -> None:
    assert rests_on(Estimate(value=value, low=low, high=high, method="student", n=9), 2.0) is found


def test_the_spread_is_that_of_the_scores_as_they_are() -> None:
    rows, before = np.ones(12, bool), np.tile([-4.0, 4.0], 6)
    covered = before / 10 + 0.9
    moves = Moves(before, covered, covered - np.linspace(0.89, 0.91, 12), rows, rows, None)
    assert not _describe(PARTS[0], moves)["found"]
    assert _describe(PARTS[0], replace(moves, before=before / 2))["found"]


def test_an_equal_area_is_covered_beside_marker_and_metal_and_off_the_boxes() -> None:
    assert [(part.name, part.has_control) for part in PARTS] == [
        ("marker", True), ("border", False), ("hardware", True),
    ]  # fmt: skip
    grey = np.random.default_rng(0).integers(1, 255, (60, 120)).astype(np.uint8)
    mask = np.zeros((60, 120), bool)
    mask[2:8, 2:12] = True
    part = replace(PARTS[0], find=lambda grey: mask.copy())
    free = Item(Path("a"), boxes=(Box(x1=60, y1=0, x2=120, y2=60),))
    for seed in range(5):
        covered, control = _cover(part, free, grey, np.random.default_rng(seed))
        assert (covered != grey).any() and (covered == grey)[~mask].all()
        changed = control != grey
        assert changed.any() and not changed[:, 60:].any() and not (changed & mask).any()


def test_every_part_has_its_own_pictures_scored(framed: list[Item]) -> None:
    class Bright(Frame):
        def score(self, batch: np.ndarray) -> np.ndarray:
            return batch.mean(axis=(1, 2, 3)).astype(np.float64)

    sample = decode(framed[0].path, Frame.recipe, keep_grey=True)
    grey = [np.full((SIZE, SIZE), level, np.uint8) for level in (51, 102, 153)]
    rows = list(_score_all(Bright(), sample, [grey[:2], [], grey[2:]]))
    first = rows[0][0]
    levels = [np.log(share / (1 - share)) for share in (0.2, 0.4, 0.6)]
    assert rows[0] == pytest.approx([first, *levels[:2]], abs=1e-5) and rows[1] == []
    assert rows[2] == pytest.approx([first, levels[2], first], abs=1e-5)
    assert list(_score_all(Bright(), sample, [[], [], []])) == [[], [], []]
