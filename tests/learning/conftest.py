"""Drawn radiographs to train on, and a canvas cache of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from tiny_training import recipe

from colles.datasets.catalog import Catalog, build_catalog
from colles.datasets.sources import create_source
from colles.datasets.split import Split, make_split

if TYPE_CHECKING:
    from colles.core.recipe import PreprocessRecipe
    from colles.learning.models import FractureClassifier


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


@pytest.fixture(scope="session", autouse=True)
def graphs_made_once() -> Iterator[None]:
    """Let exports of equal networks share one graph: a test of its own proves that another has the same bytes."""
    from colles.learning.onnx_graph import export_graph

    made: dict[str, bytes] = {}

    def export(model: FractureClassifier, preprocess: PreprocessRecipe) -> bytes:
        digest = sha256(f"{model} {preprocess}".encode())
        for name, value in model.state_dict().items():
            digest.update(name.encode() + value.numpy().tobytes())
        key = digest.hexdigest()
        if key not in made:
            made[key] = export_graph(model, preprocess)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("colles.learning.export.export_graph", export)
        patch.setattr("colles.learning.weights_alone.export_graph", export)
        yield


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep caches of tests out of the user's folder."""
    monkeypatch.setenv("COLLES_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(autouse=True)
def stand_in_for_pretrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tiny random networks pass for pretrained ones, so that the stage of the head alone takes place."""
    monkeypatch.setattr("colles.learning.models.base.FractureClassifier.pretrained", True)
