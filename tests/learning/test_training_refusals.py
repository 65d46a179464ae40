"""Settings and files that a training refuses in one line, or takes as they are meant."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import polars as pl
import pytest
from tiny_training import Data, recipe

from colles.core.errors import (
    BundleError,
    InputError,
    MissingInputError,
    RecipeError,
    StaleInputError,
    TableError,
    TrainingError,
)
from colles.core.files import read_json
from colles.core.recipe_text import load_recipe, recipe_from
from colles.datasets.split import make_split
from colles.learning.checkpoint import describe_model, load_classifier, save_checkpoint
from colles.learning.cluster import placed
from colles.learning.loaders.datamodule import RadiographDataModule
from colles.learning.models import create_model
from colles.learning.training import train
from colles.learning.training.callbacks import KeepBest
from colles.learning.training.inputs import BEST, NAME, assert_same_division, read_inputs
from colles.learning.training.module import running_mean
from colles.learning.training.teachers import load_teachers
from colles.learning.training.two_stages import TwoStages

pytestmark = pytest.mark.filterwarnings("ignore")


def test_kept_weights_are_not_scored_on_another_division(data: Data, tmp_path: Path) -> None:
    """Images that they had learned from became test images, and the recipe said what had never trained them."""
    catalog, split = data
    run = train(catalog, split, recipe("train.lr=2e-3"), tmp_path / "run")
    train(catalog, split, recipe("train.mode=skip", "train.lr=0.5", "evaluate.level=0.9"), run)
    kept = load_recipe(run / "recipe.yaml")
    assert (kept.train.lr, kept.train.mode, kept.evaluate.level) == (2e-3, "full", 0.9)
    other = make_split(catalog, recipe("split.seed=1").split)
    with pytest.raises(StaleInputError, match="another split: images that they learned from could be in test"):
        train(catalog, other, recipe("train.mode=skip"), run)


def test_a_class_whose_files_are_all_broken_stops_the_training_before_it_begins(data: Data, tmp_path: Path) -> None:
    """Without a readable fracture in val the figures were NaN, and the training ended in a ValueError."""
    catalog, split = data
    gone = pl.col("image_id").is_in(split.subset("val")) & (pl.col("label") == 1)
    path = pl.when(gone).then(pl.lit(str(tmp_path / "gone.png"))).otherwise(pl.col("path"))
    with pytest.raises(InputError, match=r"val holds no fractured image.*files are broken"):
        train(catalog.with_columns(path=path), split, recipe("train.max_bad_share=1.0"), tmp_path / "run")


def test_a_running_mean_travels_to_processes_that_are_started_anew() -> None:
    mean = running_mean(create_model(recipe().model, recipe().preprocess), 0.9)
    assert pickle.loads(pickle.dumps(mean.multi_avg_fn)).args == (0.9,)


def test_sizes_grow_over_the_epochs_that_there_are(data: Data, tmp_path: Path) -> None:
    """Epochs of the head that random weights do not have were taken off, so the last size was never reached."""
    settings = recipe("train.head_epochs=4", "train.epochs=4", "train.progressive=[32, 64]", "preprocess.size=64")
    module = RadiographDataModule(*data, settings.preprocess, settings.train, seed=0)
    model = create_model(settings.model, settings.preprocess)
    model.pretrained = False
    stages = TwoStages(model, module, settings, tmp_path, "cpu")
    stages._fit_stage = lambda *_, **__: None  # type: ignore[method-assign]
    stages.fit()
    sizes = []
    for module.epoch in range(4):
        sizes.append(module.training_size())
    assert sizes == [32, 32, 64, 64]


def test_a_network_of_one_size_does_not_grow_and_teaches_its_own_alone(data: Data, tmp_path: Path) -> None:
    simple = ("model.name=simple_cnn", "train.head_epochs=0", "train.epochs=1")
    with pytest.raises(RecipeError, match="simple_cnn takes images of one size"):
        recipe(*simple, "train.progressive=[32, 64]")
    run = train(*data, recipe(*simple), tmp_path / "teacher")
    larger = recipe("preprocess.size=64").preprocess
    with pytest.raises(RecipeError, match=r"another preprocess\.size"):
        load_teachers([str(run)], larger, prior_shift=0.0)
    with pytest.raises(RecipeError, match=r"another preprocess\.size"):  # failed at the first image of 64 pixels
        load_teachers([str(run)], recipe().preprocess, prior_shift=0.0, sizes=[32, 64])


@pytest.mark.slow
def test_a_teacher_that_was_trained_anew_is_another_one(data: Data, tmp_path: Path) -> None:
    """Inputs held its path alone, so a training went on with another teacher."""
    teacher = train(*data, recipe("train.head_epochs=0", "train.epochs=1"), tmp_path / "teacher")
    taught = recipe(f"train.teachers=[{teacher}]", "train.head_epochs=0", "train.epochs=1")
    pupil = train(*data, taught, tmp_path / "pupil")
    train(*data, taught, pupil, resume=True)
    assert len(read_json(pupil / "checkpoints" / NAME)["contents"]) == 1
    for file in (teacher / "checkpoints").iterdir():
        file.unlink()
    train(*data, taught, pupil, resume=True)  # finished: nobody asks for the teacher
    train(*data, recipe("train.head_epochs=0", "train.epochs=1", "seed=5"), tmp_path / "again")
    (teacher / "checkpoints").rmdir()
    (tmp_path / "again" / "checkpoints").rename(teacher / "checkpoints")
    with pytest.raises(StaleInputError, match=r"another network at train\.teachers"):
        train(*data, taught, pupil, resume=True)


@pytest.mark.slow
def test_killed_after_it_stopped_early_a_training_does_not_go_on(data: Data, tmp_path: Path) -> None:
    """Lightning forgets that it had stopped, and trained another epoch."""
    settings = recipe("train.head_epochs=0", "train.epochs=9", "train.patience=1", "train.lr=1e-9")
    run = train(*data, settings, tmp_path / "run")
    epochs = pl.read_csv(run / "metrics.csv").height
    assert epochs < 9
    (run / "checkpoints" / "finished.json").unlink()
    train(*data, settings, run, resume=True)
    assert pl.read_csv(run / "metrics.csv").height == epochs
    assert (run / "checkpoints" / "finished.json").is_file()


def test_networks_are_named_by_absolute_paths_to_workers_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.safetensors").touch()
    moved = placed(recipe("train.teachers=[out/F0]", "model.weights=mine.safetensors"))
    assert moved.train.teachers == (str(tmp_path / "out" / "F0"),)
    assert moved.model.weights == str(tmp_path / "mine.safetensors")
    assert placed(recipe()).model.weights == "none"


def test_a_training_without_an_epoch_is_refused(data: Data, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no epoch is trained"):
        train(*data, recipe("train.epochs=0", "train.head_epochs=0"), tmp_path / "run")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("train.lr=[", "is no value in YAML"),
        ("train.augment={preset: [a]}", "unknown augmentation"),
        ("train.augment.scale=[2, 1]", "smallest factor above 0"),
        ("train.augment.scale=[0, 0]", "smallest factor above 0"),
        ("seed=-1", "seed"),
        ("train.lr=1e300", r"train\.lr: must be a number of at most 1e18\. It is 1e\+300 now"),
        ("train.augment.scale=[0.5, 1e300]", r"train\.augment\.scale: must be a number of at most 1e18"),
        ("train.seeds=1000000000", r"train\.seeds: .* less than or equal to 1000"),
        ("train.folds=1000000000", r"train\.folds: .* less than or equal to 1000"),
        ("train={lr: 1, lr: 2}", "is no value in YAML"),
        ("name=2025-02-30", "is no value in YAML"),
        (f"train.lr={'[' * 600}", "is no value in YAML"),
        ("train.threads=1000000000", r"train\.threads: .* less than or equal to 1024"),
    ],
)
def test_slips_that_ended_in_a_defect(setting: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        recipe_from({}, [setting])


def test_seeds_that_count_on_beyond_the_largest_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"train\.seeds counts on from seed, of which 4294967295 is the largest"):
        recipe_from({"seed": 2**32 - 1, "train": {"seeds": 2}})


def test_a_network_of_windows_met_a_size_that_does_not_fit_in_the_middle_of_its_training(
    data: Data, tmp_path: Path
) -> None:
    """It ended at the first image of the second size, by an assertion of timm's."""
    sizes = ("preprocess.size=160", "train.progressive=[160, 128]", "train.head_epochs=0")
    with pytest.raises(RecipeError, match=r"train\.progressive: timm:test_maxvit takes no images of 128 pixels"):
        train(*data, recipe("model.name=timm:test_maxvit", *sizes), tmp_path / "run")


