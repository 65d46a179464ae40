"""What `run` does before its first stage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from colles.core.errors import CollesError, OutputExistsError, ParityError, RecipeError
from colles.core.files import alone
from colles.core.recipe_text import load_recipe, recipe_from, save_recipe
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.evaluation.results import Evaluation
from colles.flow.model_stages import ModelStages
from colles.flow.run import prepare_data, run
from colles.flow.stages import Stages
from colles.flow.workspace import Ledger, Workspace

MODELS = Path(__file__).parents[2] / "models"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"name": "resnet51"}, "unknown model 'resnet51'. Did you mean 'resnet50'?"),
        ({"weights": "nowhere.safetensors"}, "nowhere.safetensors: no such file"),
        ({"name": "simple_cnn"}, "simple_cnn has no pretrained weights"),
    ],
)
def test_what_would_stop_the_training_is_said_before_anything_is_made(
    tmp_path: Path, model: dict[str, str], message: str
) -> None:
    """It came after the audit, minutes later, in a folder that had to be deleted by hand."""
    recipe = recipe_from({"data": {"phantom": {"images": 40, "size": 64}}, "model": model})
    with pytest.raises(CollesError, match=message.replace("?", r"\?")):
        run(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_teacher_that_is_not_there_is_named_before_anything_is_made(tmp_path: Path) -> None:
    data = {"phantom": {"images": 40, "size": 64}}
    recipe = recipe_from({"data": data, "model": {"weights": "none"}, "train": {"teachers": [str(tmp_path / "gone")]}})
    with pytest.raises(CollesError, match="no trained weights"):
        run(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_recipe_without_a_meaning_of_any_class_is_sent_back_before_anything_is_made(tmp_path: Path) -> None:
    """A starter recipe of unknown names went through catalog and audit, to `no usable image is left`."""
    source = {"kind": "folder", "path": str(tmp_path), "class_map": {"yes": None, "perhaps": None}}
    recipe = recipe_from({"data": {"sources": [source]}})
    with pytest.raises(RecipeError, match=r"no class has a meaning yet\. Say what 'yes', 'perhaps' mean"):
        run(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_second_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    """It went on beside the first and wrote over its files."""
    recipe = recipe_from({"data": {"phantom": {"images": 40, "size": 64}}, "model": {"weights": "none"}})
    with alone(tmp_path, "run"), pytest.raises(OutputExistsError, match="another run is running here"):
        run(recipe, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"sources": [{"kind": "folder", "path": "immages"}]}}, "immages: the source folder is not there"),
        ({"data": {"sources": [{"kind": "folder", "path": ".", "class_map": "map.yaml"}]}}, "map.yaml: no such file"),
        ({"data": {"sources": [{"kind": "folder", "path": "."}], "corrections": "c.csv"}}, "c.csv: no such file"),
        ({"data": {"sources": [{"kind": "folder", "path": "."}]}, "split": {"keep": "s.csv"}}, "s.csv: no such file"),
        ({}, "no data"),
        (
            {"data": {"phantom": {}}, "split": {"test": 0.0}, "robustness": {"enabled": True}},
            "split.test: there is no test image to make worse",
        ),
    ],
)
def test_a_mistyped_path_is_said_before_the_folder_is_bound_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], message: str
) -> None:
    """The mended recipe was refused: the folder already held a run of another."""
    monkeypatch.delenv("COLLES_DATA", raising=False)
    recipe = recipe_from({"model": {"weights": "none"}, **changes})
    with pytest.raises(CollesError, match=message):
        run(recipe, tmp_path / "out", recipe_folder=tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("change", ["model.name=simple_cn", "train.teachers=[gone]"])
def test_a_slip_in_a_changed_recipe_displaces_no_finished_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """The training was set aside, then the network was unknown; going back trained anew."""
    values = {"data": {"phantom": {"images": 40, "size": 64}}, "model": {"weights": "none"}}
    space = Workspace(tmp_path / "out")
    save_recipe(recipe_from(values), space.recipe)
    Ledger(space.state).finish("train", "key", 1.0)
    monkeypatch.setattr("colles.flow.run.run_stages", lambda stages, ledger: [])
    with pytest.raises(CollesError, match=r"unknown model 'simple_cn'|gone: no trained weights"):
        run(recipe_from(values, [change]), space.out, overwrite=True)
    assert load_recipe(space.recipe) == recipe_from(values)


def test_a_run_that_has_its_training_asks_no_more_for_the_weights_that_it_started_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report could not be made again where the starting weights were gone, and each call built the network."""
    recipe = recipe_from({"data": {"phantom": {"images": 40, "size": 64}}, "model": {"weights": "gone.safetensors"}})
    space = Workspace(tmp_path / "out")
    save_recipe(recipe, space.recipe)
    Ledger(space.state).finish("train", "key", 1.0)
    monkeypatch.setattr("colles.flow.run.run_stages", lambda stages, ledger: [])
    assert run(recipe, space.out) == []


def test_a_failed_export_keeps_the_bundle_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: the earlier bundle was deleted before the new one was made, which can fail or be stopped."""

    def fail(*arguments: object, **named: object) -> None:
        raise ParityError("ONNX and the checkpoint differ")

    space = Workspace(tmp_path / "out")
    space.bundle.mkdir(parents=True)
    manifest = shutil.copy(MODELS / "efficientnet-b0" / "manifest.json", space.bundle)
    for kind in (Catalog, Evaluation, Split):
        monkeypatch.setattr(kind, "load", lambda path: None)
    monkeypatch.setattr("colles.learning.export.export_bundle", fail)
    recipe = recipe_from({"data": {"phantom": {"images": 40, "size": 64}}})
    stages = ModelStages(Stages(recipe, space, tmp_path))
    with pytest.raises(ParityError):
        stages.export(resume=False)
    assert Path(manifest).is_file()
    Path(manifest).rename(space.bundle / "half_made.json")  # no bundle: nothing that could be kept
    with pytest.raises(ParityError):
        stages.export(resume=False)
    assert not space.bundle.exists()


def test_what_catalog_and_split_warn_of_is_said_by_run_too(
    tmp_path: Path, write_image: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Images whose patient is unknown, and files that are not there, were named by the single verbs alone."""
    lines = ["path,label,patient_id"]
    for number in range(20):
        write_image(tmp_path / f"{number}.png", seed=number)
        lines.append(f"{number}.png,{number % 2},{'' if number < 3 else number // 2}")
    (tmp_path / "table.csv").write_text("\n".join([*lines, "gone.png,0,99"]))
    sources = [{"kind": "csv", "path": str(tmp_path / "table.csv")}]
    recipe = recipe_from({"data": {"sources": sources, "workers": 1}})
    prepare_data(recipe, tmp_path / "out")
    said = capsys.readouterr().err
    assert "  1 of 21 files are not there, such as " in said
    assert "  3 of 20 images of csv have no patient, such as " in said
    assert f"  1 left out; the reasons are in {tmp_path / 'out' / 'split.json'}" in said
