"""Scores of a trained classifier on a subset, without augmentation."""

from __future__ import annotations

import polars as pl
import torch

from colles.core.progress import track
from colles.learning.loaders.datamodule import RadiographDataModule
from colles.learning.models import FractureClassifier

SCHEMA = {
    "image_id": pl.String,
    "group_id": pl.String,
    "subset": pl.String,
    "y_true": pl.Int8,
    "y_score": pl.Float64,
}


@torch.no_grad()
def predict_subset(model: FractureClassifier, data: RadiographDataModule, subset: str) -> pl.DataFrame:
    """Return image_id, group_id, subset, y_true, y_score; broken files are left out.

    Computed where `model` is, on a GPU in full single precision too.
    """
    model.eval()
    device = next(model.parameters()).device
    loader = data.plain_loader(subset)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        batches = track(loader, f"predict {subset}", total=len(loader))
        parts = [model(batch["image"].to(device))[:, 0].cpu() for batch in batches]
    rows = data.rows(subset)
    score = torch.sigmoid(torch.cat(parts).double()).tolist() if parts else []
    table = data.listing.table(rows).rename({"label": "y_true"})
    table = table.with_columns(pl.Series("y_score", score, dtype=pl.Float64))
    readable: pl.DataFrame = table.filter(pl.Series(data.weights[rows] > 0))
    return readable.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
