"""A training of seconds: its recipe, and the same data with files gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from colles.core.recipe import Recipe
from colles.core.recipe_text import recipe_from
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split

Data = tuple[Catalog, Split]


def recipe(*overrides: str) -> Recipe:
    tiny: dict[str, Any] = {
        "preprocess": {"size": 32},
        "model": {"name": "timm:test_efficientnet", "weights": "none"},
        "split": {"val": 0.25, "test": 0.25},
        "train": {"head_epochs": 1, "epochs": 2, "batch_size": 8, "lr": 1e-3, "threads": 1, "allocator": False},
    }
    return recipe_from(tiny, overrides)


def broken(data: tuple[Catalog, Split], tmp_path: Path, count: int) -> tuple[Catalog, Split]:
    """Return the same data with `count` train files gone."""
    catalog, split = data
    gone = split.subset("train")[:count]
    path = pl.when(pl.col("image_id").is_in(gone)).then(pl.lit(str(tmp_path / "gone.png"))).otherwise(pl.col("path"))
    return catalog.with_columns(path=path), split
