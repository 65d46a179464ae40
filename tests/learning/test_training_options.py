"""Samplers, losses, freezing, mixup, the prior and the modes: each does what its name says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from tiny_training import Data, recipe
from torch import nn
from torchvision.ops import sigmoid_focal_loss

from colles.core.errors import MissingInputError, RecipeError, StaleInputError
from colles.core.files import read_json, write_json
from colles.core.recipe import ModelRecipe, PreprocessRecipe, TrainRecipe
from colles.learning.checkpoint import describe_model, load_classifier, save_checkpoint
from colles.learning.devices import lightning_precision
from colles.learning.loaders.datamodule import RadiographDataModule
from colles.learning.loaders.samplers import draw_epoch
from colles.learning.models import FractureClassifier, create_model
from colles.learning.training import fit, train
from colles.learning.training.inputs import NAME, assert_same_inputs, describe_inputs
from colles.learning.training.losses import label_loss
from colles.learning.training.mixup import mix_pairs
from colles.learning.training.mode import shorten
from colles.learning.training.module import ClassifierModule, validation_figures
from colles.learning.training.prior import prior_shift

PREPROCESS = PreprocessRecipe(size=32)


def network(name: str = "timm:test_efficientnet") -> FractureClassifier:
    return create_model(ModelRecipe(name=name, weights="none", location="off"), PREPROCESS)


def loader(data: Data, *overrides: str) -> RadiographDataModule:
    settings = recipe(*overrides)
    return RadiographDataModule(*data, settings.preprocess, settings.train, seed=0)


def test_every_batch_is_balanced_also_on_each_of_two_processes() -> None:
    labels = np.array([1] * 7 + [0] * 25)
    drawn = draw_epoch(labels, None, "balanced_batches", seed=0, epoch=3)
    assert set(drawn) == set(range(32))
    shown = labels[drawn]
    assert len(shown) == 50
    for start in range(0, 48, 8):
        batch = shown[start : start + 8]
        assert [batch[rank::2].mean() for rank in (0, 1)] == [0.5, 0.5]
    assert not np.array_equal(drawn, draw_epoch(labels, None, "balanced_batches", seed=0, epoch=4))


def test_the_focal_loss_is_torchvisions_and_without_gamma_plain_cross_entropy() -> None:
    logit, label = torch.linspace(-3, 3, 8)[:, None], torch.tensor([0.0, 1.0] * 4)
    weight = torch.tensor([1.0] * 7 + [0.0])
    each = sigmoid_focal_loss(logit[:, 0], label, alpha=-1, gamma=2.0)
    assert label_loss(logit, label, weight, focal_gamma=2.0) == pytest.approx(float(each[:7].mean()), abs=1e-6)
    plain = nn.functional.binary_cross_entropy_with_logits(logit[:7, 0], label[:7])
    assert label_loss(logit, label, weight, focal_gamma=0.0) == pytest.approx(float(plain), abs=1e-6)


@pytest.mark.parametrize("settings", [("oversample", "bce"), ("balanced_batches", "bce"), ("plain", "weighted_bce")])
def test_the_prior_correction_gives_back_the_real_share_of_fractures(data: Data, settings: tuple[str, str]) -> None:
    sampler, loss = settings
    module = loader(data, f"train.sampler={sampler}", f"train.loss={loss}")
    labels = module.labels[module.rows("train")]
    assert module.prevalence() == pytest.approx(labels.mean())
    # A network that knows nothing learns the odds of what it is shown: even, once drawn or weighted so.
    probability = 1 / (1 + np.exp(-(0.0 + prior_shift(module))))
    assert probability == pytest.approx(labels.mean(), abs=1e-9)


@pytest.mark.parametrize(("copies", "fractured"), [("one", 1), ("all", None)])
def test_augmented_copies_that_are_not_shown_took_the_weight_from_rare_fractures(
    data: Data, copies: str, fractured: int | None
) -> None:
    module = loader(data, "train.loss=weighted_bce", "train.sampler=plain", f"train.copies={copies}")
    rows = module.rows("train")
    positive, negative = (rows[module.labels[rows] == label] for label in (1, 0))
    module.listing.radiograph[positive] = module.listing.radiograph[positive[0]]
    assert module.positive_weight() == len(negative) / (fractured or len(positive))


@pytest.mark.parametrize("batch_size", [4, 7, 1000])
def test_classes_were_counted_of_images_beyond_the_last_full_batch(data: Data, batch_size: int) -> None:
    module = loader(data, f"train.batch_size={batch_size}")
    shown = torch.cat([batch["label"] for batch in module.train_dataloader()])
    counts = module.class_counts()
    assert (counts["positives"], counts["negatives"]) == (int(shown.sum()), int((1 - shown).sum()))


def test_plain_drawing_needs_no_correction_and_it_can_be_left_out(data: Data) -> None:
    assert prior_shift(loader(data, "train.sampler=plain")) == pytest.approx(0.0, abs=1e-9)
    assert prior_shift(loader(data, "train.sampler=oversample", "train.prior_correction=false")) == 0.0


def test_a_loaded_checkpoint_has_its_prior_in_its_logits(tmp_path: Path) -> None:
    model = network().eval()
    meta = describe_model(ModelRecipe(name=model.name, weights="none", location="off"), PREPROCESS, model)
    save_checkpoint(model, tmp_path / "best.safetensors", {**meta, "prior_shift": -1.25})
    loaded, _ = load_classifier(tmp_path / "best.safetensors")
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(loaded(x), model(x) - 1.25, atol=1e-6)
        found = loaded.outputs(x)
        assert torch.allclose(found["cam"].mean((2, 3)), found["logit"], atol=1e-5)


@pytest.mark.parametrize("name", ["timm:test_efficientnet", "timm:test_resnet", "simple_cnn"])
def test_stages_divide_the_backbone(name: str) -> None:
    model = network(name)
    owned = [{id(p) for module in stage for p in module.parameters()} for stage in model.stages()]
    assert sum(map(len, owned)) == len(set().union(*owned))
    assert set().union(*owned) == {id(p) for p in model.backbone_parameters()}


def test_only_the_last_stages_learn_and_the_others_keep_their_statistics() -> None:
    model = network()
    model.learn_stages(2)
    model.train()
    stages = model.stages()
    learns = [all(p.requires_grad for module in stage for p in module.parameters()) for stage in stages]
    assert learns == [False] * (len(stages) - 2) + [True] * 2
    norms = [[m.training for m in stage if isinstance(m, nn.BatchNorm2d)] for stage in stages]
    assert not any(map(any, norms[:-2]))
    assert all(map(all, norms[-2:]))
    model.learn_stages(None)
    assert all(p.requires_grad for p in model.parameters())
    assert all(m.training for m in model.modules())


def test_gradual_unfreezing_releases_a_stage_after_another() -> None:
    model = network()
    settings = TrainRecipe(unfreeze_every=2, optimizer="sgd")
    module = ClassifierModule(model, settings, stage="all", seed=0, first_epoch=0, steps=1, positive_weight=1.0)
    learning = []
    for epoch in range(6):
        module._release(epoch)
        learning.append(sum(any(p.requires_grad for m in stage for p in m.parameters()) for stage in model.stages()))
    assert learning == [1, 1, 2, 2, 3, 3]
    module._parameter_groups()
    optimizer = module.configure_optimizers()
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for p in model.parameters()}


def test_mixup_blends_pairs_and_keeps_both_fractures() -> None:
    batch = {
        "image": torch.arange(4.0)[:, None, None, None].expand(4, 1, 2, 2),
        "label": torch.tensor([0.0, 1.0, 0.0, 1.0]),
        "weight": torch.ones(4),
        "target": torch.eye(4)[:, None, None, :],
        "located": torch.tensor([1.0, 1.0, 1.0, 0.0]),
    }
    torch.manual_seed(1)
    mixed = mix_pairs(batch, 0.4)
    torch.manual_seed(1)
    assert torch.equal(mix_pairs(batch, 0.4)["image"], mixed["image"])
    assert mixed["label"].sum() == pytest.approx(2.0)
    assert mixed["image"].mean() == pytest.approx(1.5)
    assert (mixed["target"] >= batch["target"]).all()
    assert mixed["located"].sum() <= 3
    assert mix_pairs(batch, 1e-300)["label"].sum() == pytest.approx(2.0)  # torch refused an α of 0 in 32 bits


def test_training_images_grow_over_the_epochs(data: Data) -> None:
    module = loader(data, "train.progressive=[32, 64]", "train.head_epochs=1", "train.epochs=4", "preprocess.size=64")
    sizes = []
    for module.epoch in range(5):
        sizes.append(module.training_dataset()[(0, 0, 0)]["image"].shape[-1])
    assert sizes == [32, 32, 32, 64, 64]
    assert module.plain_loader("val").dataset[0]["image"].shape[-1] == 64


def test_a_quick_look_is_short(data: Data) -> None:
    settings = recipe("train.mode=quick", "train.epochs=25", "train.head_epochs=0", "train.batch_size=2")
    assert (shorten(settings).train.epochs, shorten(settings).train.head_epochs) == (2, 0)
    assert shorten(recipe("train.epochs=25")).train.epochs == 25
    module = loader(data, "train.mode=quick", "train.sampler=plain", "train.batch_size=2")
    module.train_dataloader()
    assert len(module.drawn) == len(data[1].subset("train")) // 4


def test_skip_needs_weights_of_the_same_network(data: Data, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"train\.mode=full"):
        train(*data, recipe("train.mode=skip"), tmp_path)
    model = network("timm:test_resnet")
    meta = describe_model(ModelRecipe(name=model.name, weights="none", location="off"), PREPROCESS, model)
    save_checkpoint(model, tmp_path / "checkpoints" / "best.safetensors", meta)
    with pytest.raises(StaleInputError, match=r"belong to another model\.name \(timm:test_resnet\)"):
        train(*data, recipe("train.mode=skip"), tmp_path)


def test_a_setting_newer_than_a_begun_training_had_its_default_then(tmp_path: Path) -> None:
    now = describe_inputs(recipe(), "c", "s")
    before = {**now, "train": {key: value for key, value in now["train"].items() if key != "mixup"}}
    write_json(tmp_path / NAME, before)
    assert_same_inputs(tmp_path, now)
    with pytest.raises(StaleInputError, match=r"train\.mixup"):
        assert_same_inputs(tmp_path, describe_inputs(recipe("train.mixup=0.2"), "c", "s"))


def test_augmentations_by_name() -> None:
    assert recipe("train.augment=none").train.augment.flip == 0
    assert recipe("train.augment=practicum").train.augment == TrainRecipe().augment
    assert recipe("train.augment={preset: strong, rotation: 3}").train.augment.rotation == 3
    with pytest.raises(RecipeError, match="known: none, practicum, strong"):
        recipe("train.augment=storng")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_option_at_once_trains_and_its_scores_can_be_made_again(data: Data, tmp_path: Path) -> None:
    options = ("optimizer=sgd", "loss=focal", "mixup=0.2", "sampler=balanced_batches", "unfreeze_every=1",
               "augment=strong", "progressive=[32, 64]", "label_smoothing=0.05", "head_epochs=0")  # fmt: skip
    settings = recipe(*(f"train.{option}" for option in options))
    run = train(*data, settings, tmp_path / "run")
    assert read_json(run / "checkpoints" / "best.json")["prior_shift"] < 0
    before = pl.read_parquet(run / "predictions.parquet")
    weights = load_file(run / "checkpoints" / "best.safetensors")
    (run / "predictions.parquet").unlink()
    train(*data, settings.model_copy(update={"train": settings.train.model_copy(update={"mode": "skip"})}), run)
    assert pl.read_parquet(run / "predictions.parquet").equals(before)
    assert all(
        torch.equal(value, weights[key]) for key, value in load_file(run / "checkpoints" / "best.safetensors").items()
    )


@pytest.mark.slow
def test_bfloat16_teaches_other_weights_and_keeps_them_in_32_bits(data: Data, tmp_path: Path) -> None:
    def trained(name: str, *overrides: str, resume: bool = False) -> dict[str, torch.Tensor]:
        settings = recipe("train.head_epochs=0", "train.patience=9", *overrides)
        return load_file(train(*data, settings, tmp_path / name, resume=resume) / "checkpoints" / "best.safetensors")

    single, half = trained("single"), trained("half", "train.precision=bfloat16")
    again = trained("again", "train.precision=bfloat16")
    assert {value.dtype for value in half.values() if value.is_floating_point()} == {torch.float32}
    assert all(torch.equal(half[name], again[name]) for name in half)
    assert not all(torch.equal(half[name], single[name]) for name in half)
    table = pl.read_parquet(tmp_path / "half" / "predictions.parquet")
    assert table["y_score"].is_between(0, 1).all()
    with pytest.raises(StaleInputError, match=r"another train\.precision"):
        trained("single", "train.precision=bfloat16", resume=True)


@pytest.mark.parametrize(
    ("precision", "device", "named"),
    [
        ("auto", "cpu", "32-true"),
        ("auto", "cuda", "16-mixed"),
        ("single", "cuda", "32-true"),
        ("bfloat16", "cpu", "bf16-mixed"),
        ("bfloat16", "cuda", "bf16-mixed"),
    ],
)
def test_a_precision_is_named_as_lightning_does(precision: str, device: str, named: str) -> None:
    assert lightning_precision(precision, device) == named


@pytest.mark.parametrize("amx", [True, False])
def test_bfloat16_on_a_processor_without_its_units_is_called_slow(
    amx: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx}, raising=False)
    lightning_precision("bfloat16", "cpu")
    assert ("no units for bfloat16" in capsys.readouterr().err) is not amx


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_the_focal_loss_has_a_slope_where_the_network_is_sure(gamma: float) -> None:
    """Bug: with a gamma below 1 the gradient of a logit of 18 was not a number, and the weights were lost."""
    logit = torch.tensor([[18.0], [-18.0], [120.0], [-120.0], [0.0]], requires_grad=True)
    label = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0])
    label_loss(logit, label, torch.ones(5), focal_gamma=gamma).backward()  # type: ignore[no-untyped-call]
    assert logit.grad is not None and torch.isfinite(logit.grad).all() and logit.grad[-1] < 0


def test_val_is_judged_by_the_network_that_is_kept(data: Data, tmp_path: Path) -> None:
    """Bug: loss and F1 of val were those of the network before the correction of its prior."""
    run = train(*data, recipe("train.sampler=weighted", "train.monitor=loss"), tmp_path / "run")
    told = read_json(run / "checkpoints" / "best.json")
    table = pl.read_parquet(run / "predictions.parquet").filter(pl.col("subset") == "val")
    logit = torch.logit(torch.tensor(table["y_score"].to_list(), dtype=torch.float64))
    found = validation_figures(logit, torch.tensor(table["y_true"].to_list(), dtype=torch.float64))
    assert told["prior_shift"] != 0
    assert told["val"] == pytest.approx(found, abs=1e-5)


def test_more_retries_go_on_with_the_begun_training(tmp_path: Path) -> None:
    """Bug: raising `train.retries`, as one does after losing machines, made the begun training another one."""
    write_json(tmp_path / NAME, describe_inputs(recipe("train.retries=2"), "c", "s"))
    assert_same_inputs(tmp_path, describe_inputs(recipe("train.retries=9"), "c", "s"))
    kept = read_json(tmp_path / NAME)
    write_json(tmp_path / NAME, {**kept, "train": {**kept["train"], "retries": 1}})  # as an earlier version kept it
    assert_same_inputs(tmp_path, describe_inputs(recipe("train.retries=9"), "c", "s"))


@pytest.mark.parametrize(("asked", "threads"), [("", 3), ("4,2", 4), ("all", 3), ("0", 3), (" 2", 2)])
def test_threads_were_as_many_as_cores_that_the_process_may_not_use(
    monkeypatch: pytest.MonkeyPatch, asked: str, threads: int
) -> None:
    """Where OMP_NUM_THREADS is no plain number the training ended in a defect."""
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setattr(fit, "usable_cpus", lambda: 3)
    assert fit._threads(recipe("train.threads=null")) == threads
