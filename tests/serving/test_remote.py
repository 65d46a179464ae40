"""Files of object stores keep their pixels under their name, whatever characters it has."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from colles.core.errors import MissingInputError
from colles.serving.inputs import find_images
from colles.serving.remote import RemoteFile, _store

pytest.importorskip("pyarrow")
NAMES = ("plain.png", "with space.png", "hash#1.png", "q?x.png", "q?x=1.png", "ä骨.png", "per%cent.png", "per%20.png")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder whose files hold their own names; `hash` is what a careless parser reads for `hash#1.png`."""
    folder = tmp_path / "my images 50%"
    folder.mkdir()
    for name in (*NAMES, "hash", "per .png"):
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.mark.parametrize("form", ["file://{0}", "file://{1}", "file://{1}/", "file://{1}?use_mmap=false"])
def test_files_below_a_prefix_are_read_by_their_names(store: Path, form: str) -> None:
    given = form.format(store, str(store).replace("%", "%25").replace(" ", "%20"))
    found = list(find_images([given]))
    read = {image.read(99).decode(): str(image) for image in found if isinstance(image, RemoteFile)}
    assert set(NAMES) | {"per .png"} == set(read)
    for name, shown in read.items():  # as a worker of a cluster, or a later run, reads it
        assert RemoteFile(shown).read(99) == name.encode()
    assert read["with space.png"].rpartition("/")[2].startswith("with space.png")


@pytest.mark.parametrize("name", ["plain.png", "with space.png", "hash#1.png", "q?x.png", "ä骨.png", "per%cent.png"])
def test_a_file_is_read_by_the_name_that_it_is_given(store: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "plain").symlink_to(store)
    (image,) = find_images([f"file://{tmp_path}/plain/{name}"])
    assert isinstance(image, RemoteFile) and image.read(99) == name.encode()
    assert RemoteFile(str(image)).read(99) == name.encode()


def test_options_of_a_store_are_none_of_its_path() -> None:
    for name in ("a b#1.png", "a%20b%231.png"):
        store, path = _store(f"s3://anonymous@bucket/{name}?region=eu-west-1&endpoint_override=localhost:9000")
        assert (store.type_name, path) == ("s3", "bucket/a b#1.png")


def test_dicom_files_of_a_store_need_no_ending(tmp_path: Path) -> None:
    (tmp_path / "IM000001").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 9)
    (tmp_path / "README").write_bytes(b"nothing")
    assert [str(image) for image in find_images([f"file://{tmp_path}"])] == [f"file://{tmp_path}/IM000001"]
    (tmp_path / "IM000001").unlink()
    with pytest.raises(MissingInputError, match=r"no images below it\. Looked for .*DICOM"):
        list(find_images([f"file://{tmp_path}"]))


def test_a_long_prefix_took_a_task_a_file_though_only_unclear_names_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "notes.txt", ".hidden", "IM1", "1.2.840.7"):
        (tmp_path / name).write_bytes(b"\0" * 128 + b"DICM")
    asked: list[str] = []
    pool = ThreadPoolExecutor.map
    monkeypatch.setattr(
        ThreadPoolExecutor, "map", lambda self, work, paths: pool(self, work, asked.extend(paths) or paths)
    )
    assert len(list(find_images([f"file://{tmp_path}"]))) == 3
    assert [Path(path).name for path in asked] == ["1.2.840.7", "IM1"]
