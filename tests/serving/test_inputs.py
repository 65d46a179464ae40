from __future__ import annotations

import io
import os
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from colles.core.errors import InputError, MissingInputError
from colles.core.recipe import PreprocessRecipe
from colles.serving.archive import ZipMember
from colles.serving.decode import Rejected, decode
from colles.serving.filenames import unique_stems
from colles.serving.inputs import find_images
from colles.serving.kinds import is_image


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG", "notes.txt", ".hidden.png", "sub/c.tif", "sub/.cache/d.png", "odd/x [1].png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def list_images(inputs: list[Path | str]) -> list[Path]:
    return [image for image in find_images(inputs) if isinstance(image, Path)]


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


def test_a_pattern_and_a_zip_file_gave_the_thumbnails_of_a_nas(tree: Path) -> None:
    for name in ("sub/@eaDir/c.tif/SYNOPHOTO_THUMB_M.png", "#recycle/old.png"):
        (tree / name).parent.mkdir(parents=True)
        (tree / name).write_bytes(b"x")
    assert names(list_images([f"{tree}/**/*.png"]), tree) == ["b.png", "odd/x [1].png"]
    assert names(list_images([f"{tree}/#recycle/*.png"]), tree) == ["#recycle/old.png"]
    with zipfile.ZipFile(tree / "all.zip", "w") as packed:
        for name in ("a/@eaDir/c.png/SYNOPHOTO_THUMB_M.jpg", "__MACOSX/a/._c.png", "a/._c.png", "a/c.png"):
            packed.writestr(name, b"x")
    assert [image.name for image in find_images([tree / "all.zip"])] == ["a/c.png"]


def test_a_name_with_brackets_is_a_file_not_a_pattern(tree: Path) -> None:
    assert names(list_images([str(tree / "odd" / "x [1].png")]), tree) == ["odd/x [1].png"]


def test_nothing_found_is_said(tree: Path) -> None:
    (tree / "empty").mkdir()
    with pytest.raises(MissingInputError, match="no images in the folder"):
        list_images([tree / "empty"])
    with pytest.raises(MissingInputError, match="matches nothing"):
        list_images([f"{tree}/*.bmp"])


def test_a_folder_of_nothing_but_zip_files_says_how_they_are_opened(tree: Path) -> None:
    """It listed the endings that it looked for, though zip files are read where they are named."""
    (tree / "exported").mkdir()
    (tree / "exported" / "a.ZIP").write_bytes(b"")
    with pytest.raises(MissingInputError, match="no images in the folder") as raised:
        list_images([tree / "exported"])
    assert "zip files in a folder are not opened: name them" in (raised.value.repair or "")
    assert f"'{tree}/exported/*.ZIP'" in (raised.value.repair or "")
    (tree / "exported" / "a.ZIP").rename(tree / "exported" / "a.tgz")
    with pytest.raises(MissingInputError, match=r"archives such as a\.tgz are not opened: unpack it"):
        list(find_images([tree / "exported"]))


def test_stems_are_unique_even_where_case_does_not_count() -> None:
    stems = unique_stems(["a/x.png", "b/x.png", "c/X.jpg", "y.png", "y.png", "../..", "new\nline/é.png"])
    assert len({stem.casefold() for stem in stems[:3]}) == 3
    assert stems[3] == stems[4] == "y"
    assert stems[5] == "image" and stems[6] == "é"
    assert not any("/" in stem or "\n" in stem for stem in stems)


def test_stems_fit_a_file_system_in_any_script(tmp_path: Path) -> None:
    """It counts bytes: 80 letters of Chinese are 240, and the endings come behind."""
    for stem in unique_stems([f"a/{'骨' * 80}.png", f"b/{'骨' * 80}1.png", "é" * 41]):
        assert len(stem.encode()) <= 90
        (tmp_path / f"{stem}.png").touch()
    assert len(list(tmp_path.iterdir())) == 3


