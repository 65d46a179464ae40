"""The space of a search: every mistake is found before the first trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sweep_trials import sweep_recipe
from tiny_training import Data

from colles.core.errors import RecipeError
from colles.learning.sweep.space import decode, encode, point_recipe, read_space
from colles.learning.sweep.trial import SweepJob


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({}, "nothing to search"),
        ({"train.learning_rate": [1, 2]}, "unknown parameter 'train.learning_rate'"),
        ({"train.lrr": [1e-3, 1e-4]}, r"unknown parameter 'train.lrr'. Did you mean 'train.lr'"),
        ({"train.augment.rotatoin": [1, 2]}, r"Did you mean 'train.augment.rotation'"),
        ({"split.seed": [1, 2]}, "'split' cannot be searched"),
        ({"seed": [1, 2]}, "'seed' cannot be searched"),
        ({"train.sampler": ["plain", "wieghted"]}, r"'wieghted' is refused: train.sampler"),
        ({"train.sampler": ["plain"]}, "fewer than two different choices"),
        ({"train.sampler": {"low": 0, "high": 1}}, "a range of a setting that is no number"),
        ({"train.batch_size": {"low": 0, "high": 8}}, r"0 is refused: train.batch_size"),
        ({"train.batch_size": {"low": 1.5, "high": 8}}, "not a whole number"),
        ({"train.seeds": [1, 3]}, "'train.seeds' cannot be searched: it decides what a trial is"),
        ({"train.monitor": ["auroc", "loss"]}, "'train.monitor' cannot be searched"),
    ],
)
def test_a_space_that_no_recipe_could_take(space: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        read_space(sweep_recipe(space=space))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"low": 2, "high": 1}, "low must be below high"),
        ({"low": 0, "high": 1, "log": True}, "log needs low above 0"),
        ({"low": 0, "high": 1, "step": 5}, "step must fit between low and high"),
    ],
)
def test_a_range_that_is_none(given: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        sweep_recipe(space={"train.lr": given})


def test_a_step_from_end_to_end_was_larger_than_the_range_by_the_last_digit() -> None:
    (space,) = read_space(sweep_recipe(space={"model.dropout": {"low": 0.1, "high": 0.3, "step": 0.2}}))
    assert space.step == 0.2


def test_the_setting_says_whether_numbers_are_whole() -> None:
    space = {"train.weight_decay": {"low": 0, "high": 1}, "train.batch_size": {"low": 8, "high": 64, "step": 8}}
    whole, decimal = read_space(sweep_recipe(space=space))
    assert (whole.name, whole.kind, whole.step) == ("train.batch_size", "int", 8)
    assert (decimal.kind, decimal.low, decimal.high) == ("float", 0.0, 1.0)


def test_a_preset_stands_for_a_whole_section() -> None:
    """It was laid under what the recipe already held, so that every preset was the same."""
    given = sweep_recipe(space={"train.augment": [{"preset": "none"}, {"preset": "strong"}]})
    none, strong = (
        point_recipe(given, {"train.augment": {"preset": name}}).train.augment for name in ("none", "strong")
    )
    assert (none.rotation, none.flip) == (0, 0) and strong.cut_out == 0.2


def test_a_trial_is_one_training_whatever_a_section_says() -> None:
    given = sweep_recipe(space={"train": [{"seeds": 3, "lr": 0.1}, {"lr": 0.2}]})
    made = point_recipe(given, {"train": {"seeds": 3, "lr": 0.1}}).train
    assert (made.seeds, made.lr) == (1, 0.1)


def test_a_whole_section_may_vary_as_one() -> None:
    networks = [{"name": "simple_cnn", "weights": "none"}, {"name": "timm:test_resnet"}]
    given = sweep_recipe(space={"model": networks, "preprocess.size": [32, 64]})
    parameters = read_space(given)
    stored = {"model": encode(networks[1]), "preprocess.size": 64}
    point = decode(parameters, stored)
    made = point_recipe(given, point)
    assert (made.model.name, made.model.weights, made.preprocess.size) == ("timm:test_resnet", "none", 64)
    assert made.model.dropout == given.model.dropout
    assert made.train.monitor == given.sweep.objective
    assert made.sweep.space == {}


def test_a_preset_and_one_of_its_settings_vary_together() -> None:
    """Bug: each trial that drew the preset by its name failed."""
    recipe = sweep_recipe(space={"train.augment": ["none", "strong"], "train.augment.rotation": {"low": 0, "high": 20}})
    read_space(recipe)
    found = point_recipe(recipe, {"train.augment.rotation": 7.5, "train.augment": "strong"}).train.augment
    assert (found.rotation, found.cut_out) == (7.5, 0.2)


@pytest.mark.parametrize("setting", ["train.processes=2", "train.engine=ray"])
def test_a_trial_is_one_process(data: Data, tmp_path: Path, setting: str) -> None:
    """Bug: a trial that the search stopped was written down as failed."""
    recipe = sweep_recipe(setting, space={"train.lr": [1e-3, 1e-4]})
    with pytest.raises(RecipeError, match="a trial is one process"):
        SweepJob.create(*data, recipe, tmp_path)


def test_a_search_that_trains_nothing_tried_every_trial() -> None:
    with pytest.raises(RecipeError, match=r"train\.mode: a trial has no weights to keep"):
        read_space(sweep_recipe("train.mode=skip"))
