"""What an interrupted training must not lose or mix up."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import pytorch_lightning as lightning
import torch
from safetensors.torch import load_file
from tiny_training import Data, broken, recipe

from colles.core.errors import InputError, OutputExistsError, StaleInputError, StorageError, TrainingError
from colles.core.files import alone
from colles.learning.training import callbacks, train
from colles.learning.training.module import ClassifierModule
from colles.learning.training.state import read_state

pytestmark = pytest.mark.filterwarnings("ignore")


def stop_after(monkeypatch: pytest.MonkeyPatch, epochs: int, error: BaseException) -> None:
    """Raise `error` once, when `epochs` epochs have been saved."""
    save, saved = callbacks.SaveState.on_train_epoch_end, []

    def save_and_stop(self: Any, *arguments: Any) -> None:
        save(self, *arguments)
        saved.append(1)
        if len(saved) == epochs:
            raise error

    monkeypatch.setattr(callbacks.SaveState, "on_train_epoch_end", save_and_stop)


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["plateau", "onecycle"])
def test_the_schedule_goes_on_where_it_stopped(
    scheduler: str, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The monitored figure never improves, so a plateau lowers the rate with every epoch.
    settings = recipe(f"train.scheduler={scheduler}", "train.epochs=4", "train.plateau_patience=0")
    monkeypatch.setattr("colles.learning.training.module.roc_auc_score", lambda *_: 0.5)
    whole = train(*data, settings, tmp_path / "whole")
    rates = pl.read_csv(whole / "metrics.csv")["lr"].to_list()
    assert len(set(rates[1:])) >= 3
    stop_after(monkeypatch, 3, RuntimeError("killed"))
    with pytest.raises(RuntimeError, match="killed"):
        train(*data, settings, tmp_path / "killed")
    killed = train(*data, settings, tmp_path / "killed", resume=True)
    assert pl.read_csv(killed / "metrics.csv")["lr"].to_list() == rates
    first, second = (load_file(run / "checkpoints" / "last.safetensors") for run in (whole, killed))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.slow
def test_an_interrupt_reaches_the_caller_and_the_next_one_still_can(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGINT)
    stop_after(monkeypatch, 2, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        train(*data, recipe(), tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is before
    run = train(*data, recipe(), tmp_path / "run", resume=True)
    assert pl.read_csv(run / "metrics.csv")["epoch"].to_list() == [0, 1, 2]


@pytest.mark.slow
def test_another_recipe_does_not_go_on_with_this_training(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(monkeypatch, 1, RuntimeError("killed"))
    with pytest.raises(RuntimeError, match="killed"):
        train(*data, recipe(), tmp_path / "run")
    for change in ("train.lr=0.5", "seed=3", "model.name=timm:test_resnet"):
        with pytest.raises(StaleInputError, match=change.split("=")[0]):
            train(*data, recipe(change), tmp_path / "run", resume=True)
    train(*data, recipe("train.workers=1"), tmp_path / "run", resume=True)


def test_a_broken_file_is_no_example_of_any_epoch(data: Data, tmp_path: Path) -> None:
    whole = recipe("train.epochs=0", "train.sampler=plain", "train.batch_size=64")
    run = train(*broken(data, tmp_path, 2), whole, tmp_path / "run")
    shown = pl.read_csv(run / "classes.csv").row(0, named=True)
    assert shown["positives"] + shown["negatives"] == len(data[1].subset("train")) - 2


def test_a_folder_that_was_away_is_read_when_it_is_back(data: Data, tmp_path: Path) -> None:
    with pytest.raises(TrainingError):
        train(*broken(data, tmp_path, 6), recipe(), tmp_path / "away")
    run = train(*data, recipe("train.epochs=0"), tmp_path / "back")
    assert pl.read_csv(run / "bad_files.csv").is_empty()


def test_weights_that_burst_at_the_last_step_stop_with_a_reason(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def burst(self: ClassifierModule, *_: Any) -> None:
        if self.run_epoch == 1:
            torch.nn.init.constant_(self.model.head.bias, float("nan"))

    monkeypatch.setattr(ClassifierModule, "on_validation_start", burst)
    with pytest.raises(TrainingError, match="epoch 1"):
        train(*data, recipe(), tmp_path / "run")
    kept = load_file(tmp_path / "run" / "checkpoints" / "last.safetensors")
    assert all(torch.isfinite(value).all() for value in kept.values())


@pytest.mark.slow
def test_a_full_disk_while_the_cache_is_written_is_one_line(data: Data, tmp_path: Path) -> None:
    pytest.importorskip("resource")
    script = f"""
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pathlib import Path
from colles.core.errors import StorageError
from colles.core.recipe import PreprocessRecipe
from colles.core.records import Radiograph
from colles.learning.loaders.cache import load_canvases
rows = [Radiograph(image_id=str(n), source="s", path="gone") for n in range(40)]
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    load_canvases(rows, PreprocessRecipe(size=64), Path({str(tmp_path)!r}) / "cache")
except StorageError:
    sys.exit(7)
