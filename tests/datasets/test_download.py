"""Data sets by name: checksum, resume, local copies, and archives that are not what they should be."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from colles.cli.app import app
from colles.core.errors import CollesError, DownloadError, OutputExistsError, StorageError, UsageError
from colles.core.recipe import DataRecipe
from colles.datasets.download import fetch_archive
from colles.datasets.obtain import obtain
from colles.datasets.registry import DataSet, find_data_set, load_registry
from colles.datasets.sources import create_source
from colles.flow.sources import data_root
from served import Served, serve


@pytest.fixture
def archive(fracatlas: Path) -> bytes:
    """Return a .zip of a tiny FracAtlas, inside a folder and beside a file manager's debris, as its owners pack it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        out.writestr("__MACOSX/._FracAtlas", b"")
        out.writestr("FracAtlas/noise", random.Random(0).randbytes(100_000))
        for path in sorted(fracatlas.rglob("*")):
            if path.is_file():
                out.write(path, Path("FracAtlas") / path.relative_to(fracatlas))
    return packed.getvalue()


@pytest.fixture
def served(archive: bytes) -> Iterator[Served]:
    with serve(archive) as served:
        yield served


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tiny(url: str | None = None, sha256: str | None = None) -> DataSet:
    """Return FracAtlas' entry with another address and digest."""
    return find_data_set("fracatlas").model_copy(update={"url": url, "sha256": sha256})


def test_a_set_is_fetched_verified_and_unpacked_to_what_its_source_reads(served: Served, tmp_path: Path) -> None:
    folder = obtain(tiny(served.url, digest(served.data)), tmp_path / "data")
    assert len(list(create_source("fracatlas", folder).radiographs())) == 5
    origin = json.loads((tmp_path / "data" / "FracAtlas.origin.json").read_text())
    assert origin["digests"]["archive"] == digest(served.data)
    assert origin["data_set"]["licence"] == "CC BY 4.0"
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["FracAtlas", "FracAtlas.origin.json"]
    with pytest.raises(OutputExistsError):
        obtain(tiny(served.url), tmp_path / "data")


def test_a_download_that_was_cut_short_goes_on_where_it_stopped(served: Served, tmp_path: Path) -> None:
    target = tmp_path / "set.zip"
    served.cut = [50_000]
    with pytest.raises(DownloadError, match="49,152 bytes are kept"):
        fetch_archive(served.url, target, digest(served.data))
    assert not target.exists()
    fetch_archive(served.url, target, digest(served.data))
    assert served.ranges == [None, "bytes=49152-"]
    assert target.read_bytes() == served.data
    assert [path.name for path in tmp_path.glob("set.zip*")] == ["set.zip"]


@pytest.mark.parametrize("etags", [True, False])
def test_a_file_that_changed_meanwhile_starts_anew(served: Served, tmp_path: Path, etags: bool) -> None:
    served.cut, served.etags = [1000], etags
    with pytest.raises(DownloadError):
        fetch_archive(served.url, tmp_path / "set.zip", None)
    served.data = bytes(reversed(served.data))
    fetch_archive(served.url, tmp_path / "set.zip", None)
    assert (tmp_path / "set.zip").read_bytes() == served.data


def test_a_wrong_file_is_refused_and_not_kept(served: Served, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="is not the expected file"):
        obtain(tiny(served.url, "0" * 64), tmp_path / "data")
    assert not (tmp_path / "data" / "FracAtlas").exists()
    assert list((tmp_path / "data" / ".downloads").iterdir()) == []


def test_an_address_that_fails_is_named_with_the_next_step(served: Served, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="the server answers 404"):
        fetch_archive(served.url.replace("set", "none"), tmp_path / "a.zip", None)
    with pytest.raises(DownloadError, match=r"\(no connection to 127\.0\.0\.1\).*--from takes a local copy"):
        fetch_archive("http://127.0.0.1:9/a.zip", tmp_path / "a.zip", None)


def test_a_local_copy_is_checked_and_left_where_it_is(archive: bytes, tmp_path: Path) -> None:
    copy = tmp_path / "copy.zip"
    copy.write_bytes(archive)
    with pytest.raises(DownloadError, match="name its digest with --sha256"):
        obtain(find_data_set("fracatlas"), tmp_path / "data", origin=str(copy))
    obtain(find_data_set("fracatlas"), tmp_path / "data", origin=str(copy), sha256=digest(archive))
    assert copy.read_bytes() == archive
    with pytest.raises(DownloadError, match="set COLLES_DATA"):
        obtain(find_data_set("fracatlas"), tmp_path / "more", origin=str(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "not a sound .zip"), ("a.txt", r"holds no fracatlas data \(images: no such"), ("../a.txt", "holds no")],
)
def test_an_archive_of_something_else_leaves_nothing(tmp_path: Path, content: str | None, message: str) -> None:
    file = tmp_path / "other.zip"
    file.write_bytes(b"hello")
    if content:
        with zipfile.ZipFile(file, "w") as out:
            out.writestr(content, b"hello")
    with pytest.raises(DownloadError, match=message):
        obtain(tiny(), tmp_path / "data", origin=str(file))
    assert not (tmp_path / "data" / "FracAtlas").exists()
    assert not (tmp_path / "a.txt").exists()


