"""A head that tells the body part learns beside the network, moves its features, and is not kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from tiny_training import Data, recipe
from torch import nn

from colles.core.errors import InputError, RecipeError
from colles.learning.loaders.datamodule import RadiographDataModule
from colles.learning.models import create_model
from colles.learning.training import train
from colles.learning.training.losses import part_loss
from colles.learning.training.mixup import mix_pairs
from colles.learning.training.module import ClassifierModule

pytestmark = pytest.mark.filterwarnings("ignore")
PARTS = ("wrist", "hand", None)


def with_parts(data: Data, *parts: str | None) -> Data:
    """Return the data with body parts in turn."""
    catalog, split = data
    named = [parts[number % len(parts)] for number in range(len(catalog.frame))]
    return catalog.with_columns(body_part=pl.Series(named, dtype=pl.String)), split


def modules(data: Data, *overrides: str) -> RadiographDataModule:
    settings = recipe("train.part_weight=0.5", *overrides)
    return RadiographDataModule(*data, settings.preprocess, settings.train, seed=0)


def test_the_loss_is_cross_entropy_over_the_parts_that_are_known() -> None:
    logits, known = torch.randn(4, 3), torch.tensor([0, 2, 1])
    part = torch.cat([nn.functional.one_hot(known, 3).float(), torch.zeros(1, 3)])
    expected = nn.functional.cross_entropy(logits[:3], known)
    assert part_loss(logits, part, torch.ones(4)) == pytest.approx(float(expected))
    broken = torch.tensor([1.0, 1.0, 0.0, 1.0])
    assert part_loss(logits, part, broken) == pytest.approx(float(nn.functional.cross_entropy(logits[:2], known[:2])))
    assert part_loss(logits, torch.zeros(4, 3), torch.ones(4)) == 0.0


def test_examples_say_the_part_of_their_own_image(data: Data) -> None:
    found = modules(with_parts(data, *PARTS))
    assert found.part_names == ["hand", "wrist"]
    examples = found.training_dataset()
    rows = found.rows("train")
    for number in range(len(examples)):
        name = found.listing.rows[int(rows[number])].body_part
        assert examples[number]["part"].tolist() == [float(name == "hand"), float(name == "wrist")]
    assert "part" not in RadiographDataModule(*data, recipe().preprocess, recipe().train, seed=0).training_dataset()[0]


def test_parts_are_shuffled_with_the_labels_and_blended_with_the_pictures(data: Data) -> None:
    plain, mixed = (modules(with_parts(data, *PARTS), *more) for more in ((), ("train.random_labels=true",)))
    train_rows = plain.rows("train")
    assert not np.array_equal(plain.parts[train_rows], mixed.parts[train_rows])
    pairs = [
        sorted(zip(each.labels[train_rows].tolist(), each.parts[train_rows].tolist(), strict=True))
        for each in (plain, mixed)
    ]
    assert pairs[0] == pairs[1]
    batch: dict[str, Any] = {"image": torch.zeros(2, 1, 4, 4), "label": torch.tensor([0.0, 1.0])}
    batch |= {"weight": torch.ones(2), "part": torch.eye(2)}
    torch.manual_seed(2)
    blended = mix_pairs(batch, 1.0)
    assert torch.allclose(blended["part"][:, 1], blended["label"])


def test_it_learns_in_the_second_stage_at_the_rate_of_new_layers() -> None:
    settings = recipe("train.part_weight=0.5", "train.lr=0.01", "train.new_layers_lr=0.1")
    model = create_model(settings.model, settings.preprocess)
    shared: dict[str, Any] = {"seed": 0, "first_epoch": 0, "steps": 9, "positive_weight": 3.0, "parts": 2}
    assert ClassifierModule(model, settings.train, stage="head", **shared).part_head is None
    module = ClassifierModule(model, settings.train, stage="all", **shared)
    assert module.part_head is not None
    new = module.configure_optimizers().param_groups[-1]
    assert new["lr"] == 0.1 and any(each is module.part_head.weight for each in new["params"])
    batch = {"image": torch.rand(4, 3, 32, 32), "label": torch.tensor([0.0, 1.0, 0.0, 1.0]), "weight": torch.ones(4)}
    batch["part"] = torch.eye(2).repeat(2, 1)
    found = model.training_outputs(batch["image"], batch)
    without = ClassifierModule(model, settings.train, stage="all", **{**shared, "parts": 0}).loss(found, batch)
    assert float(module.loss(found, batch) - without) == pytest.approx(0.5 * np.log(2), rel=1e-5)  # knows nothing yet


@pytest.mark.slow
def test_a_training_with_it_ends_in_other_weights_of_the_same_names_each_time_alike(
    data: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = with_parts(data, *PARTS)
    runs = [("none", "0"), ("one", "2.0"), ("two", "2.0")]
    for name, weight in runs:
        train(*named, recipe(f"train.part_weight={weight}", "train.ema=0.9"), tmp_path / name)
    assert "tells body parts: hand, wrist" in "".join(capsys.readouterr())
    none, one, two = (load_file(tmp_path / name / "checkpoints" / "last.safetensors") for name, _ in runs)
    assert none.keys() == one.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert any(not torch.equal(none[key], one[key]) for key in one)
    state = torch.load(tmp_path / "one" / "checkpoints" / "resume_all.ckpt", weights_only=True)["state_dict"]
    assert state["part_head.weight"].abs().sum() > 0  # which a resumed training goes on with


def test_a_head_with_nothing_to_tell_apart_is_one_line(data: Data) -> None:
    for parts in (("wrist",), (None,)):
        with pytest.raises(InputError, match=r"train\.part_weight: the catalog names no two"):
            modules(with_parts(data, *parts))


def test_a_second_look_has_no_part(data: Data, tmp_path: Path) -> None:
    settings = recipe(
        "model.second_look=on", "model.location=on", "model.weights=some", "preprocess.size=256", "train.part_weight=1"
    )
    with pytest.raises(RecipeError, match=r"train\.part_weight: a second look"):
        train(*data, settings, tmp_path / "run")
