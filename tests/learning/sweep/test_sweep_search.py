"""A search: on val alone, failed trials kept, bad ones stopped early, and killed ones taken up again."""

from __future__ import annotations

import errno
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sweep_trials import sweep_recipe
from tiny_training import Data

from colles.core.errors import OutputExistsError, StaleInputError, StorageError, TrainingError
from colles.core.recipe_text import load_recipe
from colles.learning.sweep import trial as trial_module
from colles.learning.sweep.logs import SweepLogs
from colles.learning.sweep.search import search
from colles.learning.sweep.trial import StopEarly, SweepJob
from colles.learning.training import callbacks

pytestmark = pytest.mark.filterwarnings("ignore")
FIXED = ("config_id", "params", "best_score", "best_sensitivity", "best_f1_score", "best_auroc", "error", "epochs")
EPOCHS = 3


def table(folder: Path) -> list[dict[str, Any]]:
    """Return what must not differ between two searches of the same recipe."""
    return [{key: entry.values()[key] for key in FIXED} for entry in SweepLogs.read(folder).entries]


class FakeTraining:
    """Train nothing: write a metrics.csv whose figures hang on rate and epoch, and go on where it was stopped."""

    def __init__(self) -> None:
        self.epochs = 0
        self.stop_at: tuple[int, ...] = ()
        self.seen: set[str] = set()

    def __call__(self, job: SweepJob, folder: Path, params: dict[str, Any], report: Callable[..., bool]) -> None:
        if params.get("model.name") == "broken":
            raise RuntimeError("out of memory")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "checkpoints").mkdir(exist_ok=True)
        self.seen |= set(job.split.frame["subset"])
        file = folder / "metrics.csv"
        rows = file.read_text().splitlines() if file.is_file() else []
        header = "val_auroc,val_f1,val_sensitivity_at_specificity_90,seconds"
        for epoch in range(max(0, len(rows) - 1), EPOCHS):
            quality = 1 / (1 + abs(math.log10(params.get("train.lr", 1e-3)) + 3)) + 0.01 * epoch
            rows = [header, *rows[1:], f"{0.9 * quality},{0.5 * quality},{0.7 * quality},1"]
            file.write_text("\n".join(rows))
            stop = report(epoch, 0.9 * quality)
            self.epochs += 1
            if self.epochs in self.stop_at:
                raise KeyboardInterrupt
            if stop:
                raise StopEarly


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeTraining:
    training = FakeTraining()
    monkeypatch.setattr(trial_module, "_train", training)
    return training


@pytest.mark.slow
def test_one_file_a_trial_in_the_practicums_form_and_the_best_as_a_recipe(
    data: Data, tmp_path: Path, fake: FakeTraining
) -> None:
    logs = search(*data, sweep_recipe("sweep.prune=false"), tmp_path)
    files = sorted(tmp_path.glob("results_config_*_*.json"))
    assert [file.name.split("_")[2] for file in files] == ["0", "1", "2"]
    (entry,) = json.loads(files[0].read_text())
    assert entry.keys() >= {"config_id", "params", "best_score", "best_sensitivity", "best_f1_score", "best_auroc"}
    assert entry["error"] is None
    assert entry["seconds"] > 0
    assert set(entry["params"]) == {"train.lr", "train.sampler"}
    metrics = pl.read_csv(tmp_path / "trials" / "0" / "metrics.csv")
    assert entry["best_score"] == entry["best_auroc"] == metrics["val_auroc"].max()
    assert entry["best_sensitivity"] == metrics["val_sensitivity_at_specificity_90"][-1]
    assert entry["best_f1_score"] == metrics["val_f1"][-1]
    best = max(logs.entries, key=lambda entry: entry.best_score or 0)
    recipe = load_recipe(tmp_path / "best_recipe.yaml")
    assert recipe.train.lr == best.params["train.lr"]
    assert recipe.sweep.space == {}
    assert [path.parent.name for path in tmp_path.glob("trials/*/checkpoints")] == [str(best.config_id)]
    assert fake.seen == {"train", "val"}


@pytest.mark.slow
def test_killed_in_a_trial_a_search_ends_like_one_that_was_not(data: Data, tmp_path: Path, fake: FakeTraining) -> None:
    recipe = sweep_recipe("sweep.trials=8", "sweep.startup_trials=3", "sweep.prune=false")
    search(*data, recipe, tmp_path / "whole")
    whole, fake.epochs = fake.epochs, 0
    fake.stop_at = (2, 14)  # in the first trial and in the fifth, of 24 epochs
    for resume in (False, True):
        with pytest.raises(KeyboardInterrupt):
            search(*data, recipe, tmp_path / "killed", resume=resume)
    search(*data, recipe, tmp_path / "killed", resume=True)
    assert table(tmp_path / "killed") == table(tmp_path / "whole")
    assert fake.epochs == whole == 8 * EPOCHS  # none was trained twice


def test_more_trials_may_be_added(data: Data, tmp_path: Path, fake: FakeTraining) -> None:
    search(*data, sweep_recipe(), tmp_path)
    before = table(tmp_path)
    search(*data, sweep_recipe("sweep.trials=5"), tmp_path, resume=True)
    assert table(tmp_path)[:3] == before
    assert len(table(tmp_path)) == 5


