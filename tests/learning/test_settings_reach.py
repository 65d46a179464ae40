"""Settings reach what they set: left out, most of them changed no other test's result."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
import torch
from pytorch_lightning.callbacks import EarlyStopping
from safetensors.torch import load_file
from tiny_training import Data, recipe

from colles.core.files import read_json
from colles.learning.loaders.datamodule import RadiographDataModule
from colles.learning.models import create_model
from colles.learning.training import train
from colles.learning.training.losses import label_loss, map_loss
from colles.learning.training.module import ClassifierModule, validation_figures
from colles.learning.training.two_stages import TwoStages

pytestmark = pytest.mark.filterwarnings("ignore")


def shell(*overrides: str, stage: str = "all") -> ClassifierModule:
    settings = recipe(*overrides)
    model = create_model(settings.model, settings.preprocess)
    return ClassifierModule(model, settings.train, stage=stage, seed=0, first_epoch=0, steps=9, positive_weight=3.0)


@pytest.mark.parametrize(
    ("stage", "setting", "rates"),
    [
        ("head", "train.new_layers_lr=0.1", [0.5]),
        ("all", "train.new_layers_lr=0.1", [0.01, 0.1]),
        ("all", "train.new_layers_lr=null", [0.01, 0.01]),
        ("all", "train.freeze_backbone=true", [0.01]),
    ],
)
def test_backbone_and_head_have_their_own_rates(stage: str, setting: str, rates: list[float]) -> None:
    module = shell("train.lr=0.01", "train.head_lr=0.5", "train.weight_decay=0.25", setting, stage=stage)
    groups = module.configure_optimizers().param_groups
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [(rate, 0.25) for rate in rates]
    assert {id(p) for p in groups[-1]["params"]} == {id(p) for p in module.model.head_parameters()}


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ((), {}),
        (("train.label_smoothing=0.2",), {"smoothing": 0.2}),
        (("train.loss=weighted_bce",), {"positive_weight": torch.tensor(3.0)}),
        (("train.loss=focal", "train.focal_gamma=1.5"), {"focal_gamma": 1.5}),
    ],
)
def test_the_loss_is_the_one_that_is_named(settings: tuple[str, ...], wanted: dict[str, Any]) -> None:
    batch = {"label": torch.tensor([0.0, 1.0, 1.0]), "weight": torch.tensor([1.0, 1.0, 0.0])}
    logit, pooled = torch.tensor([[0.5], [-1.0], [2.0]]), torch.tensor([[1.0], [0.0], [-2.0]])
    module = shell(*settings, "train.location_weight=0.3")
    label = label_loss(logit, batch["label"], batch["weight"], **wanted)
    assert module.loss({"logit": logit}, batch) == pytest.approx(float(label))
    label += label_loss(pooled, batch["label"], batch["weight"], **wanted)
    batch |= {"target": torch.eye(4).expand(3, 1, 4, 4), "located": torch.ones(3)}
    cam = torch.linspace(-2, 2, 48).reshape(3, 1, 4, 4)
    label += 0.3 * map_loss(cam, batch["target"], batch["located"])
    assert module.loss({"logit": logit, "pooled": pooled, "cam": cam}, batch) == pytest.approx(float(label))


@pytest.mark.parametrize(("monitor", "mode", "best"), [("loss", "min", 0.5), ("auroc", "max", 0.7)])
def test_a_loss_is_best_where_it_is_least_and_the_gradient_is_clipped(
    data: Data, tmp_path: Path, monitor: str, mode: str, best: float
) -> None:
    settings = recipe(f"train.monitor={monitor}", "train.patience=4", "train.plateau_patience=1", "train.clip=0.25")
    module = shell(f"train.monitor={monitor}", "train.plateau_patience=1")
    loader = RadiographDataModule(*data, settings.preprocess, settings.train, seed=0)
    stages = TwoStages(module.model, loader, settings, tmp_path, "cpu")
    stop = next(each for each in stages._callbacks("all", 0) if isinstance(each, EarlyStopping))
    assert (stop.mode, stop.patience, stop.monitor) == (mode, 4, f"val_{monitor}")
    assert not any(isinstance(each, EarlyStopping) for each in stages._callbacks("head", 0))
    module.configure_optimizers()
    assert module.plateau is not None and (module.plateau.mode, module.plateau.patience) == (mode, 1)
    nobody: Any = SimpleNamespace(is_global_zero=False)
    for value in (0.6, 0.7, 0.5, 0.6):
        module.figures = {monitor: value}
        stages.keep.on_train_epoch_end(nobody, module)
    assert stages.keep.best == best
    assert stages._trainer("all", 1, 0).gradient_clip_val == 0.25


def test_dropout_hangs_on_epoch_and_step() -> None:
    module = shell("model.dropout=0.5").train()
    batch = {"image": torch.rand(4, 3, 32, 32), "label": torch.tensor([0.0, 1.0, 0.0, 1.0]), "weight": torch.ones(4)}
    losses = []
    for module.first_epoch, step in ((0, 0), (0, 0), (1, 0), (0, 1)):
        losses.append(float(module.training_step(batch, step)))
    assert losses[0] == losses[1] and len(set(losses)) == 3
    module.recipe = module.recipe.model_copy(update={"mixup": 1.0})
    assert float(module.training_step(batch, 1)) not in losses


def test_a_stage_is_released_when_its_epoch_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    module = shell("train.unfreeze_every=2", "train.last_stages=2")
    monkeypatch.setattr(ClassifierModule, "current_epoch", 4)
    module.on_train_epoch_start()
    stages = module.model.stages()
    learning = sum(any(p.requires_grad for each in stage for p in each.parameters()) for stage in stages)
    assert len(stages) > 4 and learning == 4


def test_each_epoch_is_drawn_and_augmented_anew(data: Data) -> None:
    settings = recipe("train.sampler=plain", "train.negatives=1")
    loader = RadiographDataModule(*data, settings.preprocess, settings.train, seed=0)
    drawn, shown = [], []
    for loader.epoch in (0, 1, 0):
        sampler = loader.train_dataloader().sampler
        draws = list(sampler)
        drawn.append([index for _, _, index in draws])
        shown.append(loader.training_dataset()[(draws[0][0], 0, 0)]["image"])
    assert drawn[0] == drawn[2] != drawn[1] and sorted(drawn[0]) != sorted(drawn[1])
    assert torch.equal(shown[0], shown[2]) and not torch.equal(shown[0], shown[1])
    labels = loader.shown_labels(0)
    assert 2 * labels.sum() == len(labels) == len(drawn[0])


def test_the_running_mean_is_what_is_judged_and_kept(data: Data, tmp_path: Path) -> None:
    settings = recipe("train.head_epochs=0", "train.epochs=1", "train.ema=0.9", "train.lr=0.01")
    run = train(*data, settings, tmp_path / "run")
    kept = load_file(run / "checkpoints" / "best.safetensors")
    state = torch.load(run / "checkpoints" / "resume_all.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(value, state[f"average.module.{key}"]) for key, value in kept.items())
    assert state["average.n_averaged"] > 0
    assert not torch.equal(kept["head.weight"], state["model.head.weight"])
    table = pl.read_parquet(run / "predictions.parquet").filter(pl.col("subset") == "val")
    logit = torch.logit(table["y_score"].to_torch())
    found = validation_figures(logit, table["y_true"].cast(pl.Float64).to_torch())
    assert read_json(run / "checkpoints" / "best.json")["val"] == pytest.approx(found, abs=1e-5)
