"""The two stages of a training: the head alone, then all layers; each goes on from its last finished epoch."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback, EarlyStopping, ProgressBar
from pytorch_lightning.loggers import TensorBoardLogger

from colles.core.errors import RecipeError
from colles.core.files import write_json
from colles.core.progress import say
from colles.core.recipe import Recipe
from colles.learning.checkpoint import describe_model
from colles.learning.devices import lightning_precision
from colles.learning.loaders.datamodule import RadiographDataModule
from colles.learning.models import FractureClassifier, assert_grows
from colles.learning.training.callbacks import DrawEpoch, EpochLog, KeepBest, SaveState, progress_bar
from colles.learning.training.module import ClassifierModule
from colles.learning.training.prior import prior_shift
from colles.learning.training.processes import on_this_machine, readable_errors
from colles.learning.training.state import read_state
from colles.learning.training.teachers import Teachers, load_teachers


class TwoStages:
    """The head alone, then all layers; each a Lightning fit with a state of its own."""

    def __init__(
        self,
        model: FractureClassifier,
        data: RadiographDataModule,
        recipe: Recipe,
        out: Path,
        device: str,
        callbacks: Sequence[Callback] = (),
        placing: Callable[[], dict[str, Any]] | None = None,
    ) -> None:
        """`placing` gives a trainer's arguments that say where its processes are, anew for each stage, since a strategy
        belongs to one trainer; by default they are on this machine.
        """
        self.callbacks = callbacks
        self.placing = placing or partial(on_this_machine, recipe.train.processes, device)
        self.model, self.data, self.recipe, self.out, self.device = model, data, recipe, out, device
        self.precision = lightning_precision(recipe.train.precision, device)
        self.folder = out / "checkpoints"
        described = describe_model(recipe.model, recipe.preprocess, model)
        # a first look has its shift already, and places come as often as they are proposed
        self.shift = 0.0 if recipe.model.second_look == "on" else prior_shift(data)
        self.keep = KeepBest(self.folder, recipe.train.monitor, {**described, "prior_shift": self.shift})
        self.teachers: Teachers | None = None

    def fit(self) -> None:
        """Run what is not finished yet."""
        self.folder.mkdir(exist_ok=True)
        if (self.folder / "finished.json").is_file():
            say("  the training is finished; scoring again")
            return
        recipe = self.recipe
        assert_grows(self.model, recipe.train.progressive, channels=recipe.preprocess.channels)
        self.teachers = load_teachers(
            recipe.train.teachers, recipe.preprocess, prior_shift=self.shift, sizes=recipe.train.progressive
        )
        head, epochs = recipe.train.head_epochs, recipe.train.epochs
        if head and not self.model.pretrained:
            say("  no stage for the head alone: the backbone starts from random weights")
            head = 0
        if not head and not epochs:
            raise RecipeError("no epoch is trained", field="train.epochs", repair="Set it to 1 or more")
        if self.data.part_names:
            say(f"  a head beside the network tells body parts: {', '.join(self.data.part_names)}")
        self.data.head_epochs = head
        if head and not self._state("all").is_file():
            self._fit_stage("head", head, first_epoch=0)
        if epochs:
            self._fit_stage("all", epochs, first_epoch=head)
        write_json(self.folder / "finished.json", {"monitor": recipe.train.monitor, "best": self.keep.best})

    def _state(self, stage: str) -> Path:
        return self.folder / f"resume_{stage}.ckpt"

    def _fit_stage(self, stage: str, epochs: int, *, first_epoch: int) -> None:
        file = self._state(stage)
        begun = read_state(file)
        self.data.epoch = first_epoch + (begun.epochs if begun else 0)
        if begun and begun.stopped_early:  # killed before it could say that it was finished
            self.keep.recall()
            return
        module = ClassifierModule(
            self.model,
            self.recipe.train,
            stage=stage,
            seed=self.recipe.seed,
            first_epoch=first_epoch,
            steps=epochs * self._steps_an_epoch(),
            positive_weight=self.data.positive_weight(),
            teachers=self.teachers,
            prior_shift=self.shift,
            parts=len(self.data.part_names),
        )
        trainer = self._trainer(stage, epochs, first_epoch)
        with _interruptible(trainer), readable_errors():
            trainer.fit(module, datamodule=self.data, ckpt_path=str(file) if begun else None, weights_only=True)
        self.keep.recall()

    def _trainer(self, stage: str, epochs: int, first_epoch: int) -> lightning.Trainer:
        callbacks = self._callbacks(stage, first_epoch)
        return lightning.Trainer(
            accelerator="cpu" if self.device == "cpu" else "gpu",
            **self.placing(),
            use_distributed_sampler=False,  # the loader shares the draws out itself
            default_root_dir=str(self.out),
            precision=self.precision,
            max_epochs=epochs,
            callbacks=callbacks,
            logger=TensorBoardLogger(str(self.out), name="tensorboard", version=stage),
            enable_checkpointing=True,
            enable_model_summary=False,
            enable_progress_bar=any(isinstance(each, ProgressBar) for each in callbacks),
            num_sanity_val_steps=0,
            gradient_clip_val=self.recipe.train.clip,
            reload_dataloaders_every_n_epochs=1,
            deterministic=True if self.device == "cpu" else "warn",
            log_every_n_steps=10,
        )

    def _callbacks(self, stage: str, first_epoch: int) -> list[Any]:
        recipe = self.recipe.train
        mode = "min" if recipe.monitor == "loss" else "max"
        stop = EarlyStopping(
            f"val_{recipe.monitor}", mode=mode, patience=recipe.patience, check_on_train_epoch_end=True
        )
        log = EpochLog(self.out, self.data)
        stopping = [stop] if stage == "all" else []
        return [
            log,
            self.keep,
            DrawEpoch(self.data, first_epoch),
            *stopping,
            *self.callbacks,
            *progress_bar(self.callbacks),
            SaveState(self._state(stage)),
        ]

    def _steps_an_epoch(self) -> int:
        size = len(self.data.train_dataloader())
        return max(1, size)


@contextmanager
def _interruptible(trainer: lightning.Trainer) -> Iterator[None]:
    """Let Ctrl-C reach the caller: Lightning makes an exit of it and has the next ones ignored."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stop:
        if not trainer.interrupted:
            raise
        raise KeyboardInterrupt from stop
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
