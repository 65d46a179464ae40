"""Drawn radiographs to train on, and a canvas cache of the tests' own."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tiny_training import recipe

from colles.datasets.catalog import Catalog, build_catalog
from colles.datasets.sources import create_source
from colles.datasets.split import Split, make_split


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalog, Split]:
    """Return 48 drawn images: a bright spot marks the fractured ones."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number in range(48):
        place = folder / ("fractured" if number % 3 == 0 else "normal")
        place.mkdir(exist_ok=True)
        pixels = rng.integers(40, 120, (36, 36), dtype=np.uint8)
        if number % 3 == 0:
            pixels[14:22, 14:22] = 250
        Image.fromarray(pixels).save(place / f"{number}-a.png")
    catalog = build_catalog([create_source("folder", folder)], workers=1)
    return catalog, make_split(catalog, recipe().split)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep caches of tests out of the user's folder."""
    monkeypatch.setenv("COLLES_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(autouse=True)
def stand_in_for_pretrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tiny random networks pass for pretrained ones, so that the stage of the head alone takes place."""
    monkeypatch.setattr("colles.learning.models.base.FractureClassifier.pretrained", True)
