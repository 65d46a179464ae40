"""Hand-made catalogs and pictures for the tests of the audit and the split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
from PIL import Image

from colles.core.files import sha256_file
from colles.core.schema import CATALOG_SCHEMA
from colles.datasets.catalog import Catalog


def catalog_of(rows: list[dict[str, Any]]) -> Catalog:
    """Build a catalog from partial rows; every row needs an image_id."""
    full = []
    for row in rows:
        image = row["image_id"]
        base = {"source": image.split("/")[0], "path": f"/nowhere/{image}", "status": "ok", "group_id": image}
        full.append({**dict.fromkeys(CATALOG_SCHEMA), **base, **row})
    return Catalog(pl.DataFrame(full, schema=CATALOG_SCHEMA))


def numbered(count: int, *, positive_every: int = 4, source: str = "atlas") -> list[dict[str, Any]]:
    """Return rows of files numbered from 0 without any patient, every fourth fractured."""
    return [
        {"image_id": f"{source}/images/IMG{number:07d}.jpg", "label": int(number % positive_every == 0)}
        for number in range(count)
    ]


def texture(seed: int, height: int = 300, width: int = 240) -> np.ndarray:
    """Draw a grey picture (H, W) with coarse and fine structure; seeds give different pictures."""
    rng = np.random.default_rng(seed)
    coarse = cv2.GaussianBlur(rng.normal(size=(height, width)), (0, 0), 25)
    fine = cv2.GaussianBlur(rng.normal(size=(height, width)), (0, 0), 3)
    mixed = coarse / coarse.std() + 0.5 * fine / fine.std()
    return np.asarray(np.clip(128 + 40 * mixed, 0, 255), dtype=np.uint8)


def store(folder: Path, name: str, pixels: np.ndarray, **options: Any) -> dict[str, Any]:
    """Save a picture and return its row."""
    path = folder / name
    Image.fromarray(pixels).save(path, **options)
    return {"image_id": f"set/{name}", "path": str(path), "sha256": sha256_file(path), "label": 0}