def test_an_archive_that_unpacks_to_far_more_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("zeros", bytes(210 << 20))
    with pytest.raises(DownloadError, match="would unpack to"):
        obtain(tiny(), tmp_path / "data", origin=str(tmp_path / "bomb.zip"))


def test_a_broken_archive_was_taken_again_whatever_the_address(served: Served, archive: bytes, tmp_path: Path) -> None:
    with serve(b"no zip at all", "other.zip") as broken, pytest.raises(DownloadError, match="not a sound"):
        obtain(tiny(broken.url), tmp_path / "data")
    obtain(tiny(served.url), tmp_path / "data")
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["FracAtlas", "FracAtlas.origin.json"]
    with serve(archive + b"other", "other.zip") as other:
        fetch_archive(other.url, tmp_path / "set.zip", None)
        fetch_archive(other.url, tmp_path / "set.zip", None)
    assert other.ranges == [None]
    fetch_archive(served.url, tmp_path / "set.zip", None)
    assert (tmp_path / "set.zip").read_bytes() == archive


def test_the_begun_download_of_another_set_was_lost(served: Served, tmp_path: Path) -> None:
    begun = tmp_path / "data" / ".downloads" / "other.zip.part"
    begun.parent.mkdir(parents=True)
    begun.write_bytes(b"half")
    obtain(tiny(served.url), tmp_path / "data")
    assert [path.name for path in begun.parent.iterdir()] == ["other.zip.part"]


def test_a_full_disk_keeps_what_was_downloaded(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(StorageError):
        patched.setattr(zipfile.ZipFile, "extractall", full)
        obtain(tiny(served.url), tmp_path / "data")
    obtain(tiny(served.url), tmp_path / "data")
    assert served.ranges == [None]


@pytest.mark.parametrize("damage", ["deflate", "encrypted"])
def test_a_damaged_or_encrypted_archive_was_called_a_defect(tmp_path: Path, damage: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("dataset.csv", "image_id\n" * 400)
    data, central = bytearray(packed.getvalue()), packed.getvalue().index(b"PK\x01\x02")
    if damage == "deflate":
        data[41:61] = b"\xff" * 20  # behind the local header of 30 bytes and the name
    else:
        data[6] |= 1
        data[central + 8] |= 1
    file = tmp_path / "set.zip"
    file.write_bytes(data)
    with pytest.raises(DownloadError, match="is not a sound"):
        obtain(tiny(), tmp_path / "data", origin=str(file))
    assert file.exists()


def test_the_verb_asks_for_the_licence_and_says_what_comes_next(served: Served, tmp_path: Path) -> None:
    command = ["data", "get", "fracatlas", "--out", str(tmp_path / "data"), "--from", served.url]
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, UsageError)
    assert "--accept-licence" in str(refused.exception)
    assert served.ranges == []
    done = CliRunner().invoke(app, [*command, "--accept-licence", "--sha256", digest(served.data)])
    assert done.exit_code == 0, done.output
    assert "CC BY 4.0" in done.stderr
    assert "colles catalog --source fracatlas:fracatlas=" in done.stdout


def test_a_set_without_an_address_is_taken_from_the_file_that_its_owner_gives(
    yolo_export: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as out:
        for path in sorted(yolo_export.rglob("*")):
            if path.is_file():
                out.write(path, path.relative_to(yolo_export))
    command = ["data", "get", "bonefractureyolo", "--from", str(tmp_path / "export.zip"), "--accept-licence"]
    done = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "data")])
    assert done.exit_code == 0, done.output
    assert len(list(create_source("yolo", tmp_path / "data" / "bonefractureyolo").radiographs())) == 5


def test_the_verb_lists_what_it_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLES_DATA", str(tmp_path))
    (tmp_path / "FracAtlas").mkdir()
    listed = {row["name"]: row for row in json.loads(CliRunner().invoke(app, ["data", "list", "--json"]).stdout)}
    assert set(listed) == set(load_registry())
    assert listed["fracatlas"]["here"] == str(tmp_path / "FracAtlas")
    assert listed["bonefractureyolo"]["here"] is None


def test_a_tilde_in_the_variable_was_another_folder_to_data_than_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLLES_DATA", "~/sets")
    (tmp_path / "sets" / "FracAtlas").mkdir(parents=True)
    listed = {row["name"]: row for row in json.loads(CliRunner().invoke(app, ["data", "list", "--json"]).stdout)}
    assert listed["fracatlas"]["here"] == str(data_root(DataRecipe(), tmp_path / "recipes") / "FracAtlas")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fracatals",), "Did you mean 'fracatlas'"),
        (("fracatlas", "--sha256", "12", "--accept-licence"), "64 hexadecimal digits"),
        (("bonefractureyolo", "--accept-licence"), "no plain address"),
    ],
)
def test_nonsense_is_answered_with_a_next_step(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(app, ["data", "get", *arguments, "--out", str(tmp_path / "data")])
    assert isinstance(result.exception, CollesError)
    assert message in str(result.exception)
    assert not (tmp_path / "data").exists()