def test_a_begun_search_is_kept_and_another_space_refused(data: Data, tmp_path: Path, fake: FakeTraining) -> None:
    search(*data, sweep_recipe(), tmp_path / "first")
    with pytest.raises(OutputExistsError, match="--resume"):
        search(*data, sweep_recipe(), tmp_path / "first")
    other = sweep_recipe(space={"train.lr": [0.1, 0.2]})
    with pytest.raises(StaleInputError, match=r"another space began here \(different: space\.train\.lr"):
        search(*data, other, tmp_path / "first", resume=True)
    with pytest.raises(StaleInputError, match=r"other settings began here \(different: recipe\.train\.batch_size\)"):
        search(*data, sweep_recipe("train.batch_size=4"), tmp_path / "first", resume=True)
    (tmp_path / "strange").mkdir()
    shutil.copy(tmp_path / "first" / "study.db", tmp_path / "strange")
    with pytest.raises(StaleInputError, match=r"study\.db: holds the trials of another space"):
        search(*data, other, tmp_path / "strange")
    (tmp_path / "strange" / "study.db").write_text("no database")
    with pytest.raises(StaleInputError, match=r"study\.db: not a storage of Optuna"):
        search(*data, other, tmp_path / "strange", resume=True)


def test_a_damaged_sweep_json_is_named_and_may_be_removed(data: Data, tmp_path: Path, fake: FakeTraining) -> None:
    """It ended in a KeyError."""
    recipe = sweep_recipe("sweep.trials=1")
    search(*data, recipe, tmp_path)
    for text in ("{}", "[]", '{"inputs": 3}'):
        (tmp_path / "sweep.json").write_text(text)
        with pytest.raises(StaleInputError, match=r"sweep\.json: does not say what was searched. Remove it"):
            search(*data, recipe, tmp_path, resume=True)
    (tmp_path / "sweep.json").unlink()
    search(*data, recipe, tmp_path, resume=True)
    assert fake.epochs == EPOCHS


def test_a_failed_trial_is_kept_with_its_error_and_the_search_goes_on(
    data: Data, tmp_path: Path, fake: FakeTraining
) -> None:
    recipe = sweep_recipe("sweep.trials=6", space={"model.name": ["timm:test_efficientnet", "broken"]})
    logs = search(*data, recipe, tmp_path)
    failed = logs.of("failed")
    assert failed
    assert len(failed) + len(logs.of("complete")) == 6
    assert all(entry.error == "RuntimeError: out of memory" for entry in failed)


@pytest.mark.slow
def test_a_full_disk_failed_all_trials_that_were_left(
    data: Data, tmp_path: Path, fake: FakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night's trials were written down as failed within seconds, and --resume tried none of them again."""
    recipe, whole = sweep_recipe("sweep.trials=4"), tmp_path / "whole"
    search(*data, recipe, whole)

    def fill(*arguments: Any) -> None:
        if fake.epochs >= EPOCHS * 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        fake(*arguments)

    out = tmp_path / "full"
    with monkeypatch.context() as patch, pytest.raises(StorageError, match=r"trials/2: cannot write"):
        patch.setattr(trial_module, "_train", fill)
        search(*data, recipe, out)
    search(*data, recipe, out, resume=True)
    assert table(out) == table(whole)


def test_a_search_in_which_every_trial_fails_says_why(data: Data, tmp_path: Path) -> None:
    # No network of these names: the real training refuses them before it reads an image.
    recipe = sweep_recipe("sweep.trials=2", space={"model.name": ["timm:no", "timm:neither"]})
    with pytest.raises(TrainingError, match=r"no trial of 2 was finished; first error: .*unknown model"):
        search(*data, recipe, tmp_path)
    assert len(list(tmp_path.glob("results_config_*"))) == 2


def test_a_trial_below_the_median_is_stopped_and_says_so(data: Data, tmp_path: Path, fake: FakeTraining) -> None:
    rates = {"train.lr": [1e-3, 1e-2, 1e-1, 1.0]}
    logs = search(*data, sweep_recipe("sweep.trials=12", "sweep.startup_trials=4", space=rates), tmp_path)
    stopped = logs.of("partial")
    assert stopped
    assert all(entry.remark == "stopped early after 1 epoch" for entry in stopped)
    assert min(entry.params["train.lr"] for entry in stopped) > 1e-3
    assert 1e-3 in {entry.params["train.lr"] for entry in logs.of("complete")}


@pytest.mark.slow
def test_a_real_search_killed_on_the_way_ends_in_the_same_figures(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = sweep_recipe("sweep.prune=false", "sweep.trials=2", "train.epochs=2")
    search(*data, recipe, tmp_path / "whole")
    scored = [set(pl.read_parquet(file)["image_id"]) for file in tmp_path.glob("whole/trials/*/predictions.parquet")]
    assert scored == [set(data[1].subset("val"))] * 2
    save, saved = callbacks.SaveState.on_train_epoch_end, []

    def save_and_stop(self: Any, *arguments: Any) -> None:
        save(self, *arguments)
        saved.append(1)
        if len(saved) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(callbacks.SaveState, "on_train_epoch_end", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        search(*data, recipe, tmp_path / "killed")
    search(*data, recipe, tmp_path / "killed", resume=True)
    assert table(tmp_path / "killed") == table(tmp_path / "whole")
    assert len(saved) == 4
