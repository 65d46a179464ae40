"""A perturbation changes as much as it says, leaves shape and type alone, and more where its strength is higher."""

from __future__ import annotations

import numpy as np
import pytest

from colles.core.recipe import RobustnessRecipe
from colles.imaging.perturb import ONE_STRENGTH, PERTURBATIONS, conditions

STRENGTHS = RobustnessRecipe().strengths


@pytest.fixture
def grey(draw) -> np.ndarray:
    return draw(300, 200, 1)


@pytest.mark.parametrize("kind", PERTURBATIONS)
@pytest.mark.parametrize("shape", [(200, 300), (1, 1), (3, 900)])
def test_shape_and_type_stay(draw, kind, shape):
    image = draw(shape[1], shape[0], 0)
    for strength in STRENGTHS:
        found = PERTURBATIONS[kind](image, strength, np.random.default_rng(0))
        assert (found.shape, found.dtype) == (shape, np.uint8)


@pytest.mark.parametrize("kind", sorted(PERTURBATIONS.keys() - ONE_STRENGTH))
def test_stronger_is_further_from_the_image(grey, kind):
    far = [
        np.abs(PERTURBATIONS[kind](grey, s, np.random.default_rng(0)).astype(float) - grey).mean() for s in STRENGTHS
    ]
    assert 0 < far[0] < far[1] < far[2]


@pytest.mark.parametrize("side", [200, 2000])
def test_noise_has_the_same_grain_whatever_the_size(side):
    flat = np.full((side, side), 128, np.uint8)
    found = PERTURBATIONS["noise"](flat, 3, np.random.default_rng(0)).astype(float)
    assert found.mean() == pytest.approx(128, abs=1)
    assert 10 < found.std() <= 21


def test_inversion_twice_is_the_image(grey):
    rng = np.random.default_rng(0)
    assert (PERTURBATIONS["inversion"](PERTURBATIONS["inversion"](grey, 1, rng), 1, rng) == grey).all()


def test_the_image_itself_is_never_written_to(grey):
    before = grey.copy()
    for change in PERTURBATIONS.values():
        change(grey, 3, np.random.default_rng(0))
    assert (grey == before).all()


def test_conditions_name_kind_and_strength():
    assert conditions(("noise", "inversion"), (1, 3)) == [
        ("noise 1", "noise", 1), ("noise 3", "noise", 3), ("inversion", "inversion", 1),
    ]  # fmt: skip
    assert set(RobustnessRecipe().kinds) == set(PERTURBATIONS)
    assert len(conditions(RobustnessRecipe().kinds, STRENGTHS)) == 19