"""
    done = subprocess.run([sys.executable, "-c", script], env=os.environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 7, done.stderr
    assert not [path for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock"]


def test_two_trainings_in_one_folder_wrote_over_each_others_weights(data: Data, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with alone(run / "checkpoints", "training"), pytest.raises(OutputExistsError, match="another training is running"):
        train(*data, recipe(), run, resume=True)
    assert not (run / "recipe.yaml").exists()


def test_a_state_that_found_no_room_was_said_to_lie_in_tmp_and_stayed_half_written(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(self: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp/of-a-library")

    monkeypatch.setattr(lightning.Trainer, "save_checkpoint", fill)
    with pytest.raises(StorageError, match=r"resume_head\.ckpt: cannot write"):
        train(*data, recipe("train.epochs=0"), tmp_path / "run")
    assert not list((tmp_path / "run" / "checkpoints").glob("*.partial"))


@pytest.mark.parametrize("left", [0, 10, 300])
def test_a_damaged_state_ended_in_torchs_words(tmp_path: Path, left: int) -> None:
    file = tmp_path / "resume_all.ckpt"
    torch.save({"epoch": 1, "callbacks": {}}, file)
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(InputError, match=r"resume_all\.ckpt: the state to go on from is damaged\. Copy it again, or"):
        read_state(file)


@pytest.mark.parametrize("content", [{"epoch": 1, "callbacks": {}, "weights": torch.zeros(3000)}, {"epoch": 1}, [1]])
def test_a_state_cut_in_the_middle_was_called_an_invalid_argument_and_another_file_a_defect(
    tmp_path: Path, content: Any
) -> None:
    file = tmp_path / "resume_all.ckpt"
    torch.save(content, file)
    if "weights" in content:
        file.write_bytes(file.read_bytes()[:6000])
    with pytest.raises(InputError, match="the state to go on from is damaged"):
        read_state(file)


@pytest.mark.parametrize(
    ("saved", "epochs"),
    [("\ufeffepoch,loss\n0,0.7\n", ["0", "1"]), ("epoch;loss\n0;0.7\n", ["1"]), ("epoch,loss\n0,0.7\n,\n", ["1"])],
    ids=["a mark", "semicolons", "an empty row"],
)
def test_a_log_that_a_spreadsheet_saved_ended_the_training(tmp_path: Path, saved: str, epochs: list[str]) -> None:
    file = tmp_path / "metrics.csv"
    file.write_text(saved, encoding="utf-8")
    callbacks._append(file, {"epoch": 1, "loss": 0.6})
    assert [line.split(",")[0] for line in file.read_text().splitlines()] == ["epoch", *epochs]
    aside = tmp_path / "metrics.unreadable.csv"
    assert aside.exists() == (len(epochs) == 1)
    assert not aside.exists() or aside.read_text() == saved
