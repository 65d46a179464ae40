from __future__ import annotations

from pathlib import Path

import pytest

from colles.core.errors import MissingInputError
from colles.serving.filenames import unique_stems
from colles.serving.inputs import list_images


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG", "notes.txt", ".hidden.png", "sub/c.tif", "sub/.cache/d.png", "odd/x [1].png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def names(paths: list[Path], root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


def test_a_folder_gives_its_images_at_any_depth_by_name(tree: Path) -> None:
    assert names(list_images([tree]), tree) == ["a.JPG", "b.png", "odd/x [1].png", "sub/c.tif"]


def test_inputs_keep_their_order_and_repeats(tree: Path) -> None:
    given = [tree / "sub", tree / "b.png", tree / "a.JPG", tree / "b.png"]
    assert names(list_images(given), tree) == ["sub/c.tif", "b.png", "a.JPG", "b.png"]


def test_a_named_file_is_taken_whatever_its_ending_or_whether_it_is_there(tree: Path) -> None:
    assert names(list_images([str(tree / "notes.txt"), str(tree / "gone.png")]), tree) == ["notes.txt", "gone.png"]


def test_a_pattern_gives_what_a_shell_would(tree: Path) -> None:
    assert names(list_images([f"{tree}/*.png"]), tree) == ["b.png"]
    assert names(list_images([f"{tree}/**"]), tree).count("sub/c.tif") == 1


def test_a_name_with_brackets_is_a_file_not_a_pattern(tree: Path) -> None:
    assert names(list_images([str(tree / "odd" / "x [1].png")]), tree) == ["odd/x [1].png"]


def test_nothing_found_is_said(tree: Path) -> None:
    (tree / "empty").mkdir()
    with pytest.raises(MissingInputError, match="no images in the folder"):
        list_images([tree / "empty"])
    with pytest.raises(MissingInputError, match="matches nothing"):
        list_images([f"{tree}/*.bmp"])


def test_stems_are_unique_even_where_case_does_not_count() -> None:
    stems = unique_stems(["a/x.png", "b/x.png", "c/X.jpg", "y.png", "y.png", "../..", "new\nline/é.png"])
    assert len({stem.casefold() for stem in stems[:3]}) == 3
    assert stems[3] == stems[4] == "y"
    assert stems[5] == "image" and stems[6] == "é"
    assert not any("/" in stem or "\n" in stem for stem in stems)
