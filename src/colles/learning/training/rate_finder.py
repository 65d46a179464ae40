"""Look for a learning rate: raise it step by step and watch the loss (Smith LN, arXiv:1506.01186)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from colles.core.errors import TrainingError
from colles.core.files import write_bytes, write_json
from colles.core.progress import track
from colles.core.recipe import Recipe
from colles.core.tables import write_table
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.learning.training.module import ClassifierModule
from colles.reporting.figures.style import BLUE, GREY, draw

LOW, HIGH, STEPS = 1e-6, 1.0, 80
_SMOOTH = 0.9
"""Share of the past in the running mean of the loss."""
_BURST = 4.0
"""The search ends where the smoothed loss is so many times its least."""


@dataclass(frozen=True)
class RateCurve:
    """Loss by learning rate."""

    rates: list[float]
    losses: list[float]
    """Smoothed."""

    @property
    def suggestion(self) -> float:
        """Where the loss falls most steeply over the rate's logarithm; `TrainingError` where it never falls."""
        slopes = np.gradient(np.asarray(self.losses), np.log(self.rates)) if len(self.rates) > 2 else np.zeros(1)
        if not slopes.min() < 0:
            raise TrainingError("the loss falls at no rate", field="train.lr", repair="Check labels and preprocessing")
        return float(f"{self.rates[int(slopes.argmin())]:.2g}")

    def save(self, folder: Path) -> None:
        """Write rate_finder.csv, .json and .png."""
        write_table(pl.DataFrame({"lr": self.rates, "loss": self.losses}), folder / "rate_finder.csv")
        write_json(folder / "rate_finder.json", {"suggestion": self.suggestion, "steps": len(self.rates)})

        def paint(figure: Any) -> None:
            axes = figure.subplots()
            axes.semilogx(self.rates, self.losses, color=BLUE)
            axes.axvline(self.suggestion, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
            axes.set(xlabel="Learning rate", ylabel="Loss, smoothed", title=f"Steepest fall at {self.suggestion:g}")

        write_bytes(folder / "rate_finder.png", draw("rate_finder", "Loss by learning rate", (4.5, 3.0), paint).png)


def find_rate(catalog: Catalog, split: Split, recipe: Recipe, *, steps: int = STEPS) -> RateCurve:
    """Train a copy of the network for `steps` steps at rising rates (all layers of the second stage); keep nothing."""
    from colles.learning.training.fit import prepare

    data, model, recipe = prepare(catalog, split, recipe)
    module = ClassifierModule(
        model,
        recipe.train.model_copy(update={"scheduler": "none", "ema": None}),
        stage="all",
        seed=recipe.seed,
        first_epoch=0,
        steps=steps,
        positive_weight=data.positive_weight(),
    )
    module.train()
    optimizer = module.configure_optimizers()
    base = [group["lr"] for group in optimizer.param_groups]
    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    for step, batch in enumerate(track(itertools.islice(_batches(data), steps), "rates", total=steps)):
        rate = LOW * (HIGH / LOW) ** (step / max(1, steps - 1))
        for group, own in zip(optimizer.param_groups, base, strict=True):
            group["lr"] = rate * own / base[0]
        loss = _step(module, optimizer, batch, step)
        mean = _SMOOTH * mean + (1.0 - _SMOOTH) * loss
        smooth = mean / (1.0 - _SMOOTH ** (step + 1))
        if not math.isfinite(smooth) or (losses and smooth > _BURST * min(losses)):
            break
        rates.append(rate)
        losses.append(smooth)
    return RateCurve(rates, losses)


def _batches(data: Any) -> Iterator[dict[str, Any]]:
    for data.epoch in itertools.count():
        yield from data.train_dataloader()


def _step(module: ClassifierModule, optimizer: torch.optim.Optimizer, batch: dict[str, Any], step: int) -> float:
    torch.manual_seed(step)
    images = batch["image"].contiguous(memory_format=torch.channels_last)
    loss = module.loss(module.model.training_outputs(images, batch), batch)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    if module.recipe.clip:
        torch.nn.utils.clip_grad_norm_(module.model.parameters(), module.recipe.clip)
    optimizer.step()
    return float(loss.detach())
