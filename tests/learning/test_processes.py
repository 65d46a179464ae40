"""Two processes train like one: equal shares, no image twice, and the weights of a single process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from tiny_training import Data, recipe

from colles.core.errors import RecipeError, TrainingError
from colles.learning.loaders.samplers import EpochSampler
from colles.learning.training import train
from colles.learning.training.module import ClassifierModule

SETTINGS = ("model.name=simple_cnn", "model.dropout=0", "train.head_epochs=0", "train.epochs=2", "train.sampler=plain")


def test_two_shares_are_the_batches_of_one() -> None:
    drawn = np.arange(100, 123)
    whole = list(EpochSampler(drawn, 4))
    shares = [list(EpochSampler(drawn, 4, rank=rank, world=2)) for rank in (0, 1)]
    assert (
        [len(share) for share in shares] == [11, 11] == [len(EpochSampler(drawn, 4, rank=r, world=2)) for r in (0, 1)]
    )
    assert not set(shares[0]) & set(shares[1])
    for start in range(0, 20, 4):
        both = [draw for share in shares for draw in share[start // 2 : start // 2 + 2]]
        assert sorted(both) == whole[start : start + 4]


def test_what_cannot_be_shared() -> None:
    with pytest.raises(RecipeError, match="cannot be shared by 3 processes"):
        recipe("train.processes=3", "train.batch_size=8")
    with pytest.raises(RecipeError, match="gradual unfreezing needs one process"):
        recipe("train.processes=2", "train.unfreeze_every=1")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_processes_end_in_the_weights_of_one(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = ClassifierModule.training_step

    def note(self: ClassifierModule, batch: dict[str, Any], index: int) -> Any:
        with open(tmp_path / f"seen-{self.trainer.world_size}-{self.global_rank}-{self.run_epoch}.txt", "a") as file:
            file.write(" ".join(map(str, batch["index"].tolist())) + " ")
        return step(self, batch, index)

    monkeypatch.setattr(ClassifierModule, "training_step", note)
    one = train(*data, recipe(*SETTINGS), tmp_path / "one")
    two = train(*data, recipe(*SETTINGS, "train.processes=2"), tmp_path / "two")
    for epoch in (0, 1):
        whole, first, second = (
            (tmp_path / f"seen-{name}-{epoch}.txt").read_text().split() for name in ("1-0", "2-0", "2-1")
        )
        assert len(first) == len(second) == len(whole) / 2
        assert sorted(first + second) == sorted(whole)
        assert len(set(first + second)) == len(whole)
    assert pl.read_csv(two / "metrics.csv")["epoch"].to_list() == [0, 1]
    first_weights, second_weights = (load_file(run / "checkpoints" / "last.safetensors") for run in (one, two))
    assert all(torch.allclose(value, second_weights[key], atol=1e-5) for key, value in first_weights.items())
    scores = [pl.read_parquet(run / "predictions.parquet")["y_score"].to_numpy() for run in (one, two)]
    np.testing.assert_allclose(*scores, atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_loss_that_diverges_in_a_process_is_one_line(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ClassifierModule, "loss", lambda self, found, batch: found["logit"].sum() * float("nan"))
    with pytest.raises(TrainingError, match="the loss is nan at step 0 of epoch 0"):
        train(*data, recipe(*SETTINGS, "train.processes=2"), tmp_path / "run")
