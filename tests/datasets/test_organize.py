"""The merged folders hold every image once, under a name of its own, with labels that say no more than is known."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image

from colles.core.errors import MissingInputError, OutputExistsError, StaleInputError, StorageError, UsageError
from colles.core.files import sha256_file
from colles.datasets.catalog import Catalog, build_catalog
from colles.datasets.organize import MANIFEST_COLUMNS, organize
from colles.datasets.sources import create_source
from colles.datasets.split import Split


def _split(catalog: Catalog) -> Split:
    """Return a split by hand of the labelled images: the first four train, then val, the rest test."""
    rows = (
        catalog.where(pl.col("label").is_not_null() & (pl.col("status") == "ok"))
        .frame.sort("image_id")
        .select("image_id", "group_id")
    )
    subsets = ["train"] * 4 + ["val"] * 2 + ["test"] * (rows.height - 6)
    return Split(rows.with_columns(subset=pl.Series(subsets)), {"catalog_digest": catalog.digest})


@pytest.fixture
def catalog(fracatlas: Path, yolo_export: Path, write_image) -> Catalog:
    """Return two sources that share a file name, with one broken file."""
    write_image(yolo_export / "train" / "images" / "IMG0000001.jpg")
    (yolo_export / "train" / "labels" / "IMG0000001.txt").touch()
    (fracatlas / "images" / "Non_fractured" / "IMG0000009.jpg").touch()
    return build_catalog([create_source("fracatlas", fracatlas), create_source("yolo", yolo_export)])


def _tree(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): sha256_file(path) if path.is_file() else ""
        for path in sorted(root.rglob("*"))
    }


def _snapshot(catalog: Catalog) -> dict[str, tuple[str, int]]:
    paths = [Path(path) for path in catalog.frame["path"]]
    return {str(path): (sha256_file(path), path.stat().st_mtime_ns) for path in paths}


@pytest.mark.parametrize("link", ["hard", "sym", "copy"])
def test_every_readable_image_is_there_and_the_originals_are_untouched(catalog: Catalog, tmp_path: Path, link) -> None:
    before = _snapshot(catalog)
    root = organize(catalog, _split(catalog), tmp_path / "out", link=link)
    manifest = pl.read_csv(root / "manifest.csv")
    assert tuple(manifest.columns) == MANIFEST_COLUMNS
    assert manifest["image_id"].to_list() == sorted(catalog.where(pl.col("status") == "ok").frame["image_id"])
    for row in manifest.iter_rows(named=True):
        for place in ("combined", "organized"):
            if row[place]:
                assert sha256_file(root / row[place]) == row["sha256"] == before[row["path"]][0]
                assert (root / row[place]).is_symlink() == (link == "sym")
                assert (root / row[place]).samefile(row["path"]) == (link != "copy")
    assert len(list((root / "combined" / "images").iterdir())) == manifest.height
    assert _snapshot(catalog) == before


def test_subsets_and_classes_are_folders(catalog: Catalog, tmp_path: Path) -> None:
    split = _split(catalog)
    root = organize(catalog, split, tmp_path / "out")
    labels = dict(catalog.frame.select("image_id", "label").iter_rows())
    manifest = pl.read_csv(root / "manifest.csv").filter(pl.col("subset").is_not_null())
    assert manifest.height == len(split)
    for image_id, organized, subset in manifest.select("image_id", "organized", "subset").iter_rows():
        name = {1: "fractured", 0: "non_fractured"}[labels[image_id]]
        assert Path(organized).parts[:3] == ("combined_organized", subset, name)
    folders = {path.relative_to(root / "combined_organized").as_posix() for path in root.glob("combined_organized/*/*")}
    assert folders == {
        f"{subset}/{name}" for subset in ("train", "val", "test") for name in ("fractured", "non_fractured")
    }
    assert len([path for path in root.glob("combined_organized/*/*/*") if path.is_file()]) == len(split)


def test_reading_the_merged_set_back_gives_labels_and_boxes(catalog: Catalog, tmp_path: Path) -> None:
    root = organize(catalog, _split(catalog), tmp_path / "out")
    names = dict(pl.read_csv(root / "manifest.csv").select("combined", "image_id").iter_rows())
    again = {
        names[row.image_id]: row for row in build_catalog([create_source("yolo", root / "combined", "combined")]).rows()
    }
    expected = {row.image_id: row for row in catalog.rows() if row.status == "ok"}
    assert again.keys() == expected.keys()
    for image_id, row in expected.items():
        assert (again[image_id].label, again[image_id].pixel_sha256) == (row.label, row.pixel_sha256)
        assert [box.name for box in again[image_id].boxes] == [box.name for box in row.boxes]
        for one, other in zip(again[image_id].boxes, row.boxes, strict=True):
            assert (one.x1, one.y1, one.x2, one.y2) == pytest.approx((other.x1, other.y1, other.x2, other.y2), abs=1e-4)
    copies = {row.group_id for row in again.values() if row.base_name and row.base_name.endswith("a_png")}
    assert len(copies) == 1  # copies of one base name still share it


def test_data_yaml_led_to_the_folder_one_was_in(catalog: Catalog, tmp_path: Path) -> None:
    root = organize(catalog, _split(catalog), tmp_path / "out")
    # A YOLO trainer takes `path` from the working folder, and without it the folder of data.yaml.
    assert "path" not in yaml.safe_load((root / "combined" / "data.yaml").read_text())


def test_an_existing_result_is_kept_unless_rebuilt_to_the_same_tree(catalog: Catalog, tmp_path: Path) -> None:
    root = organize(catalog, _split(catalog), tmp_path / "out")
    before = _tree(root)
    with pytest.raises(OutputExistsError, match=r"combined: already exists and is kept.*--rebuild"):
        organize(catalog, _split(catalog), root)
    (root / "combined" / "labels" / "extra.txt").touch()
    organize(catalog, _split(catalog), root, rebuild=True)
    assert _tree(root) == before


def test_other_folders_of_the_root_stay(catalog: Catalog, tmp_path: Path) -> None:
    # The fixtures' sources lie in tmp_path, as data/FracAtlas does in data.
    before = _snapshot(catalog)
    organize(catalog, _split(catalog), tmp_path)
    organize(catalog, _split(catalog), tmp_path, rebuild=True)
    assert _snapshot(catalog) == before


def test_a_folder_that_colles_did_not_make_is_never_replaced(catalog: Catalog, tmp_path: Path) -> None:
    kept = tmp_path / "out" / "combined" / "mine.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    with pytest.raises(OutputExistsError, match="was not made by"):
        organize(catalog, _split(catalog), tmp_path / "out", rebuild=True)
    assert kept.read_text() == "mine"
    with pytest.raises(OutputExistsError, match="is a file"):
        organize(catalog, _split(catalog), kept)


def test_originals_inside_the_folders_to_be_made_are_refused(catalog: Catalog, tmp_path: Path) -> None:
    root = organize(catalog, _split(catalog), tmp_path / "out", link="copy")
    merged = build_catalog([create_source("yolo", root / "combined")])
    before = _tree(root)
    with pytest.raises(UsageError, match="lie in the folders to be made"):
        organize(merged, _split(merged), root, rebuild=True)
    assert _tree(root) == before


@pytest.mark.parametrize("linked", ["root", "images", "file"])
def test_originals_behind_a_link_were_deleted_by_a_rebuild(catalog: Catalog, tmp_path: Path, linked: str) -> None:
    root = organize(catalog, _split(catalog), tmp_path / "out", link="copy")
    source, again = root / "combined", root
    if linked == "root":
        (tmp_path / "link").symlink_to(root)
        again = tmp_path / "link"
    elif linked == "images":
        (tmp_path / "set").mkdir()
        source = tmp_path / "set"
        for name in ("images", "labels", "data.yaml"):
            (source / name).symlink_to(root / "combined" / name)
    else:
        source = organize(catalog, _split(catalog), tmp_path / "other", link="copy") / "combined"
        for path in (source / "images").iterdir():
            path.unlink()
            path.symlink_to(root / "combined" / "images" / path.name)
    merged = build_catalog([create_source("yolo", source)])
    before = _tree(root)
    with pytest.raises(UsageError, match="lie in the folders to be made"):
        organize(merged, _split(merged), again, rebuild=True, link="sym")
    assert _tree(root) == before


class Killed(BaseException):
    """Stands for a signal: no handler of the program's own sees it."""