def test_a_finished_training_without_its_weights_named_no_way_out(data: Data, tmp_path: Path) -> None:
    run = train(*data, recipe("train.epochs=0"), tmp_path / "run")
    for name in reversed(BEST):
        (run / "checkpoints" / name).unlink()
        repair = rf"{name}: no such file\. Copy it back, or train into another folder"
        with pytest.raises(MissingInputError, match=repair):
            train(*data, recipe("train.epochs=0"), run, resume=True)


def test_the_state_of_another_network_ended_in_a_list_of_its_tensors(data: Data, tmp_path: Path) -> None:
    runs = [
        train(*data, recipe("train.epochs=0", f"model.name=timm:{name}"), tmp_path / name)
        for name in ("test_resnet", "test_efficientnet")
    ]
    shutil.copy(*(run / "checkpoints" / "resume_head.ckpt" for run in runs))
    (runs[1] / "checkpoints" / "finished.json").unlink()
    with pytest.raises(StaleInputError, match=r"another network's\. Resume with the versions it began with"):
        train(*data, recipe("train.epochs=0"), runs[1], resume=True)


def test_a_preset_by_name_can_be_changed_from_the_command_line() -> None:
    changed = recipe_from({"train": {"augment": "strong"}}, ["train.augment.rotation=5"]).train.augment
    assert changed.rotation == 5 and changed.cut_out == 0.2


