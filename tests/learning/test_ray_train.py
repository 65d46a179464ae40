"""Two machines of a cluster train like one process, also where one of them is lost on the way."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from tiny_training import Data, recipe

from colles.core.recipe_text import save_recipe
from colles.learning.devices import choose_device
from colles.learning.training import train
from colles.learning.training.ray_train import _reason
from ray_alone import run_alone

SCRIPT = Path(__file__).with_name("ray_training.py")
SETTINGS = ("model.name=simple_cnn", "model.dropout=0", "train.head_epochs=0", "train.epochs=6", "train.patience=6",
            "train.sampler=plain")  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_loses_a_machine_ends_in_the_weights_of_one_process(data: Data, tmp_path: Path) -> None:
    pytest.importorskip("ray.train", reason="needs pip install 'colles[ray]'")
    one = train(*data, recipe(*SETTINGS), tmp_path / "one")
    catalog, split = data[0].save(tmp_path / "catalog.parquet"), data[1].save(tmp_path / "split.csv")
    shared = save_recipe(recipe(*SETTINGS, "train.processes=2", "train.engine=ray"), tmp_path / "recipe.yaml")
    told = run_alone(SCRIPT, catalog, split, shared, tmp_path / "two")
    lost = re.search(r"lost after (\d) epochs", told)
    assert lost is not None and 1 <= int(lost[1]) < 6, told
    two = tmp_path / "two"
    assert pl.read_csv(two / "metrics.csv")["epoch"].to_list() == list(range(6))
    first, second = (load_file(run / "checkpoints" / "last.safetensors") for run in (one, two))
    assert all(torch.allclose(value, second[key], atol=1e-5) for key, value in first.items())
    scores = [pl.read_parquet(run / "predictions.parquet")["y_score"].to_numpy() for run in (one, two)]
    np.testing.assert_allclose(*scores, atol=1e-4)


def test_the_reason_of_a_failure_is_its_last_error() -> None:
    text = "Training failed:\nTraceback\n  File\ncolles.core.errors.TrainingError: the loss is nan at step 0\n"
    assert _reason(RuntimeError(text)) == "the loss is nan at step 0"
    assert _reason(RuntimeError("gone")) == "gone"


def test_a_clusters_gpus_need_not_be_here() -> None:
    assert choose_device(recipe("train.engine=ray", "train.device=cuda").train) == "cuda"
    assert choose_device(recipe("train.engine=ray").train) == "cpu"
