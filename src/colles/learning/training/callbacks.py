"""What happens beside the steps: the log, the best weights, and the state to resume from."""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback, Checkpoint, ProgressBar, RichProgressBar

from colles.core.errors import StaleInputError, StorageError
from colles.core.files import atomic_path, read_json, remove, storage_errors
from colles.core.progress import say
from colles.learning.checkpoint import save_checkpoint
from colles.learning.loaders.datamodule import RadiographDataModule
from colles.learning.training.inputs import RETRAIN
from colles.learning.training.module import ClassifierModule


def progress_bar(others: Iterable[Callback]) -> list[Callback]:
    """Return a bar on standard error where that is a terminal and none of the `others` is one.

    Lightning's default is drawn on standard output, where a verb prints its result.
    """
    if not sys.stderr.isatty() or any(isinstance(other, ProgressBar) for other in others):
        return []
    return [RichProgressBar(console_kwargs={"stderr": True})]


class DrawEpoch(Callback):
    """Draw the images of each epoch by its number in the run."""

    def __init__(self, data: RadiographDataModule, first_epoch: int) -> None:
        self.data, self.first_epoch = data, first_epoch

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Name the next epoch before its loader is made."""
        self.data.epoch = self.first_epoch + trainer.current_epoch + 1


class EpochLog(Callback):
    """Append a row an epoch to metrics.csv and classes.csv, and say it where there is no progress bar."""

    def __init__(self, run: Path, data: RadiographDataModule) -> None:
        self.run, self.data = run, data
        self._started = self._waiting_since = 0.0
        self._loading = self._training = 0.0
        self._images = 0

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clocks."""
        self._started = self._waiting_since = time.perf_counter()
        self._loading, self._training, self._images = 0.0, 0.0, 0

    def on_train_batch_start(self, trainer: lightning.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Add the time that the batch was waited for."""
        self._loading += time.perf_counter() - self._waiting_since
        self._images += len(batch["label"])

    def on_train_batch_end(self, *arguments: Any, **named: Any) -> None:
        """Begin to wait for the next batch; validation comes after the last one and is not training time."""
        self._waiting_since = time.perf_counter()
        self._training = self._waiting_since - self._started

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the rows of the epoch."""
        assert isinstance(pl_module, ClassifierModule)
        if not trainer.is_global_zero:
            return
        seconds = time.perf_counter() - self._started
        row: dict[str, Any] = {
            "epoch": pl_module.run_epoch,
            "stage": pl_module.stage,
            "train_loss": pl_module.train_loss,
        }
        row |= {f"val_{name}": value for name, value in pl_module.figures.items()}
        row["lr"] = trainer.optimizers[0].param_groups[0]["lr"]
        row |= {
            "images_per_second": round(self._images * trainer.world_size / self._training, 2),
            "seconds_loading": round(self._loading, 2),
            "seconds": round(seconds, 2),
        }
        _append(self.run / "metrics.csv", row)
        counts = self.data.class_counts()
        _append(self.run / "classes.csv", {"epoch": pl_module.run_epoch, **counts})
        if trainer.logger is not None:
            trainer.logger.log_metrics({f"classes/{k}": v for k, v in counts.items()}, step=trainer.global_step)
        say(
            f"  epoch {row['epoch']} ({row['stage']}): loss {row['train_loss']:.4f}, val AUROC {row['val_auroc']:.4f}, "
            f"{counts['positives']} fractured + {counts['negatives']} not, {row['images_per_second']:.1f} images/s"
        )


def _append(path: Path, row: dict[str, Any]) -> None:
    # by the csv module: training processes are forked, and polars' threads do not survive that
    before = _rows_before(path, row["epoch"])
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(row), restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows([*before, row])


def _rows_before(path: Path, epoch: int) -> list[dict[str, Any]]:
    """Return the rows of earlier epochs; a log that another program wrote over is set aside and ends no training."""
    if not path.is_file():
        return []
    try:
        # an epoch that a kill cut off between log and state is done again, and its row replaced
        with open(path, encoding="utf-8-sig", newline="") as stream:
            return [known for known in csv.DictReader(stream) if int(known["epoch"]) < epoch]
    except (ValueError, KeyError, csv.Error):
        aside = path.with_name(f"{path.stem}.unreadable{path.suffix}")
        os.replace(path, aside)
        say(f"  {path.name} cannot be read; kept as {aside.name}, and begun again")
        return []


class KeepBest(Callback):
    """Write best.safetensors whenever the monitored figure of val improves."""

    def __init__(self, folder: Path, monitor: str, meta: dict[str, Any]) -> None:
        self.folder, self.monitor, self.meta = folder, monitor, meta
        self.best: float | None = None

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Compare the epoch with the best so far; save the last weights in any case."""
        assert isinstance(pl_module, ClassifierModule)
        value = pl_module.figures[self.monitor]
        meta = {**self.meta, "epoch": pl_module.run_epoch, "stage": pl_module.stage, "val": pl_module.figures}
        better = self.best is None or (value < self.best if self.monitor == "loss" else value > self.best)
        self.best = value if better else self.best
        for name in ("last", "best") if better else ("last",):
            if trainer.is_global_zero:
                save_checkpoint(pl_module.judged, self.folder / f"{name}.safetensors", meta)

    def recall(self) -> None:
        """Read the best figure from the disk: training processes of their own do not tell it."""
        beside = self.folder / "best.json"
        if not beside.is_file():
            return
        try:
            self.best = float(read_json(beside)["val"][self.monitor])
        except (KeyError, TypeError, ValueError) as error:
            text = f"does not say the best {self.monitor} on val"
            raise StaleInputError(text, path=beside, repair=RETRAIN) from error

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it up again."""
        self.best = state_dict["best"]


class SaveState(Checkpoint):
    """Write the state to resume from at the end of each epoch, replacing the last one as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write beside, then rename; every process takes part, the first one writes."""
        beside = self.path.with_suffix(".partial")
        try:
            with storage_errors(self.path):
                trainer.save_checkpoint(beside)
                if trainer.is_global_zero:
                    os.replace(beside, self.path)
        except StorageError:
            remove(beside)  # it would fill the disk for good
            raise
