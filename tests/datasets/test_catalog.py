"""Every file has a row, decoded once; broken ones keep their label; the digest follows content and not place."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from frames import catalog_of
from PIL import Image

from colles.core.errors import MissingInputError, TableError, UsageError
from colles.core.files import sha256_file
from colles.core.schema import CATALOG_SCHEMA
from colles.core.tables import write_table
from colles.datasets.catalog import Catalog, absent, build_catalog
from colles.datasets.rows import CatalogRows
from colles.datasets.sources import create_source


@pytest.fixture
def catalog(fracatlas: Path, yolo_export: Path) -> Catalog:
    return build_catalog([create_source("fracatlas", fracatlas), create_source("yolo", yolo_export)])


def _broken(root: Path, write_image) -> None:
    for name in ("whole", "truncated", "empty", "text", "big"):
        path = write_image(root / "normal" / f"{name}.png", 120, 90)
        if name == "truncated":
            path.write_bytes(path.read_bytes()[:-400])
        elif name != "whole" and name != "big":
            path.write_bytes(b"" if name == "empty" else b"no image")
    write_image(root / "normal" / "big.png", 400, 300)
    (root / "fractured").mkdir()


def test_rows_come_in_the_order_of_sources_and_paths_with_the_whole_schema(catalog: Catalog) -> None:
    assert catalog.frame.schema == pl.Schema(CATALOG_SCHEMA)
    assert catalog.frame["source"].to_list() == ["fracatlas"] * 5 + ["yolo"] * 5
    for _, part in catalog.frame.group_by("source"):
        assert part["path"].is_sorted()
    assert catalog.frame["status"].unique().to_list() == ["ok"]


def test_files_are_described(catalog: Catalog, fracatlas: Path) -> None:
    row = next(catalog.rows())
    path = fracatlas / "images" / "Fractured" / "IMG0000001.jpg"
    assert (row.width, row.height, row.channels, row.bit_depth) == (80, 60, 1, 8)
    assert row.sha256 == sha256_file(path) and row.file_bytes == path.stat().st_size
    assert row.phash is not None and len(row.phash) == 64 and int(row.phash, 16) > 0
    assert len(row.boxes) == 1


def test_pixels_and_bytes_are_digested_apart(tmp_path: Path, draw) -> None:
    picture = draw(40, 30)
    folder = tmp_path / "normal"
    folder.mkdir()
    Image.fromarray(picture).save(folder / "a.png")
    Image.fromarray(picture).save(folder / "b.png", compress_level=0)
    exif = Image.Exif()
    exif[274] = 3
    Image.fromarray(np.rot90(picture, 2)).save(folder / "c.png", exif=exif)
    Image.fromarray(picture.astype(np.uint16)).save(folder / "d.png")
    frame = build_catalog([create_source("folder", tmp_path)]).frame
    assert frame["sha256"].n_unique() == 4
    a, b, c, d = frame["pixel_sha256"].to_list()
    assert a == b == c != d


def test_broken_files_keep_row_and_label_with_a_status(tmp_path: Path, write_image) -> None:
    _broken(tmp_path, write_image)
    frame = build_catalog([create_source("folder", tmp_path)], max_pixels=20_000).frame
    found = {Path(path).stem: (status, label) for path, status, label in frame.select("path", "status", "label").rows()}
    assert found == {
        "whole": ("ok", 0),
        "truncated": ("truncated", 0),
        "empty": ("empty", 0),
        "text": ("unreadable", 0),
        "big": ("too_large", 0),
    }
    broken = frame.filter(pl.col("status") != "ok")
    assert broken["reason"].null_count() == 0
    assert broken["width"].null_count() == broken["phash"].null_count() == 4
    assert frame["sha256"].null_count() == 0


def test_a_file_above_the_byte_limit_is_not_read(tmp_path: Path, write_image) -> None:
    write_image(tmp_path / "normal" / "a.png")
    [row] = build_catalog([create_source("folder", tmp_path)], max_bytes=10).rows()
    assert (row.status, row.sha256) == ("too_large", None)


def test_a_listed_file_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,label\nnone.png,1\n")
    [row] = build_catalog([create_source("csv", tmp_path / "t.csv")]).rows()
    assert (row.status, row.label) == ("unreadable", 1)
    assert row.reason and "No such file" in row.reason


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_workers_changes_nothing(fracatlas: Path, catalog: Catalog, workers: int) -> None:
    again = build_catalog([create_source("fracatlas", fracatlas)], workers=workers)
    assert again.frame.equals(catalog.frame.filter(pl.col("source") == "fracatlas"))
    assert threading.active_count() < 20


def test_the_digest_follows_content_not_place_or_order(tmp_path: Path, catalog: Catalog, yolo_export: Path) -> None:
    shutil.copytree(yolo_export, tmp_path / "elsewhere")
    one = build_catalog([create_source("yolo", yolo_export)])
    other = build_catalog([create_source("yolo", tmp_path / "elsewhere")])
    assert one.frame["path"].to_list() != other.frame["path"].to_list()
    assert one.digest == other.digest == Catalog(one.frame.reverse()).digest != catalog.digest


@pytest.mark.parametrize(
    "change",
    [
        {"label": pl.lit(None, pl.Int8)},
        {"group_id": pl.lit("one")},
        {"sha256": pl.lit("0")},
        {"status": pl.lit("empty")},
        {"boxes": pl.col("boxes").list.head(0)},
    ],
)
def test_the_digest_changes_with_what_decides_a_training(catalog: Catalog, change: dict) -> None:
    assert catalog.with_columns(**change).digest != catalog.digest
    assert catalog.with_columns(path=pl.lit("/x"), view=pl.lit("y")).digest == catalog.digest


def test_ids_of_digits_became_numbers_in_a_csv(catalog: Catalog, tmp_path: Path) -> None:
    ids = ("007", "7", "0123")
    made = Catalog(catalog.frame.head(3)).with_columns(patient_id=pl.Series(ids), mine=pl.Series([1.5, 2.5, 3.5]))
    again = Catalog.load(made.save(tmp_path / "catalog.csv"))
    assert tuple(again.frame["patient_id"]) == ids and again.digest == made.digest
    assert again.frame["mine"].to_list() == [1.5, 2.5, 3.5]


@pytest.mark.parametrize("ending", ["parquet", "csv", "json"])
def test_saving_and_loading_keeps_everything(catalog: Catalog, tmp_path: Path, ending: str) -> None:
    again = Catalog.load(catalog.save(tmp_path / f"catalog.{ending}"))
    assert again.frame.equals(catalog.frame)
    assert again.digest == catalog.digest
    assert list(again.rows()) == list(catalog.rows())


def test_operations_return_new_catalogs(catalog: Catalog) -> None:
    positives = catalog.where(pl.col("label") == 1)
    assert (len(positives), len(catalog)) == (5, 10)
    assert all(row.label == 1 for row in positives.rows())


def test_two_sources_of_one_name_are_refused(fracatlas: Path) -> None:
    sources = [create_source("fracatlas", fracatlas)] * 2
    with pytest.raises(UsageError, match=r"comes from two sources or lines, and so do \d+ others.*KIND:NAME=PATH"):
        build_catalog(sources)


def test_a_table_that_is_no_catalog_is_named(tmp_path: Path, catalog: Catalog) -> None:
    with pytest.raises(MissingInputError, match="no such file"):
        Catalog.load(tmp_path / "none.parquet")
    catalog.frame.drop("group_id").write_parquet(tmp_path / "a.parquet")
    with pytest.raises(TableError, match="lacks the column 'group_id'"):
        Catalog.load(tmp_path / "a.parquet")
    catalog.frame.with_columns(width=pl.lit("wide")).write_parquet(tmp_path / "b.parquet")
    with pytest.raises(TableError, match="is not a catalog"):
        Catalog.load(tmp_path / "b.parquet")


@pytest.mark.slow
@pytest.mark.real_data
def test_the_real_sets_have_the_known_counts(real_data: Path) -> None:
    sources = [
        create_source("fracatlas", real_data / "FracAtlas"),
        create_source("yolo", real_data / "bonefractureyolo"),
    ]
    frame = build_catalog(sources).frame
    counts = {(source, label): n for source, label, n in frame.group_by("source", "label").len().rows()}
    assert counts[("fracatlas", 1)] == 561
    assert sum(n for (source, _), n in counts.items() if source == "fracatlas") == 3253
    assert sum(n for (source, _), n in counts.items() if source == "yolo") == 3563
    assert counts[("yolo", None)] == 6  # images without a label file: unknown, not negative
    broken = frame.filter(pl.col("status") != "ok")
    assert broken["label"].unique().to_list() == [0] and set(broken["status"]) == {"truncated"}
    contradiction = frame.filter((pl.col("label") == 1) & (pl.col("metadata_label") == 0))
    assert [Path(path).name for path in contradiction["path"]] == ["IMG0003298.jpg"]
    assert frame.filter((pl.col("label") == 1) & (pl.col("boxes").list.len() == 0)).is_empty()


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("label", 2, r"label: 1 of 3 rows hold neither 1, 0 nor nothing \(2\)"),
        ("label", -1, r"label: 1 of 3 rows hold neither 1, 0 nor nothing \(-1\)"),
        ("label", 0.7, r"label: 1 of 3 rows hold neither 1, 0 nor nothing \(0\.7\)"),
        ("label", "yes", r"label: 1 of 3 rows hold neither 1, 0 nor nothing \(yes\)"),
        ("image_id", "s/1", "image_id: 's/1' stands on several rows"),
        ("image_id", None, "image_id: is empty on 1 row"),
        ("status", None, "status: is empty on 1 row"),
    ],
)
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_catalog_of_ones_own_hands_changed_labels_and_lost_rows(
    tmp_path: Path, column: str, value: object, told: str, ending: str
) -> None:
    """-1 counted as a fracture and 0.7 as none, 2 was a defect, and of two rows of one image either counted."""
    rows: list[dict[str, object]] = [
        {"image_id": f"s/{n}", "source": "s", "path": f"/{n}", "label": n % 2, "group_id": f"s/{n}", "status": "ok"}
        for n in range(3)
    ]
    rows[2][column] = value
    path = write_table(pl.DataFrame(rows, infer_schema_length=None, strict=False), tmp_path / f"c.{ending}")
    with pytest.raises(TableError, match=told):
        Catalog.load(path)
    rows[2] |= {"image_id": "s/2", "label": None, "status": "ok"}
    assert len(Catalog.load(write_table(pl.DataFrame(rows), path))) == 3


def test_rows_that_have_boxes_are_listed_in_their_own_order() -> None:
    box = {"x1": 1.0, "y1": 1.0, "x2": 5.0, "y2": 5.0, "name": None}
    rows = [{"image_id": f"s/{n}", "boxes": boxes} for n, boxes in enumerate((None, [], [box], [box, box]))]
    assert CatalogRows(catalog_of(rows).frame).with_boxes() == [2, 3]
    assert CatalogRows(catalog_of(rows).frame).take([3, 0, 2]).with_boxes() == [0, 2]


@pytest.mark.parametrize(
    ("written", "there"), [("M\u00fcller.png", r"'Mu\u0308ller.png'"), ("a.png", "'A.PNG'"), ("dangling.png", None)]
)
def test_a_file_whose_name_looks_the_same_was_not_there_without_a_reason(tmp_path, write_image, written, there) -> None:
    write_image(tmp_path / "Mu\u0308ller.png")
    write_image(tmp_path / "A.PNG")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "table.csv").write_text(f"path,label\n{written},1\n", encoding="utf-8")
    [said] = absent(build_catalog([create_source("csv", tmp_path / "table.csv")]).frame)
    told = f"; its folder has {there}, with case or accents written otherwise" if there else written
    assert said.endswith(told)
