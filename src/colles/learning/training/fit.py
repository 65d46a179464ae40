"""Train in two stages, resume after a kill, and score val and test with the best weights."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ProgressBar
from pytorch_lightning.loggers import TensorBoardLogger

from colles.core.errors import RecipeError
from colles.core.files import read_json, refuse_existing, sha256_json, write_json
from colles.core.progress import say
from colles.core.provenance import collect_provenance
from colles.core.recipe import Recipe
from colles.core.recipe_text import save_recipe
from colles.core.records import SUBSETS
from colles.core.tables import write_table
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.learning.checkpoint import describe_model, load_classifier
from colles.learning.devices import choose_device, lightning_precision
from colles.learning.loaders.datamodule import RadiographDataModule
from colles.learning.models import FractureClassifier, count_parameters, create_model
from colles.learning.training.allocator import keep_memory
from colles.learning.training.callbacks import DrawEpoch, EpochLog, KeepBest, SaveState, progress_bar
from colles.learning.training.inputs import assert_same_division, assert_same_inputs, describe_inputs, save_inputs
from colles.learning.training.location import decide_location
from colles.learning.training.mode import assert_trained, keep_training, shorten
from colles.learning.training.module import ClassifierModule
from colles.learning.training.prior import prior_shift
from colles.learning.training.processes import on_this_machine, readable_errors
from colles.learning.training.samples import write_samples
from colles.learning.training.scores import predict_subset
from colles.learning.training.state import read_state
from colles.learning.training.teachers import Teachers, load_teachers


def train(
    catalog: Catalog,
    split: Split,
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Train what `recipe` describes on a split catalog; return the run folder `out`.

    With `resume` a begun training goes on from its last finished epoch, to the same result. `callbacks` of Lightning
    run beside its own, in each of several trainings, and not on Ray. Raise `StaleInputError` where split and catalog
    do not belong together, the begun training had other settings, or a network that it starts from or learns from
    knows another division, `OutputExistsError` where `out` holds a run, `DeviceError` for a missing GPU,
    `TrainingError` where the loss diverges or too many files are broken, `KeyboardInterrupt` after Ctrl-C.
    """
    if recipe.train.folds or recipe.train.seeds > 1:
        from colles.learning.training.several import train_several

        return train_several(catalog, split, recipe, out, train_once, resume=resume, callbacks=callbacks)
    return train_once(catalog, split, recipe, out, resume=resume, callbacks=callbacks)