def zipped(path: Path, names: list[str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return path


def test_a_zip_file_gives_its_images_by_name_and_what_it_refuses(tmp_path: Path) -> None:
    names = ["b.png", "in/a.JPG", "notes.txt", ".hidden.png", "__MACOSX/b.png", "../out.png", "/abs.png", "in/more.zip"]
    found = list(find_images([zipped(tmp_path / "study.zip", names)]))
    assert [str(image).removeprefix(f"{tmp_path}/study.zip!/") for image in found] == [
        "../out.png", "/abs.png", "b.png", "in/a.JPG", "in/more.zip",
    ]  # fmt: skip
    refusals = [image.refusal for image in found if isinstance(image, ZipMember)]
    assert [reason and reason.split()[0] for reason in refusals] == ["its", "its", None, None, "an"]


def test_a_zip_file_gives_dicom_files_without_an_ending(tmp_path: Path) -> None:
    film = b"\0" * 128 + b"DICM" + b"\0" * 9
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for name in ("DICOM/IM000001", "b.ima", "1.2.840.7", "DICOM/.hidden"):
            archive.writestr(name, film)
        archive.writestr("README", b"nothing")
    found = [str(image).rpartition("!/")[2] for image in find_images([tmp_path / "study.zip"])]
    assert found == ["1.2.840.7", "DICOM/IM000001", "b.ima"]


def test_a_zip_file_without_images_is_named(tmp_path: Path) -> None:
    study = zipped(tmp_path / "study.zip", ["notes.txt", "README"])
    for given in (study, tmp_path / "*.zip"):
        with pytest.raises(MissingInputError, match=r"study\.zip: no images in the zip file\. Looked for"):
            list(find_images([given]))


def test_a_pattern_of_folders_without_images_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInputError, match="the pattern matches no images"):
        list(find_images([tmp_path / "emp*"]))


def test_linked_folders_are_entered_and_loops_of_them_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("set", "elsewhere"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(b"x")
    (tmp_path / "set" / "today").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "loop").symlink_to(tmp_path / "set")
    monkeypatch.chdir(tmp_path / "set")
    assert [str(image) for image in find_images(["."])] == ["a.png", "today/a.png"]


def test_a_folder_that_may_not_be_read_is_named() -> None:
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "closed").mkdir()
        (root / "a.png").write_bytes(b"x")
        root.chmod(0o755)
        (root / "closed").chmod(0)
        if user == 0:  # who may read everything
            os.seteuid(65534)
        try:
            with pytest.raises(InputError, match=r"closed: the folder cannot be read \(Permission denied\)"):
                list(find_images([root]))
        finally:
            os.seteuid(user)
            (root / "closed").chmod(0o700)


def test_a_zip_file_that_is_none_is_one_image_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "no.zip").write_bytes(b"not a zip")
    assert [str(image) for image in find_images([tmp_path / "no.zip"])] == [str(tmp_path / "no.zip")]


@pytest.mark.parametrize("form", ["{0}\n{1}\n", "{0}\r\n\n{1}", "{0}\0{1}\0"])
def test_a_list_on_standard_input_is_lines_or_divided_by_zero_bytes(
    tree: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    text = form.format(tree / "b.png", tree / "sub").encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    images = find_images(["-"])
    for _ in range(2):
        assert names([path for path in images if isinstance(path, Path)], tree) == ["b.png", "sub/c.tif"]


def test_two_passes_over_a_list_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed run reads the list for what is left and for the order at once; one pass moved the other's place."""
    wanted = [str(tmp_path / f"{number:05d}.png") for number in range(4000)]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(wanted).encode())))
    images = find_images(["-"])
    ahead = iter(images)
    for _ in range(3000):
        next(ahead)
    assert [str(image) for image in images] == wanted
    assert [str(image) for image in ahead] == wanted[3000:]


def test_a_name_with_a_newline_survives_a_list_with_zero_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "a\n\udcff.png"
    odd.touch()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(os.fsencode(odd) + b"\0")))
    assert list(find_images(["-"])) == [odd]


def test_a_line_too_long_for_a_name_ended_the_run_of_a_whole_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grey_files: list[Path]
) -> None:
    text = f"{'z' * 5000}\n{grey_files[0]}"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    found = find_images(["-"])
    assert [str(path) for path in found] == text.split("\n") and found.unopened() == []
    assert isinstance(decode(next(iter(found)), PreprocessRecipe()), Rejected)


def test_a_dicom_file_needs_no_ending_and_a_pipe_does_not_block(tmp_path: Path) -> None:
    (tmp_path / "IM0001").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 9)
    (tmp_path / "README").write_text("nothing")
    os.mkfifo(tmp_path / "pipe")
    assert names(list_images([tmp_path]), tmp_path) == ["IM0001"]


def test_a_dicom_file_that_cannot_be_opened_is_not_passed_over_in_silence() -> None:
    assert all(is_image(name, lambda: None) for name in ("IM0001", "1.2.840.7", "film.ima"))
    assert not any(is_image(name, lambda: b"nothing") for name in ("README", "notes.txt", "1.2.840.7"))
