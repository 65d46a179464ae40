"""Cut-out and simulated collimation hide something, and never a fracture's centre."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from colles.core.recipe import AugmentRecipe
from colles.learning.loaders.augment import augment_seeded, create_augment

BOXES = np.array([[50, 50, 60, 62], [5, 90, 15, 99]], np.float32)


def chain(**settings: float) -> AugmentRecipe:
    return AugmentRecipe(flip=0, rotation=0, brightness=0, contrast=0, noise=0, **settings)


@pytest.mark.parametrize("name", ["cut_out", "collimation"])
def test_centres_stay_seen_and_boxes_where_they_were(name: str) -> None:
    augment = create_augment(chain(**{name: 1.0}), 128)
    canvas = torch.full((1, 128, 128), 200, dtype=torch.uint8)
    canvas[0, ::2] = 100  # so that the mean is a grey of its own
    hidden = []
    for seed in range(40):
        changed, moved = augment_seeded(augment, canvas, seed, BOXES)
        np.testing.assert_array_equal(moved, BOXES)
        differs = (changed != canvas)[0].numpy()
        for x, y in ((BOXES[:, :2] + BOXES[:, 2:]) / 2).astype(int):
            assert not differs[y, x]
        hidden.append(differs.mean())
    assert 0.01 < np.mean(hidden) < 0.4
    assert len(set(hidden)) > 20


def test_collimation_is_black_outside_and_cut_out_grey() -> None:
    canvas = torch.full((1, 128, 128), 200, dtype=torch.uint8)
    shutters, _ = augment_seeded(create_augment(chain(collimation=1.0), 128), canvas, 0)
    assert set(shutters.unique().tolist()) == {0, 200}
    assert shutters[0, 64, 64] == 200
    canvas[0, :64] = 100
    holes, _ = augment_seeded(create_augment(chain(cut_out=1.0), 128), canvas, 0)
    assert set(holes.unique().tolist()) == {100, 150, 200}


@pytest.mark.parametrize("change", ["noise", "gamma", "cut_out", "collimation"])
def test_changes_of_grey_levels_are_not_lost_behind_a_rotation_and_a_gamma(change: str) -> None:
    canvas = torch.full((1, 64, 64), 128, dtype=torch.uint8)
    moved = {"flip": 0.0, "brightness": 0.0, "contrast": 0.0, "noise": 0.0, "rotation": 10.0}
    without = create_augment(AugmentRecipe(**moved), 64)
    behind = create_augment(AugmentRecipe(**(moved | {"gamma": 1e-9, change: 0.5 if change == "gamma" else 1.0})), 64)
    first, second = (torch.stack([augment_seeded(a, canvas, seed)[0] for seed in range(8)]) for a in (without, behind))
    assert not torch.equal(first, second)


def test_a_probability_of_none_changes_nothing() -> None:
    canvas = torch.randint(0, 255, (1, 64, 64), dtype=torch.uint8)
    assert torch.equal(augment_seeded(create_augment(chain(), 64), canvas, 1)[0], canvas)
