"""Training: deterministic, resumed to the last bit, and stopped with a reason where it cannot go on."""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from tiny_training import broken, recipe

from colles.core.errors import (
    DeviceError,
    InputError,
    OutputExistsError,
    StaleInputError,
    TrainingError,
    UnreadableImageError,
)
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.learning.checkpoint import load_classifier
from colles.learning.training import callbacks, train

pytestmark = pytest.mark.filterwarnings("ignore")


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoints" / "last.safetensors")


def same(first: Path, second: Path) -> bool:
    a, b = weights(first), weights(second)
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_deterministic_mode_does_not_fill_every_tensor_first(
    data: tuple[Catalog, Split], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    train(*data, recipe("train.head_epochs=0", "train.epochs=1"), tmp_path / "run")
    assert not torch.utils.deterministic.fill_uninitialized_memory


class Terminal(StringIO):
    """Text that is kept, of a file that calls itself a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_progress_bar_leaves_standard_output_to_the_result(
    data: tuple[Catalog, Split], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    train(*data, recipe("train.epochs=1"), tmp_path / "run")
    assert capsys.readouterr().out == "" and "Epoch" in terminal.getvalue()


@pytest.mark.slow
def test_a_run_folder_is_complete_and_repeats_to_the_last_bit(data: tuple[Catalog, Split], tmp_path: Path) -> None:
    runs = [train(*data, recipe(), tmp_path / name) for name in ("one", "two")]
    assert same(*runs)
    frame = pl.read_parquet(runs[0] / "predictions.parquet")
    assert frame.equals(pl.read_parquet(runs[1] / "predictions.parquet"))
    expected = {**{i: "val" for i in data[1].subset("val")}, **{i: "test" for i in data[1].subset("test")}}
    assert dict(frame.select("image_id", "subset").iter_rows()) == expected
    metrics = pl.read_csv(runs[0] / "metrics.csv")
    assert metrics["epoch"].to_list() == [0, 1, 2]
    assert metrics["stage"].to_list() == ["head", "all", "all"]
    counts = pl.read_csv(runs[0] / "classes.csv")
    assert counts["epoch"].to_list() == [0, 1, 2]
    for name in ("recipe.yaml", "provenance.json", "bad_files.csv", "samples.png", "checkpoints/best.safetensors"):
        assert (runs[0] / name).is_file()
    model, preprocess = load_classifier(runs[0])
    assert not model.training
    assert preprocess == recipe().preprocess
    assert not same(runs[0], train(*data, recipe("seed=1"), tmp_path / "three"))


@pytest.mark.slow
def test_killed_twice_a_run_ends_in_the_same_weights(
    data: tuple[Catalog, Split], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(*data, recipe(), tmp_path / "whole")
    save, saved = callbacks.SaveState.on_train_epoch_end, []

    def save_and_die(self: Any, *arguments: Any) -> None:
        save(self, *arguments)
        saved.append(1)
        if len(saved) in (1, 2):
            raise RuntimeError("killed")

    monkeypatch.setattr(callbacks.SaveState, "on_train_epoch_end", save_and_die)
    for resume in (False, True):
        with pytest.raises(RuntimeError, match="killed"):
            train(*data, recipe(), tmp_path / "killed", resume=resume)
    killed = train(*data, recipe(), tmp_path / "killed", resume=True)
    assert same(whole, killed)
    columns = ["epoch", "train_loss", "val_auroc"]
    assert (
        pl.read_csv(whole / "metrics.csv").select(columns).equals(pl.read_csv(killed / "metrics.csv").select(columns))
    )


def test_the_head_stage_leaves_the_backbone_alone(data: tuple[Catalog, Split], tmp_path: Path) -> None:
    from colles.learning.models import create_model

    run = train(*data, recipe("train.epochs=0"), tmp_path / "run")
    torch.manual_seed(0)
    import pytorch_lightning as lightning

    lightning.seed_everything(0, verbose=False)
    start = create_model(recipe().model, recipe().preprocess).state_dict()
    end = weights(run)
    assert all(torch.equal(start[key], end[key]) for key in end if key.startswith("backbone."))
    assert not torch.equal(start["head.weight"], end["head.weight"])


def test_existing_runs_are_kept_and_strangers_refused(data: tuple[Catalog, Split], tmp_path: Path) -> None:
    catalog, split = data
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "checkpoints" / "best.json").touch()
    with pytest.raises(OutputExistsError):
        train(catalog, split, recipe(), tmp_path / "run")
    fewer = catalog.where(pl.col("image_id") != catalog.frame["image_id"][0])
    with pytest.raises(StaleInputError):
        train(fewer, split, recipe(), tmp_path / "other")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_is_asked_for_where_there_is_none(data: tuple[Catalog, Split], tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="no CUDA device"):
        train(*data, recipe("train.device=cuda"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_diverging_loss_stops_with_the_step_and_keeps_the_last_good_weights(
    data: tuple[Catalog, Split], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from colles.learning.training.module import ClassifierModule

    loss = ClassifierModule.loss

    def diverge(self: ClassifierModule, *arguments: Any) -> torch.Tensor:
        found = loss(self, *arguments)
        return found * float("nan") if self.run_epoch == 1 else found

    monkeypatch.setattr(ClassifierModule, "loss", diverge)
    with pytest.raises(TrainingError, match="step 0 of epoch 1"):
        train(*data, recipe(), tmp_path / "run")
    assert all(torch.isfinite(value).all() for value in weights(tmp_path / "run").values())


def test_a_file_that_breaks_later_is_listed_and_survived(data: tuple[Catalog, Split], tmp_path: Path) -> None:
    catalog, split = broken(data, tmp_path, 1)
    run = train(catalog, split, recipe("train.epochs=0"), tmp_path / "run")
    listed = pl.read_csv(run / "bad_files.csv")
    assert listed["image_id"].to_list() == split.subset("train")[:1]


def test_strict_reading_stops_at_the_first_broken_file(data: tuple[Catalog, Split], tmp_path: Path) -> None:
    catalog, split = broken(data, tmp_path, 1)
    with pytest.raises(UnreadableImageError, match=r"gone\.png"):
        train(catalog, split, recipe("train.strict=true"), tmp_path / "strict")


def test_too_many_broken_files_stop(data: tuple[Catalog, Split], tmp_path: Path) -> None:
    catalog, split = broken(data, tmp_path, 6)
    with pytest.raises(TrainingError, match="6 of 48 files are broken"):
        train(catalog, split, recipe(), tmp_path / "many")


def test_equal_file_names_in_two_class_folders_are_two_radiographs(data: tuple[Catalog, Split]) -> None:
    from colles.learning.loaders.datamodule import RadiographDataModule

    catalog = data[0].with_columns(base_name=pl.lit("001"))
    settings = recipe("train.sampler=plain")
    module = RadiographDataModule(catalog, data[1], settings.preprocess, settings.train, seed=0)
    module.train_dataloader()
    assert len(module.drawn) == len(data[1].subset("train"))


def test_a_subset_without_a_class_is_an_error(data: tuple[Catalog, Split], tmp_path: Path) -> None:
    catalog, split = data
    fractured = catalog.frame.filter(pl.col("label") == 1)["image_id"].to_list()
    without = split.frame.filter(~((pl.col("subset") == "val") & pl.col("image_id").is_in(fractured)))
    with pytest.raises(InputError, match="val holds no fractured image"):
        train(catalog, Split(without, split.summary), recipe(), tmp_path / "run")