def train_once(
    catalog: Catalog,
    split: Split,
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Train one network; see `train`."""
    skip = recipe.train.mode == "skip"
    if not resume and not skip:
        refuse_existing(out / "checkpoints", repair="Go on with resume, or choose another folder")
    device = choose_device(recipe.train)
    recipe = shorten(decide_location(recipe, catalog, split))
    inputs = describe_inputs(recipe, catalog.digest, split.digest)
    if skip:
        assert_trained(recipe, out, inputs)
    else:
        assert_same_inputs(out / "checkpoints", inputs)
        assert_same_division(recipe, catalog.digest, split.digest)
    _prepare_process(recipe, device)
    started = time.perf_counter()
    data = _load(catalog, split, recipe)
    out.mkdir(parents=True, exist_ok=True)
    save_recipe(keep_training(recipe, out / "recipe.yaml") if skip else recipe, out / "recipe.yaml")
    data.write_bad_files(out / "bad_files.csv")
    write_samples(data, out / "samples.png")
    if not skip:
        save_inputs(out / "checkpoints", inputs)
        if recipe.train.engine == "ray":
            from colles.learning.training.ray_train import fit_on_ray

            fit_on_ray(catalog, split, recipe, out, device)
        else:
            model = create_model(recipe.model, recipe.preprocess).to(memory_format=torch.channels_last)
            Stages(model, data, recipe, out, device, callbacks).fit()
    best, _ = load_classifier(out)
    best.to(device if recipe.train.engine == "local" else "cpu")
    table = pl.concat([predict_subset(best, data, subset) for subset in SUBSETS[1:]])
    write_table(table, out / "predictions.parquet")
    provenance = collect_provenance(
        {"catalog": catalog.digest, "split": split.digest, "recipe": sha256_json(inputs)},
        model=recipe.model.name,
        weights_from=best.weights_from,
        parameters=count_parameters(best),
        device=device,
        threads=torch.get_num_threads(),
        seconds=round(time.perf_counter() - started, 1),
        bad_files=len(data.bad),
        best=read_json(out / "checkpoints" / "best.json"),
    )
    write_json(out / "provenance.json", provenance)
    return out


def prepare(catalog: Catalog, split: Split, recipe: Recipe) -> tuple[RadiographDataModule, FractureClassifier, Recipe]:
    """Return data and network of a recipe, as a training on the CPU begins with them, and the decided recipe."""
    recipe = decide_location(recipe, catalog, split)
    _prepare_process(recipe, "cpu")
    model = create_model(recipe.model, recipe.preprocess).to(memory_format=torch.channels_last)
    return _load(catalog, split, recipe), model, recipe


def _load(catalog: Catalog, split: Split, recipe: Recipe) -> RadiographDataModule:
    return RadiographDataModule(
        catalog,
        split,
        recipe.preprocess,
        recipe.train,
        seed=recipe.seed,
        limits=recipe.data,
        stride=recipe.model.location_stride if recipe.model.location == "on" else 0,
    )


def _prepare_process(recipe: Recipe, device: str) -> None:
    if device == "cpu" and recipe.train.allocator:
        keep_memory()
    torch.set_num_threads(_threads(recipe))
    lightning.seed_everything(recipe.seed, verbose=False)
    # Deterministic mode writes a value into every new tensor first: a fifth of a step's time (docs/experiments.md).
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    for name in ("pytorch_lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(pytorch_)?lightning.*")


def _threads(recipe: Recipe) -> int:
    if recipe.train.processes > 1:
        return 1  # a pool of threads does not survive the fork
    return recipe.train.threads or int(os.environ.get("OMP_NUM_THREADS", 0)) or os.cpu_count() or 1


class Stages:
    """The head alone, then all layers; each a Lightning fit with a state of its own."""

    def __init__(
        self,
        model: FractureClassifier,
        data: RadiographDataModule,
        recipe: Recipe,
        out: Path,
        device: str,
        callbacks: Sequence[Callback] = (),
        placing: dict[str, Any] | None = None,
    ) -> None:
        """`placing` holds a trainer's arguments that say where its processes are; by default on this machine."""
        self.callbacks = callbacks
        self.placing = on_this_machine(recipe.train.processes, device) if placing is None else placing
        self.model, self.data, self.recipe, self.out, self.device = model, data, recipe, out, device
        self.precision = lightning_precision(recipe.train.precision, device)
        self.folder = out / "checkpoints"
        described = describe_model(recipe.model, recipe.preprocess, model)
        self.shift = prior_shift(data)
        self.keep = KeepBest(self.folder, recipe.train.monitor, {**described, "prior_shift": self.shift})
        self.teachers: Teachers | None = None

    def fit(self) -> None:
        """Run what is not finished yet."""
        self.folder.mkdir(exist_ok=True)
        if (self.folder / "finished.json").is_file():
            say("  the training is finished; scoring again")
            return
        recipe = self.recipe
        self.teachers = load_teachers(recipe.train.teachers, recipe.preprocess, prior_shift=self.shift)
        head, epochs = recipe.train.head_epochs, recipe.train.epochs
        if head and not self.model.pretrained:
            say("  no stage for the head alone: the backbone starts from random weights")
            head = 0
        if not head and not epochs:
            raise RecipeError("no epoch is trained", field="train.epochs", repair="Set it to 1 or more")
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
        )
        callbacks = self._callbacks(stage, first_epoch)
        trainer = lightning.Trainer(
            accelerator="cpu" if self.device == "cpu" else "gpu",
            **self.placing,
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
        with _interruptible(trainer), readable_errors():
            trainer.fit(module, datamodule=self.data, ckpt_path=str(file) if begun else None, weights_only=True)
        self.keep.recall()

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
