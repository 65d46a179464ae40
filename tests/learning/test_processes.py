"""Two processes train like one: equal shares, no image twice, and the weights of a single process."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
import pytest
import torch
from pytorch_lightning.strategies import DDPStrategy
from safetensors.torch import load_file
from tiny_training import Data, recipe
from torch.multiprocessing.spawn import ProcessRaisedException

from colles.core.errors import RecipeError, StaleInputError, TrainingError
from colles.learning.loaders.samplers import EpochSampler
from colles.learning.models import FractureClassifier
from colles.learning.training import processes, train
from colles.learning.training.module import ClassifierModule

T = TypeVar("T")
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


def in_a_fresh_process(work: Callable[[Data, Path], T], data: Data, out: Path) -> T:
    """Run what replaces a method where nothing else has run, so that the training may fork and takes it along."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, data, out).result()


def train_by_one_and_by_two(data: Data, out: Path) -> None:
    """Train twice and note which images each process saw."""
    step = ClassifierModule.training_step

    def note(self: ClassifierModule, batch: dict[str, Any], index: int) -> Any:
        with open(out / f"seen-{self.trainer.world_size}-{self.global_rank}-{self.run_epoch}.txt", "a") as file:
            file.write(" ".join(map(str, batch["index"].tolist())) + " ")
        return step(self, batch, index)

    ClassifierModule.training_step = note  # type: ignore[method-assign]
    train(*data, recipe(*SETTINGS), out / "one")
    train(*data, recipe(*SETTINGS, "train.processes=2"), out / "two")


def assert_alike(one: Path, two: Path) -> None:
    first, second = (load_file(run / "checkpoints" / "last.safetensors") for run in (one, two))
    assert all(torch.allclose(value, second[key], atol=1e-5) for key, value in first.items())
    scores = [pl.read_parquet(run / "predictions.parquet")["y_score"].to_numpy() for run in (one, two)]
    np.testing.assert_allclose(*scores, atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_processes_end_in_the_weights_of_one(data: Data, tmp_path: Path) -> None:
    in_a_fresh_process(train_by_one_and_by_two, data, tmp_path)
    for epoch in (0, 1):
        whole, first, second = (
            (tmp_path / f"seen-{name}-{epoch}.txt").read_text().split() for name in ("1-0", "2-0", "2-1")
        )
        assert len(first) == len(second) == len(whole) / 2
        assert sorted(first + second) == sorted(whole)
        assert len(set(first + second)) == len(whole)
    assert pl.read_csv(tmp_path / "two" / "metrics.csv")["epoch"].to_list() == [0, 1]
    assert_alike(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_processes_could_not_train_where_a_network_had_been_exported_before(data: Data, tmp_path: Path) -> None:
    layer = torch.nn.Linear(2, 1).eval()
    torch.onnx.export(layer, (torch.ones(1, 2),), tmp_path / "layer.onnx", dynamo=True, verbose=False)
    layer(torch.ones(1, 2)).sum().backward()
    one = train(*data, recipe(*SETTINGS), tmp_path / "one")
    assert_alike(one, train(*data, recipe(*SETTINGS, "train.processes=2"), tmp_path / "two"))


def train_the_head_first(data: Data, out: Path) -> None:
    FractureClassifier.pretrained = True
    settings = (*SETTINGS, "train.head_epochs=1", "train.epochs=1", "train.ema=0.9")
    train(*data, recipe(*settings), out / "one")
    train(*data, recipe(*settings, "train.processes=2"), out / "two")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_processes_ended_after_the_stage_of_the_head(data: Data, tmp_path: Path) -> None:
    """Each training from pretrained weights on several GPUs failed at its second stage: its strategy was used up."""
    in_a_fresh_process(train_the_head_first, data, tmp_path)
    assert pl.read_csv(tmp_path / "two" / "metrics.csv")["stage"].to_list() == ["head", "all"]
    assert_alike(tmp_path / "one", tmp_path / "two")


def test_processes_are_forked_unless_autograd_has_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for names, method in (["python"], "fork"), (["python", "pt_autograd_0"], "spawn"):
        monkeypatch.setattr(processes, "_threads", lambda names=names: iter(names))
        strategy = processes.create_strategy(2, "cpu")
        assert isinstance(strategy, DDPStrategy) and strategy._start_method == method


def train_without_a_loss(data: Data, out: Path) -> str:
    ClassifierModule.loss = lambda self, found, batch: found["logit"].sum() * float("nan")  # type: ignore[method-assign]
    with pytest.raises(TrainingError) as refused:
        train(*data, recipe(*SETTINGS, "train.processes=2"), out / "run")
    return str(refused.value)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_loss_that_diverges_in_a_process_is_one_line(data: Data, tmp_path: Path) -> None:
    assert "the loss is nan at step 0 of epoch 0" in in_a_fresh_process(train_without_a_loss, data, tmp_path)


def test_the_state_of_another_network_ended_in_torchs_words_in_a_process() -> None:
    said = "RuntimeError: Error(s) in loading state_dict for ClassifierModule:\n\tsize mismatch for model.head.weight"
    named = pytest.raises(StaleInputError, match="the state to go on from is another network's")
    with named, processes.readable_errors():
        raise ProcessRaisedException(said, 0, 1)
