"""Maps beside those of other trainings: another seed, and labels that were shuffled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_run import TinyRun, make_run
from tiny_training import Data, recipe

from colles.core.errors import InputError
from colles.core.recipe_text import load_recipe, save_recipe
from colles.evaluation.sanity import NO_LABELS, NO_TWIN, judge_labels, judge_trainings, warnings_of
from colles.flow.agreement import compare_twins, open_twin
from colles.flow.explain import Item, look, open_maps
from colles.learning.export import export_bundle
from colles.learning.loaders.datamodule import RadiographDataModule


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return make_run(tmp_path_factory.mktemp("agreement"), images=8)


def shuffled(run: TinyRun) -> None:
    known = load_recipe(run.folder / "recipe.yaml")
    train = known.train.model_copy(update={"random_labels": True})
    save_recipe(known.model_copy(update={"train": train}), run.folder / "recipe.yaml")


def test_labels_and_boxes_are_shuffled_together_and_val_stays(data: Data) -> None:
    settings = recipe("preprocess.size=64")
    plain, mixed = (
        RadiographDataModule(*data, settings.preprocess, train, seed=5, stride=16)
        for train in (settings.train, settings.train.model_copy(update={"random_labels": True}))
    )
    train, val = plain.rows("train"), plain.rows("val")
    assert np.array_equal(plain.labels[val], mixed.labels[val])
    assert not np.array_equal(plain.labels[train], mixed.labels[train])
    assert plain.labels[train].sum() == mixed.labels[train].sum()
    for label, boxes in zip(mixed.labels[train].tolist(), mixed.drawing.boxes, strict=True):
        assert label == 1 or not len(boxes)
    again = RadiographDataModule(
        *data, settings.preprocess, settings.train.model_copy(update={"random_labels": True}), seed=5
    )
    assert np.array_equal(again.labels, mixed.labels)


def test_a_network_of_shuffled_labels_is_never_exported(tmp_path: Path) -> None:
    made = make_run(tmp_path, images=8)
    shuffled(made)
    with pytest.raises(InputError, match="shuffled labels"):
        export_bundle(
            made.folder, tmp_path / "bundle", evaluation=None, catalog=made.catalog, recipe=made.recipe.export
        )
    assert not (tmp_path / "bundle").exists()


def test_a_twin_that_is_the_same_network_agrees_and_shuffled_labels_then_condemn(run: TinyRun, tmp_path: Path) -> None:
    items = [Item(Path(str(row["path"])), str(row["image_id"])) for row in run.catalog.frame.iter_rows(named=True)]
    own = list(look(open_maps(run.folder, ["gradcam"]), items))
    same = open_twin(run.folder, ["gradcam"])
    assert not same.random_labels
    found = compare_twins(["gradcam"], own, [same])["gradcam"]
    assert set(found) == {"trainings"} and found["trainings"]["passed"]
    assert found["trainings"]["correlation"] == pytest.approx(1) and found["trainings"]["same_place"] == 1
    copy = make_run(tmp_path, images=8)  # the same weights, said to come from shuffled labels
    shuffled(copy)
    twin = open_twin(copy.folder, ["gradcam"])
    assert twin.random_labels
    assert open_twin(copy.folder / "checkpoints" / "best.safetensors", ["gradcam"]).random_labels
    checks = compare_twins(["gradcam"], own, [twin])["gradcam"]
    assert not checks["labels"]["passed"] and warnings_of(checks) == [NO_LABELS]
    copy.folder.rename(tmp_path / "train")
    assert open_twin(tmp_path, ["gradcam"]).random_labels


def test_networks_of_other_sizes_are_compared_on_the_image(run: TinyRun, tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 60), dtype=np.uint8)).save(tmp_path / "x.png")
    larger = make_run(tmp_path / "larger", images=4, preprocess=run.recipe.preprocess.model_copy(update={"size": 128}))
    items = [Item(tmp_path / "x.png"), Item(tmp_path / "missing.png")]
    names = ["input_gradient"]
    own = list(look(open_maps(run.folder, names), items))
    found = compare_twins(names, own, [open_twin(larger.folder, names)])["input_gradient"]["trainings"]
    assert found["images"] == 1 and -1 <= found["correlation"] <= 1


def test_a_method_that_the_twin_has_not_is_left_out(run: TinyRun) -> None:
    items = [Item(Path(str(run.catalog.frame["path"][0])))]
    names = ["gradcam", "layercam"]
    own = list(look(open_maps(run.folder, names), items))
    found = compare_twins(names, own, [open_twin(run.folder, ["gradcam"])])
    assert found["layercam"] == {} and "trainings" in found["gradcam"]


def test_verdicts_by_hand() -> None:
    low, high = np.array([0.1, 0.3]), np.array([0.9, 0.7])
    assert judge_labels(low, 1)["passed"] and not judge_labels(high, 1)["passed"]
    near = judge_trainings(np.concatenate([high, low]), np.array([0.0, 0.05, 0.07, 1.0]), 0.0625, 2)
    assert near["passed"] and near["same_place"] == 0.5 and near["images"] == 2 and near["peak_distance"] == 0.06
    assert warnings_of({"trainings": judge_trainings(low, np.zeros(2), 0.0625, 1)}) == [NO_TWIN]
