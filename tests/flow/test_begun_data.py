"""Catalog and split that a training began with stay as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colles.core.errors import StaleInputError
from colles.core.files import write_json
from colles.core.recipe import Recipe
from colles.core.recipe_text import recipe_from
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.flow.export import load_split
from colles.flow.run import prepare_data
from colles.flow.workspace import Workspace


def draw(folder: Path, numbers: range) -> None:
    rng = np.random.default_rng(numbers.start)
    for number in numbers:
        path = folder / ("fractured" if number % 2 else "normal") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (40, 40), dtype=np.uint8)).save(path)


def recipe(folder: Path, *overrides: str) -> Recipe:
    shares = {"val": 0.25, "test": 0.25, "block": 1}
    sources = [{"kind": "folder", "path": str(folder)}]
    return recipe_from({"data": {"sources": sources, "workers": 1}, "split": shares}, overrides)


def digests(space: Workspace) -> dict[str, str]:
    return {"catalog": Catalog.load(space.catalog).digest, "split": Split.load(space.split).digest}


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    draw(tmp_path / "images", range(24))
    return prepare_data(recipe(tmp_path / "images"), tmp_path / "data")


def test_resumed_with_other_data_a_training_lost_the_catalog_and_split_it_had(space: Workspace, tmp_path: Path) -> None:
    """`--resume` with another split.seed, or with images added, wrote over both and refused only then."""
    images, before = tmp_path / "images", digests(space)
    with pytest.raises(StaleInputError, match="had another split, which is kept"):
        prepare_data(recipe(images, "split.seed=5"), space.out, begun=before)
    draw(images, range(24, 28))
    with pytest.raises(StaleInputError, match="had another catalog, which is kept"):
        prepare_data(recipe(images), space.out, begun=before)
    assert digests(space) == before
    (images / "normal" / "24.png").unlink(), (images / "normal" / "26.png").unlink()
    (images / "fractured" / "25.png").unlink(), (images / "fractured" / "27.png").unlink()
    assert digests(prepare_data(recipe(images), space.out, begun=before)) == before


@pytest.mark.slow
def test_an_export_made_its_gate_of_another_division_than_the_run_was_trained_on(
    space: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A split made since counted images of the old test as training images, and nothing said so."""
    catalog, run = Catalog.load(space.catalog), tmp_path / "run"
    assert load_split(space.split, catalog, run, asked=False) is not None  # a run of elsewhere tells no split
    write_json(run / "provenance.json", {"digests": digests(space)})
    assert load_split(space.split, catalog, run, asked=True) is not None
    other = prepare_data(recipe(tmp_path / "images", "split.seed=5"), tmp_path / "other").split
    assert load_split(other, catalog, run, asked=False) is None
    assert "another division than the run was trained on" in capsys.readouterr().err
    with pytest.raises(StaleInputError, match="another division than the run was trained on"):
        load_split(other, catalog, run, asked=True)
