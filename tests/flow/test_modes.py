"""`train.mode` says what to do with a run, not which run it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from colles.core.errors import OutputExistsError
from colles.core.recipe_text import recipe_from
from colles.flow.model_stages import ModelStages
from colles.flow.run import prepare_workspace
from colles.flow.stages import Stages
from colles.flow.workspace import Workspace


def test_a_folder_may_go_on_in_another_mode_but_not_with_another_recipe(tmp_path: Path) -> None:
    prepare_workspace(recipe_from({}), tmp_path / "out")
    prepare_workspace(recipe_from({}, ["train.mode=skip"]), tmp_path / "out")
    with pytest.raises(OutputExistsError, match=r"different: train\.lr\)"):
        prepare_workspace(recipe_from({}, ["train.mode=skip", "train.lr=0.5"]), tmp_path / "out")


def test_kept_weights_stand_for_the_training_that_made_them(tmp_path: Path) -> None:
    for name in ("catalog.parquet", "split.csv"):
        (tmp_path / name).write_text("as it was")

    def inputs(*overrides: str) -> object:
        return ModelStages(Stages(recipe_from({}, overrides), Workspace(tmp_path), tmp_path)).train_inputs()

    assert inputs("train.mode=skip") == inputs()
    assert inputs("train.mode=quick") != inputs()