def test_a_batch_of_one_small_image_ended_in_torchs_words(data: Data, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"train\.batch_size: a batch of one image of so few pixels"):
        train(*data, recipe("train.batch_size=1", "train.head_epochs=0", "train.epochs=1"), tmp_path / "run")


@pytest.mark.parametrize("text", ["[1, 2]", "null", '{"contents": [1]}', '{"contents": null}', '{"train": 3}'])
def test_inputs_that_were_edited_by_hand_were_a_defect(text: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(StaleInputError, match=r"inputs\.json: does not say what was trained"):
        read_inputs(tmp_path)


def test_a_network_whose_inputs_were_damaged_passed_for_one_of_other_images(data: Data, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("{")
    (tmp_path / BEST[0]).write_bytes(b"never read")
    with pytest.raises(TableError, match=r"inputs\.json: not valid JSON"):
        assert_same_division(recipe(f"model.weights={tmp_path / BEST[0]}"), data[0].digest, data[1].digest)


@pytest.mark.parametrize("text", ["{}", "[]", '{"val": {"auroc": "high"}}', '{"val": {"loss": 1}}'])
def test_a_best_figure_that_was_edited_by_hand_was_a_defect(text: str, tmp_path: Path) -> None:
    (tmp_path / BEST[1]).write_text(text)
    with pytest.raises(StaleInputError, match=r"best\.json: does not say the best auroc on val"):
        KeepBest(tmp_path, "auroc", {}).recall()


def test_a_shift_that_was_edited_by_hand_was_a_defect(tmp_path: Path) -> None:
    settings = recipe()
    model = create_model(settings.model, settings.preprocess)
    meta = {**describe_model(settings.model, settings.preprocess, model), "prior_shift": "much"}
    with pytest.raises(BundleError, match="does not say which network it is"):
        load_classifier(save_checkpoint(model, tmp_path / "best.safetensors", meta))
