"""Planted copies among real radiographs, which look far more alike than textures do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from frames import catalog_of, store
from PIL import Image

from colles.core.recipe import AuditRecipe
from colles.datasets.audit import audit_catalog
from colles.imaging.read import read_image, to_grey

ROOT = Path(os.environ.get("COLLES_DATA") or Path(__file__).parents[2] / ".." / "shared" / "data")
FOLDER = ROOT / "FracAtlas" / "images" / "Fractured"
CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "half": lambda grey: grey[::2, ::2],
    "brighter": lambda grey: np.minimum(grey * 1.2, 255).astype(np.uint8),
    "turned": np.rot90,
    "mirrored": np.fliplr,
    "negative": lambda grey: 255 - grey,
    "cropped": lambda grey: grey[grey.shape[0] // 12 :, : -grey.shape[1] // 11],
    "turned by 8°": lambda grey: np.asarray(Image.fromarray(grey).rotate(8, Image.Resampling.BILINEAR)),
    "marker": lambda grey: painted(grey),
}


def painted(grey: np.ndarray) -> np.ndarray:
    """Paint a white rectangle over a sixth of the width."""
    grey = grey.copy()
    height, width = grey.shape
    grey[height // 8 : height // 5, width // 2 : width * 2 // 3] = 255
    return grey


@pytest.mark.real_data
@pytest.mark.skipif(not FOLDER.is_dir(), reason="FracAtlas is not there (COLLES_DATA or ../shared/data)")
def test_planted_copies_are_found_and_strangers_stay_apart(tmp_path: Path) -> None:
    files = sorted(FOLDER.glob("*.jpg"))[::35][:15]
    rows, planted = [], set()
    for file in files[:8]:
        grey = to_grey(read_image(file))
        rows.append(store(tmp_path, f"{file.stem}.png", grey))
        rows.append(store(tmp_path, f"{file.stem}-jpeg.jpg", grey, quality=30))
        for name, change in CHANGES.items():
            rows.append(store(tmp_path, f"{file.stem}-{name}.png", np.ascontiguousarray(change(grey))))
        planted.add(frozenset(row["image_id"] for row in rows[-2 - len(CHANGES) :]))
    audit = audit_catalog(catalog_of(rows), AuditRecipe())
    groups = audit.clusters.group_by("group_id").agg("image_id")["image_id"].to_list()
    assert {frozenset(group) for group in groups} == planted
