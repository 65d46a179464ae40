"""A training killed by the system, twice, ends in the same bits as one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from tiny_training import Data, recipe

from colles.core.recipe_text import save_recipe
from colles.learning.training import train

SCRIPT = """
import sys
from pathlib import Path
from colles.core.recipe_text import load_recipe
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.learning.training import train

catalog, split, recipe, out = map(Path, sys.argv[1:])
train(Catalog.load(catalog), Split.load(split), load_recipe(recipe), out, resume=out.exists())
"""
# no stage for the head alone: in a process of its own the tiny network does not pass for a pretrained one
OPTIONS = (
    "train.head_epochs=0",
    "train.epochs=4",
    "train.ema=0.9",
    "train.mixup=0.2",
    "train.sampler=balanced_batches",
    "train.unfreeze_every=2",
    "train.scheduler=cosine",
    "model.dropout=0.3",
)


def kill_after(command: list[str], metrics: Path, epochs: int) -> None:
    """Start a command and kill it, without a chance to tidy up, when `epochs` epochs are in the log."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        if metrics.is_file() and len(metrics.read_text().splitlines()) > epochs:
            os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.01)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_killed_by_the_system_twice(data: Data, tmp_path: Path) -> None:
    settings = recipe(*OPTIONS)
    files = [data[0].save(tmp_path / "catalog.parquet"), data[1].save(tmp_path / "split.csv")]
    files += [save_recipe(settings, tmp_path / "recipe.yaml"), tmp_path / "killed"]
    command = [sys.executable, "-c", SCRIPT, *map(str, files)]
    metrics = tmp_path / "killed" / "metrics.csv"
    kill_after(command, metrics, 1)
    kill_after(command, metrics, 3)
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    whole = train(*data, settings, tmp_path / "whole")
    for name in ("best", "last"):
        first, second = (load_file(run / "checkpoints" / f"{name}.safetensors") for run in (whole, tmp_path / "killed"))
        assert all(torch.equal(value, second[key]) for key, value in first.items())
    scores = [pl.read_parquet(run / "predictions.parquet") for run in (whole, tmp_path / "killed")]
    assert scores[0].equals(scores[1])
    assert pl.read_csv(metrics)["epoch"].to_list() == list(range(4))
