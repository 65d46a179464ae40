"""Sources of a recipe are found from wherever a command is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from colles.core.errors import MissingInputError
from colles.core.recipe import DataRecipe, PhantomRecipe, SourceRecipe
from colles.datasets.phantom import write_phantoms
from colles.flow.sources import open_sources


def test_phantoms_of_a_relative_run_folder_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`colles run recipes/demo.yaml --out out/demo` looked for them beside the recipe."""
    phantom = PhantomRecipe(images=20, size=96)
    write_phantoms(tmp_path / "out/phantom", phantom)
    monkeypatch.chdir(tmp_path)
    sources = open_sources(DataRecipe(phantom=phantom), tmp_path / "recipes", Path("out/phantom"), tmp_path / "salt")
    assert [source.name for source in sources] == ["fracatlas", "bonefractureyolo"]


def test_a_public_set_that_is_missing_is_named_with_the_command_that_fetches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLLES_DATA", raising=False)  # of whoever runs the tests
    data = DataRecipe(sources=(SourceRecipe(kind="fracatlas", path="FracAtlas"),))
    with pytest.raises(MissingInputError, match="`colles data get fracatlas` fetches it"):
        open_sources(data, tmp_path, tmp_path, tmp_path / "salt")
    own = DataRecipe(sources=(SourceRecipe(kind="folder", path="mine"),))
    with pytest.raises(MissingInputError, match="COLLES_DATA") as raised:
        open_sources(own, tmp_path, tmp_path, tmp_path / "salt")
    assert "data get" not in str(raised.value)
