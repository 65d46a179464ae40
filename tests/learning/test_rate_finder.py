"""The search for a learning rate: it stops where the loss bursts and names the steepest fall."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tiny_training import Data, recipe

from colles.core.errors import TrainingError
from colles.core.files import read_json
from colles.learning.training.rate_finder import RateCurve, find_rate


def test_the_steepest_fall_is_suggested_and_no_fall_is_an_error(tmp_path: Path) -> None:
    rates = np.logspace(-6, 0, 61)
    falling = RateCurve(rates.tolist(), (1 / (1 + np.exp(4 * (np.log10(rates) + 3)))).tolist())
    assert falling.suggestion == pytest.approx(1e-3, rel=0.1)
    falling.save(tmp_path)
    assert read_json(tmp_path / "rate_finder.json")["suggestion"] == falling.suggestion
    assert pl.read_csv(tmp_path / "rate_finder.csv").columns == ["lr", "loss"]
    assert (tmp_path / "rate_finder.png").stat().st_size > 1000
    with pytest.raises(TrainingError, match="falls at no rate"):
        _ = RateCurve([1e-3, 1e-2, 1e-1], [0.7, 0.7, 0.8]).suggestion
    with pytest.raises(TrainingError, match="falls at no rate"):
        _ = RateCurve([1e-3], [0.7]).suggestion


def test_rates_rise_until_the_loss_bursts_and_repeat_by_seed(data: Data) -> None:
    settings = recipe("model.name=simple_cnn", "train.optimizer=sgd")
    first, again = (find_rate(*data, settings, steps=25) for _ in range(2))
    assert first == again
    assert first.rates == sorted(first.rates)
    assert 1e-6 == first.rates[0] < first.suggestion < 1.0
