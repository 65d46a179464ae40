"""`train.mode` says what to do with a run, not which run it is."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from colles.core.errors import OutputExistsError
from colles.core.recipe_text import recipe_from
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split, split_digest
from colles.flow.model_stages import ModelStages
from colles.flow.run import prepare_workspace
from colles.flow.stages import Stages
from colles.flow.workspace import Workspace


def test_a_folder_may_go_on_in_another_mode_but_not_with_another_recipe(tmp_path: Path) -> None:
    prepare_workspace(recipe_from({}), tmp_path / "out")
    prepare_workspace(recipe_from({}, ["train.mode=skip"]), tmp_path / "out")
    with pytest.raises(OutputExistsError, match=r"different: train\.lr\)"):
        prepare_workspace(recipe_from({}, ["train.mode=skip", "train.lr=0.5"]), tmp_path / "out")


def test_kept_weights_are_not_taken_for_the_training_that_a_recipe_asks_for(tmp_path: Path) -> None:
    """After a quick look and `skip` a full training counted as done."""
    assert train_inputs(tmp_path, "train.mode=skip") != train_inputs(tmp_path)
    assert train_inputs(tmp_path, "train.mode=quick") != train_inputs(tmp_path)


def test_neither_another_place_of_the_images_nor_another_speed_trains_anew(tmp_path: Path) -> None:
    """Moved images and train.threads=2 had hours of training done again."""
    before = train_inputs(tmp_path)
    assert train_inputs(tmp_path, "train.threads=2", "train.workers=1", "train.device=cpu") == before
    assert train_inputs(tmp_path, place="/moved") == before
    assert train_inputs(tmp_path, "train.lr=0.5") != before
    assert train_inputs(tmp_path, label=0) != before


def test_maps_and_figures_are_made_again_where_the_catalog_changed(tmp_path: Path) -> None:
    for name in ("train/checkpoints/best.safetensors", "train/predictions.parquet", "evaluation/evaluation.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("as it was")
    made = ModelStages(Stages(recipe_from({}), Workspace(tmp_path), tmp_path))
    train_inputs(tmp_path)
    before = made.explain_inputs(), made.evaluate_inputs()
    train_inputs(tmp_path, place="/moved")
    assert (made.explain_inputs() != before[0], made.evaluate_inputs() != before[1]) == (True, True)


def test_a_bundle_is_made_again_where_name_or_words_of_a_source_changed(tmp_path: Path) -> None:
    """Both were left as they had been, in bundle and card."""
    for name in ("train/checkpoints/best.safetensors", "evaluation/evaluation.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("as it was")

    def inputs(**values: object) -> object:
        return ModelStages(Stages(recipe_from(values), Workspace(tmp_path), tmp_path)).export_inputs()

    source = {"kind": "folder", "path": "mine"}
    assert inputs(name="a") == inputs(name="a", data={"sources": []})
    assert inputs(name="a") != inputs(name="b")
    assert inputs(data={"sources": [source]}) != inputs(data={"sources": [source | {"about": "CC0"}]})


def train_inputs(folder: Path, *overrides: str, place: str = "/images", label: int = 1) -> object:
    rows = [{"image_id": "a", "source": "s", "path": f"{place}/a.png", "label": label, "group_id": "a", "status": "ok"}]
    Catalog.of(pl.DataFrame(rows)).save(folder / "catalog.parquet")
    table = pl.DataFrame({"image_id": ["a"], "group_id": ["a"], "subset": ["train"]})
    Split(table, {"catalog_digest": "c", "split_digest": split_digest(table)}).save(folder / "split.csv")
    return ModelStages(Stages(recipe_from({}, overrides), Workspace(folder), folder)).train_inputs()


def test_what_later_stages_and_people_read_is_missed_where_it_is_deleted(tmp_path: Path) -> None:
    """Without bundle/model.onnx, results/ or a phantom's folder a run was called current."""
    recipe = recipe_from({"data": {"phantom": {}}, "organize": {"enabled": True}})
    stages = Stages(recipe, Workspace(tmp_path), tmp_path).all
    outputs = {stage.name: {path.relative_to(tmp_path).as_posix() for path in stage.outputs} for stage in stages}
    assert outputs["phantom"] >= {"phantom/FracAtlas", "phantom/bonefractureyolo"}
    assert outputs["organize"] >= {"data/combined", "data/combined_organized"}
    assert outputs["train"] >= {"train/checkpoints/best.safetensors", "train/recipe.yaml"}
    assert outputs["export"] >= {"bundle/model.onnx", "bundle/model.safetensors", "bundle/MODEL_CARD.md"}
    assert "results" in outputs["report"]