def _interrupt(monkeypatch: pytest.MonkeyPatch, owner, name: str, after: int) -> None:
    original: Callable[..., object] = getattr(owner, name)
    calls = iter(range(after))

    def call(*arguments, **options):
        if next(calls, None) is None:
            raise Killed
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, call)


@pytest.mark.parametrize("after", range(3))
def test_an_interrupt_while_putting_in_place_is_mended_by_the_next_call(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    expected = _tree(organize(catalog, _split(catalog), tmp_path / "whole"))
    with monkeypatch.context() as patch:
        _interrupt(patch, Path, "rename", after)
        with pytest.raises(Killed):
            organize(catalog, _split(catalog), tmp_path / "out")
    assert _tree(organize(catalog, _split(catalog), tmp_path / "out")) == expected


@pytest.mark.parametrize("after", [0, 1, 4])
def test_an_interrupt_while_linking_leaves_the_old_tree_whole(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    root = organize(catalog, _split(catalog), tmp_path / "out")
    before = _tree(root)
    with monkeypatch.context() as patch:
        _interrupt(patch, os, "link", after)
        with pytest.raises(Killed):
            organize(catalog, _split(catalog), root, rebuild=True)
        with pytest.raises(Killed):
            organize(catalog, _split(catalog), tmp_path / "new")
    assert _tree(root) == before
    assert not (tmp_path / "new").exists()


def test_what_a_killed_process_left_aside_is_cleared(catalog: Catalog, tmp_path: Path) -> None:
    expected = _tree(organize(catalog, _split(catalog), tmp_path / "whole"))
    rest = tmp_path / "out" / ".organize.partial" / "combined" / "images" / "half.png"
    rest.parent.mkdir(parents=True)
    rest.touch()
    assert _tree(organize(catalog, _split(catalog), tmp_path / "out")) == expected


def test_hard_links_across_disks_become_copies_and_that_is_said_once(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    link = os.link

    def refuse(original, target, **options):
        if tmp_path / "out" not in Path(original).parents:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        link(original, target, **options)

    monkeypatch.setattr(os, "link", refuse)
    root = organize(catalog, _split(catalog), tmp_path / "out")
    assert capsys.readouterr().err.count("copying instead") == 1
    for row in pl.read_csv(root / "manifest.csv").iter_rows(named=True):
        assert sha256_file(root / row["combined"]) == row["sha256"]
        assert not (root / row["combined"]).samefile(row["path"])
        assert not row["organized"] or (root / row["organized"]).samefile(root / row["combined"])


def test_a_full_disk_is_one_line_and_nothing_stays(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(StorageError, match="No space left"):
        organize(catalog, _split(catalog), tmp_path / "out", link="copy")
    assert not (tmp_path / "out").exists()


def test_inputs_that_do_not_belong_together(catalog: Catalog, tmp_path: Path) -> None:
    other = catalog.with_columns(group_id=pl.lit("one"))
    with pytest.raises(StaleInputError):
        organize(other, _split(catalog), tmp_path / "out")
    path = Path(catalog.where(pl.col("status") == "ok").frame["path"][0])
    data = path.read_bytes()
    path.write_bytes(data + b" ")
    with pytest.raises(StaleInputError, match="has changed since"):
        organize(catalog, _split(catalog), tmp_path / "out")
    path.unlink()
    with pytest.raises(MissingInputError, match="the image is gone"):
        organize(catalog, _split(catalog), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_fracture_without_a_box_gets_no_label_file(tmp_path: Path, write_image, capsys) -> None:
    write_image(tmp_path / "set" / "fractured" / "a.png")
    write_image(tmp_path / "set" / "normal" / "b.png")
    catalog = build_catalog([create_source("folder", tmp_path / "set")])
    split = Split(
        catalog.frame.select("image_id", "group_id", subset=pl.lit("train")), {"catalog_digest": catalog.digest}
    )
    root = organize(catalog, split, tmp_path / "out")
    assert [path.name for path in (root / "combined" / "labels").iterdir()] == ["folder__b.txt"]
    assert "1 fractured images have no box" in capsys.readouterr().err


def test_a_fracture_without_a_box_stood_in_the_list_of_a_yolo_training(catalog: Catalog, tmp_path: Path) -> None:
    """YOLO loaders take an image without a label file for background."""
    frame = catalog.frame.with_columns(boxes=pl.when(pl.col("source") == "yolo").then("boxes").otherwise(pl.lit([])))
    root = organize(Catalog.of(frame), _split(Catalog.of(frame)), tmp_path / "out")
    listed = {line[9:] for name in ("train", "val", "test") for line in _lines(root / "combined" / f"{name}.txt")}
    rows = {Path(row["combined"]).name: row for row in pl.read_csv(root / "manifest.csv").iter_rows(named=True)}
    boxless = {name for name, row in rows.items() if row["label"] == 1 and row["image_id"].startswith("fracatlas")}
    assert boxless and listed == {name for name, row in rows.items() if row["subset"]} - boxless
    assert {Path(name).stem for name in listed} <= {path.stem for path in (root / "combined" / "labels").iterdir()}


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_dicom_files_lost_their_ending_and_were_no_images_any_more(tmp_path: Path) -> None:
    pytest.importorskip("pydicom", reason="DICOM comes with colles[dicom]")
    from drawn_dicom import dicom, encoded

    (tmp_path / "archive").mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 4096, (64, 48), dtype=np.uint16)
        (tmp_path / "archive" / f"1.2.{number}").write_bytes(encoded(dicom(pixels)))
    (tmp_path / "archive" / "labels.csv").write_text("file,label\n1.2.0,0\n1.2.1,0\n")
    catalog = build_catalog([create_source("dicom", tmp_path / "archive", salt=tmp_path / "salt")])
    frame = catalog.frame.select("image_id", "group_id", subset=pl.lit("train"))
    root = organize(catalog, Split(frame, {"catalog_digest": catalog.digest}), tmp_path / "out")
    again = build_catalog([create_source("folder", root / "combined_organized" / "train")])
    assert sorted(again.frame["sha256"]) == sorted(catalog.frame["sha256"])


@pytest.mark.slow
def test_image_folder_reads_the_organised_tree(catalog: Catalog, tmp_path: Path) -> None:
    torchvision = pytest.importorskip("torchvision", reason="ImageFolder comes with colles[train]")
    frame = catalog.frame.filter(pl.col("label").is_not_null(), pl.col("status") == "ok")
    split = Split(frame.select("image_id", "group_id", subset=pl.lit("train")), {"catalog_digest": catalog.digest})
    root = organize(catalog, split, tmp_path / "out")
    images = torchvision.datasets.ImageFolder(root / "combined_organized" / "train")
    assert images.classes == ["fractured", "non_fractured"]
    assert len(images) == frame.height


@pytest.mark.slow
def test_four_thousand_clashing_names_keep_apart(tmp_path: Path) -> None:
    """One name in many folders and many spellings: no file replaces another, and every box comes back."""
    picture = io.BytesIO()
    Image.fromarray((np.arange(64 * 48) % 251).astype(np.uint8).reshape(48, 64)).save(picture, "PNG")
    names = ("IMG0000001.png", "img0000001.PNG", "IMG0000001.rf.a.png", "IMG0000001.rf.b.png", "röntgen.png")
    lines = ["path,label,boxes"]
    for folder in range(800):
        for place, name in enumerate(names):
            path = tmp_path / "set" / f"{folder:03d}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture.getvalue() + f"{folder} {place}".encode())  # trailing bytes: files of their own
            box = [folder % 40, place, folder % 40 + 8, place + 9]
            lines.append(f'{path},{int(place % 2)},"{[box] if place % 2 else []}"')
    (tmp_path / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    catalog = build_catalog([create_source("csv", tmp_path / "list.csv", "many")])
    assert len(catalog) == 4000 and catalog.frame["status"].unique().to_list() == ["ok"]
    split = Split(
        catalog.frame.select("image_id", "group_id", subset=pl.lit("train")), {"catalog_digest": catalog.digest}
    )
    root = organize(catalog, split, tmp_path / "out")
    manifest = pl.read_csv(root / "manifest.csv")
    stems = {Path(name).stem.casefold() for name in manifest["combined"]}
    assert len(stems) == manifest["combined"].n_unique() == manifest["organized"].n_unique() == 4000
    for row in manifest.sample(200, seed=0).iter_rows(named=True):
        assert sha256_file(root / row["combined"]) == sha256_file(root / row["organized"]) == row["sha256"]
    again = build_catalog([create_source("yolo", root / "combined", "combined")])
    back = dict(manifest.select("combined", "image_id").iter_rows())
    expected = {row.image_id: row for row in catalog.rows()}
    assert len(again) == 4000
    for row in again.rows():
        original = expected[back[row.image_id]]
        assert (row.label, row.sha256) == (original.label, original.sha256)
        for one, other in zip(row.boxes, original.boxes, strict=True):
            assert (one.x1, one.y1, one.x2, one.y2) == pytest.approx((other.x1, other.y1, other.x2, other.y2), abs=1e-4)


_KILLED = """
import os, signal, sys
from pathlib import Path
from colles.datasets.catalog import Catalog
from colles.datasets.organize import organize
from colles.datasets.split import Split
from colles.datasets import organize as module
original, left = module._place, int(sys.argv[3])
def place(*arguments):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    original(*arguments)
module._place = place
organize(Catalog.load(sys.argv[1]), Split.load(sys.argv[2]), Path(sys.argv[4]))
"""


@pytest.mark.slow
def test_a_killed_process_and_a_second_call_give_the_same_tree(catalog: Catalog, tmp_path: Path) -> None:
    before = _snapshot(catalog)
    split = _split(catalog)
    split.summary["split_digest"] = split.digest
    split.save(tmp_path / "split.csv")
    catalog.save(tmp_path / "catalog.parquet")
    expected = _tree(organize(catalog, split, tmp_path / "whole"))
    arguments = [str(tmp_path / "catalog.parquet"), str(tmp_path / "split.csv"), "5", str(tmp_path / "out")]
    run = subprocess.run([sys.executable, "-c", _KILLED, *arguments], capture_output=True, timeout=300, check=False)
    assert run.returncode == -signal.SIGKILL
    assert not (tmp_path / "out" / "manifest.csv").exists()
    assert _tree(organize(catalog, split, tmp_path / "out")) == expected
    assert _snapshot(catalog) == before
