"""Sources of a recipe are found from wherever a command is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from colles.core.errors import MissingInputError
from colles.core.recipe import DataRecipe, PhantomRecipe, SourceRecipe
from colles.datasets.phantom import write_phantoms
from colles.datasets.sources import create_source
from colles.flow.sources import digest_source, open_sources


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


def test_another_class_map_in_the_same_file_kept_the_old_catalog(tmp_path: Path, write_image) -> None:
    write_image(tmp_path / "set" / "x" / "a.png")
    found = set()
    for label in (0, 1):
        (tmp_path / "map.yaml").write_text(f"x: {label}\n")
        found.add(digest_source(create_source("folder", tmp_path / "set", class_map=tmp_path / "map.yaml")))
    assert len(found) == 2


def test_another_image_under_the_name_in_a_table_kept_the_old_catalog(tmp_path: Path, write_image) -> None:
    (tmp_path / "t.csv").write_text("path,label\npictures/a.png,1\n")
    found = set()
    for seed in (0, 1):
        write_image(tmp_path / "pictures" / "a.png", seed=seed)
        found.add(digest_source(create_source("csv", tmp_path / "t.csv")))
    (tmp_path / "pictures" / "a.png").unlink()
    found.add(digest_source(create_source("csv", tmp_path / "t.csv")))
    assert len(found) == 3


def test_an_image_added_behind_a_link_kept_the_old_catalog(tmp_path: Path, write_image) -> None:
    write_image(tmp_path / "elsewhere" / "a.png")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "fractured").symlink_to(tmp_path / "elsewhere")
    before = digest_source(create_source("folder", tmp_path / "set"))
    write_image(tmp_path / "elsewhere" / "b.png", seed=1)
    assert digest_source(create_source("folder", tmp_path / "set")) != before


def test_another_salt_kept_the_old_names_of_patients(tmp_path: Path, write_image) -> None:
    write_image(tmp_path / "set" / "a.png")
    found = set()
    for salt in ("a" * 16, "b" * 16):
        (tmp_path / "salt").write_text(salt)
        found.add(digest_source(create_source("folder", tmp_path / "set", salt=tmp_path / "salt")))
    assert len(found) == 2


def test_a_tilde_was_the_home_folder_in_each_path_of_a_recipe_but_a_class_map(
    tmp_path: Path, write_image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_image(tmp_path / "set" / "x" / "a.png")
    (tmp_path / "map.yaml").write_text("x: 1\n")
    data = DataRecipe(sources=(SourceRecipe(kind="folder", path="~/set", class_map="~/map.yaml"),))
    (source,) = open_sources(data, tmp_path / "recipes", tmp_path, tmp_path / "salt")
    assert [row.label for row in source.radiographs()] == [1]
