"""Folders are read whole: links, loops, names in any script, rights that are missing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from colles.core.errors import InputError, MissingInputError
from colles.datasets.catalog import build_catalog
from colles.datasets.sources import create_source
from colles.datasets.sources.files import image_files

NAMES = (
    "Röntgen ß",
    "手首の骨折",
    "перелом",
    "كسر العظم",
    "กระดูกหัก",
    "fracture 🦴",
    "a'b\"c;d,e",
    "x%20y&z",
    " space ",
)


def test_names_in_any_script_pass_through_every_table(tmp_path: Path, write_image) -> None:
    for seed, name in enumerate(NAMES):
        write_image(tmp_path / "set" / "normal" / f"{name}.png", seed=seed)
    catalog = build_catalog([create_source("folder", tmp_path / "set", "日本")])
    assert {Path(path).stem for path in catalog.frame["path"]} == set(NAMES)
    assert catalog.frame["status"].unique().to_list() == ["ok"]
    for ending in ("parquet", "csv", "json"):
        again = type(catalog).load(catalog.save(tmp_path / f"Tabelle ä.{ending}"))
        assert again.frame["image_id"].to_list() == catalog.frame["image_id"].to_list()


def test_a_name_that_is_not_utf8_is_named_with_its_repair(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/r\xf6ntgen.png", "wb"):
        pass
    with pytest.raises(InputError, match=r"r\\udcf6ntgen\.png: the file's name is not UTF-8\. Rename it"):
        image_files(tmp_path)


def test_a_loop_of_links_ends_and_linked_folders_are_entered(tmp_path: Path, write_image, capsys) -> None:
    write_image(tmp_path / "set" / "normal" / "a.png")
    write_image(tmp_path / "elsewhere" / "b.png")
    (tmp_path / "set" / "normal" / "loop").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "fractured").symlink_to(tmp_path / "elsewhere")
    found = image_files(tmp_path / "set")
    assert [path.relative_to(tmp_path / "set").as_posix() for path in found] == ["fractured/b.png", "normal/a.png"]
    assert "loop links back" in capsys.readouterr().err


def test_links_that_lead_nowhere_have_a_row(tmp_path: Path, write_image) -> None:
    folder = tmp_path / "set" / "normal"
    write_image(folder / "a.png")
    (folder / "gone.png").symlink_to(tmp_path / "none.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "folder.png").mkdir()
    rows = {Path(row.path).name: row for row in build_catalog([create_source("folder", tmp_path / "set")]).rows()}
    assert {name: row.status for name, row in rows.items()} == {
        "a.png": "ok",
        "gone.png": "unreadable",
        "loop.png": "unreadable",
    }
    assert "symbolic links" in str(rows["loop.png"].reason)


def test_hidden_files_do_not_count(tmp_path: Path, write_image) -> None:
    write_image(tmp_path / "normal" / "a.png")
    write_image(tmp_path / "normal" / "._a.png")
    write_image(tmp_path / ".cache" / "a.png")
    assert [path.name for path in image_files(tmp_path)] == ["a.png"]
    shutil.rmtree(tmp_path / "normal")
    with pytest.raises(MissingInputError, match="holds no images"):
        image_files(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "t.csv").write_text("path,label\npipe.png,1\n")
    [row] = build_catalog([create_source("csv", tmp_path / "t.csv")]).rows()
    assert (row.status, row.reason) == ("unreadable", "is not a file")


@contextmanager
def _as_nobody() -> Iterator[None]:
    # The administrator may read everything, whatever a file's mode says.
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_files_and_folders_without_the_right_to_read_are_named(write_image) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        closed = write_image(root / "normal" / "closed.png")
        write_image(root / "normal" / "open.png", seed=1)
        root.chmod(0o755)
        closed.chmod(0)
        with _as_nobody():
            rows = list(build_catalog([create_source("folder", root)], workers=1).rows())
        assert [(row.status, row.reason) for row in rows] == [("unreadable", "Permission denied"), ("ok", None)]
        write_image(root / "fractured" / "b.png")
        (root / "fractured").chmod(0)
        with _as_nobody(), pytest.raises(InputError, match=r"fractured: the folder cannot be read .*chmod"):
            image_files(root)
        (root / "fractured").chmod(0o755)


def test_thumbnails_of_file_managers_and_nas_counted_as_images(tmp_path: Path, write_image) -> None:
    """A Synology's `@eaDir` holds a small copy of every image, a Mac's zip file `__MACOSX/._x.jpg`."""
    folder = tmp_path / "set" / "normal"
    write_image(folder / "a.png")
    others = (
        *("@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg", ".AppleDouble/a.png", "__MACOSX/normal/._a.png", ".@__thumb/a.png"),
        *("#recycle/b.png", "@Recycle/b.png", "#snapshot/b.png", "@Recently-Snapshot/b.png", "._a.png"),
        *("$RECYCLE.BIN/b.png", "System Volume Information/b.png", "lost+found/b.png", "@tmp/b.png", "Thumbs.db"),
    )
    for name in others:
        write_image(folder / name) if name.endswith((".png", ".jpg")) else (folder / name).write_bytes(b"\xd0\xcf")
    write_image(folder / "@home" / "c.png")
    write_image(folder / "recycle" / "d.png")
    found = [path.relative_to(folder).as_posix() for path in image_files(tmp_path / "set")]
    assert found == ["@home/c.png", "a.png", "recycle/d.png"]


def test_a_path_that_no_disk_can_hold_ended_the_catalog(tmp_path: Path, write_image) -> None:
    write_image(tmp_path / "a.png")
    (tmp_path / "table.csv").write_text(f"path,label\na.png,1\n{'long' * 100}.png,0\n")
    catalog = build_catalog([create_source("csv", tmp_path / "table.csv", salt=tmp_path / "salt")])
    assert catalog.frame["reason"].to_list() == [None, "File name too long"]
