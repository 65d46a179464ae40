"""EMA of weights, warm-up and cosine, and the decision for a location head."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from test_resume import stop_after
from tiny_training import Data, recipe

from colles.core.files import read_json
from colles.core.recipe import ModelRecipe, PreprocessRecipe
from colles.core.schema import BOX_DTYPE
from colles.datasets.catalog import Catalog
from colles.datasets.split import make_split
from colles.learning.checkpoint import load_classifier
from colles.learning.models import LocationClassifier, create_model
from colles.learning.training import train
from colles.learning.training.fit import decide_location
from colles.learning.training.module import cosine_share, running_mean

pytestmark = pytest.mark.filterwarnings("ignore")


def with_boxes(data: Data) -> Data:
    """Give every fractured image a box in its middle."""
    catalog, _ = data
    middle = pl.lit([{"x1": 10.0, "y1": 10.0, "x2": 30.0, "y2": 30.0, "name": None}], dtype=BOX_DTYPE)
    nothing = pl.lit([], dtype=BOX_DTYPE)
    boxes = pl.when(pl.col("label") == 1).then(middle).otherwise(nothing)
    boxed = Catalog(catalog.frame.with_columns(boxes.alias("boxes")))
    return boxed, make_split(boxed, recipe().split)


def moved(model: torch.nn.Module, updates: int, decay: float) -> list[float]:
    """Return the mean of one bias after each update; the bias grows by 1 before each but the first."""
    average, found = running_mean(model, decay), []  # type: ignore[arg-type]
    for update in range(updates):
        if update:
            with torch.no_grad():
                model.head.bias += 1.0  # type: ignore[union-attr, operator]
        average.update_parameters(model)
        found.append(float(average.module.head.bias.detach()))  # type: ignore[union-attr, operator]
    return found


def test_the_mean_follows_the_papers_recursion_with_a_rising_decay() -> None:
    model = create_model(ModelRecipe(name="timm:test_resnet", weights="none"), PreprocessRecipe(size=64))
    start = float(model.head.bias.detach())
    expected = [start]
    for n in range(1, 6):
        decay = min(0.3, (1 + n) / (10 + n))  # 2/11, 3/12, then 0.3
        expected.append(decay * expected[-1] + (1 - decay) * (start + n))
    assert moved(model, 6, 0.3) == pytest.approx(expected, abs=1e-6)


def test_a_short_training_does_not_keep_what_it_began_with() -> None:
    model = create_model(ModelRecipe(name="timm:test_resnet", weights="none"), PreprocessRecipe(size=64))
    start = float(model.head.bias.detach())
    assert moved(model, 101, 0.998)[-1] - start > 75  # of 100; a decay of 0.998 from the first update has 9


def test_the_rate_rises_then_falls_to_one_percent() -> None:
    shares = [cosine_share(step, steps=110, warmup=10) for step in range(111)]
    assert shares[:2] == [0.1, 0.2] and shares[10] == 1.0
    assert shares[60] == pytest.approx(0.505) and shares[110] == pytest.approx(0.01)
    assert shares[10:] == sorted(shares[10:], reverse=True)


def test_a_location_head_is_there_where_boxes_are(data: Data) -> None:
    assert decide_location(recipe(), *data).model.location == "off"
    boxed = with_boxes(data)
    assert decide_location(recipe(), *boxed).model.location == "on"
    assert decide_location(recipe("model.location=off"), *boxed).model.location == "off"
    without = recipe("model.name=simple_cnn", "model.weights=none")
    assert decide_location(without, *boxed).model.location == "off"


@pytest.mark.slow
def test_a_killed_training_with_map_and_mean_goes_on_to_the_last_bit(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog, split = with_boxes(data)
    settings = recipe("train.ema=0.8", "train.scheduler=cosine", "train.warmup_steps=2", "train.canvas=80")
    whole = train(catalog, split, settings, tmp_path / "whole")
    stop_after(monkeypatch, 2, RuntimeError("killed"))
    with pytest.raises(RuntimeError, match="killed"):
        train(catalog, split, settings, tmp_path / "killed")
    killed = train(catalog, split, settings, tmp_path / "killed", resume=True)
    first, second = (load_file(run / "checkpoints" / "last.safetensors") for run in (whole, killed))
    assert all(torch.equal(first[key], second[key]) for key in first)
    model, _ = load_classifier(whole)
    assert isinstance(model, LocationClassifier)
    assert read_json(whole / "checkpoints" / "best.json")["model"]["location"] == "on"


def test_random_weights_have_no_stage_for_the_head_alone(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("colles.learning.models.base.FractureClassifier.pretrained", False)
    run = train(*data, recipe("train.epochs=1"), tmp_path / "run")
    assert pl.read_csv(run / "metrics.csv")["stage"].to_list() == ["all"]
