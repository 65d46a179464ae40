"""A stage is skipped only where nothing that it reads has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from colles.core.errors import OutputExistsError
from colles.core.recipe import Recipe, TrainRecipe
from colles.flow.model_stages import set_aside
from colles.flow.run import prepare_workspace, refuse_strangers, run_stages
from colles.flow.stage import Stage
from colles.flow.workspace import Ledger


def stage(tmp_path: Path, value: object, made: list[bool], *, fail: bool = False) -> Stage:
    output = tmp_path / "output.txt"

    def make(resume: bool) -> None:
        made.append(resume)
        if fail:
            raise KeyboardInterrupt
        output.write_text(str(value))

    return Stage("thing", lambda: value, (output,), make)


def test_a_current_stage_is_skipped_and_a_changed_one_runs(tmp_path: Path) -> None:
    made: list[bool] = []
    reasons = []
    for value in (1, 1, 2, 2):
        result = run_stages([stage(tmp_path, value, made)], Ledger(tmp_path / "state.json"))
        reasons.append((result[0].ran, result[0].reason))
    assert reasons == [
        (True, "not done yet"),
        (False, "its inputs have not changed"),
        (True, "its inputs changed"),
        (False, "its inputs have not changed"),
    ]
    assert made == [False, False]


def test_a_missing_output_is_made_again(tmp_path: Path) -> None:
    made: list[bool] = []
    run_stages([stage(tmp_path, 1, made)], Ledger(tmp_path / "state.json"))
    (tmp_path / "output.txt").unlink()
    result = run_stages([stage(tmp_path, 1, made)], Ledger(tmp_path / "state.json"))
    assert result[0].reason == "output.txt is missing"
    assert len(made) == 2


def test_an_interrupted_stage_is_resumed_only_with_the_same_inputs(tmp_path: Path) -> None:
    made: list[bool] = []
    for value in (1, 1, 2):
        with pytest.raises(KeyboardInterrupt):
            run_stages([stage(tmp_path, value, made, fail=True)], Ledger(tmp_path / "state.json"))
    assert made == [False, True, False]


@pytest.mark.parametrize("text", ["{ half", "[1, 2]", '"abc"', '{"stages": "abc"}', '{"stages": {"thing": 3}}'])
def test_a_damaged_ledger_only_means_that_stages_run_again(tmp_path: Path, text: str) -> None:
    made: list[bool] = []
    run_stages([stage(tmp_path, 1, made)], Ledger(tmp_path / "state.json"))
    (tmp_path / "state.json").write_text(text)
    run_stages([stage(tmp_path, 1, made)], Ledger(tmp_path / "state.json"))
    assert len(made) == 2


def test_a_folder_with_another_recipes_run_is_refused_by_name_of_what_differs(tmp_path: Path) -> None:
    out = tmp_path / "run"
    prepare_workspace(Recipe(), out)
    prepare_workspace(Recipe(), out)
    other = Recipe(seed=1, train=TrainRecipe(lr=0.5))
    with pytest.raises(OutputExistsError, match=r"different: seed, train\.lr"):
        prepare_workspace(other, out)
    prepare_workspace(other, out, overwrite=True)


def test_a_folder_that_is_no_run_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(OutputExistsError, match="not a run"):
        refuse_strangers(tmp_path)
    with pytest.raises(OutputExistsError, match="is a file"):
        refuse_strangers(tmp_path / "holiday.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_an_earlier_training_is_renamed_never_lost(tmp_path: Path) -> None:
    names = []
    for text in ("a", "b"):
        folder = tmp_path / "train"
        folder.mkdir()
        (folder / text).touch()
        names.append(set_aside(folder).name)
    assert names == ["train.1", "train.2"]
    assert (tmp_path / "train.1" / "a").exists()
    assert (tmp_path / "train.2" / "b").exists()
