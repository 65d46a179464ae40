"""Nothing is ever half written, and nothing is overwritten unasked."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from colles.core.errors import MissingInputError, OutputExistsError, StorageError, TableError, UsageError
from colles.core.files import (
    atomic_path,
    existing_folder,
    read_json,
    refuse_existing,
    sha256_file,
    sha256_json,
    write_json,
    write_text,
)


def test_an_error_while_writing_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    target = write_text(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    for text in ("one", "two"):
        with atomic_path(target) as temporary:
            temporary.mkdir()
            (temporary / text).write_text(text)
    assert [path.name for path in target.iterdir()] == ["two"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_link_is_replaced_without_a_rest(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere", target_is_directory=True)
    with atomic_path(tmp_path / "link") as temporary:
        temporary.mkdir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "link"]


def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path: Path) -> None:
    target = write_text(tmp_path / "a.txt", "old")
    with pytest.raises(StorageError, match=r"a\.txt: cannot write .*free some space"), atomic_path(target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert target.read_text() == "old"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="file size limits are set through RLIMIT_FSIZE")
def test_a_write_beyond_a_real_limit_leaves_nothing_behind(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from colles.core.files import write_text; from colles.core.errors import *\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_text(sys.argv[1], 'x' * 100_000)\n"
        "except StorageError as error: print(error)"
    )
    target = tmp_path / "big.txt"
    done = subprocess.run([sys.executable, "-c", code, str(target)], capture_output=True, text=True, check=True)
    assert "cannot write" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", [".", "..", "folder/..", "/"])
def test_the_folder_one_stands_in_was_a_defect(path: str) -> None:
    with pytest.raises(UsageError, match="has no name that could be written to"), atomic_path(path):
        raise AssertionError


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    for path in (tmp_path / "a.txt", tmp_path):
        with pytest.raises(OutputExistsError, match="already exists"):
            refuse_existing(path)
    refuse_existing(tmp_path / "new")


def test_an_empty_folder_and_a_missing_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="is empty"):
        existing_folder(tmp_path)
    with pytest.raises(MissingInputError, match="no such folder"):
        existing_folder(tmp_path / "none")


def test_json_refuses_nan_and_names_a_damaged_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"value": float("nan")})
    for text in ("{", "[" * 3000, "9" * 5000):
        write_text(tmp_path / "b.json", text)
        with pytest.raises(TableError, match=r"b\.json: not valid JSON"):
            read_json(tmp_path / "b.json")


def test_digests_are_the_published_ones(tmp_path: Path) -> None:
    # FIPS 180-4 example: sha256 of "abc".
    path = write_text(tmp_path / "abc", "abc")
    assert sha256_file(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_json({"a": 1, "b": 2}) == sha256_json({"b": 2, "a": 1}) != sha256_json({"a": 2, "b": 1})
