"""A YOLO export becomes rows: boxes from boxes and polygons, empty is negative, missing is unknown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from colles.core.errors import AnnotationError, MissingInputError
from colles.core.records import Box
from colles.datasets.catalog import build_catalog
from colles.datasets.sources import create_source
from colles.datasets.sources.yolo import parse_row
from colles.datasets.survey import survey


def _rows(root: Path, **options):
    source = create_source("yolo", root, **options)
    return {
        row.image_id: source.finish(row.model_copy(update={"width": 64, "height": 48})) for row in source.radiographs()
    }


def test_boxes_polygons_empty_and_missing_labels(yolo_export: Path) -> None:
    rows = _rows(yolo_export, name="wrists")
    assert list(rows) == [
        "wrists/test/images/d_png.rf.55.png",
        "wrists/train/images/a_png.rf.11.png",
        "wrists/train/images/b_png.rf.22.png",
        "wrists/val/images/a_png.rf.33.png",
        "wrists/val/images/c_png.rf.44.png",
    ]
    unknown, box, polygon, _, negative = rows.values()
    assert (unknown.label, unknown.reason, unknown.boxes) == (None, "no label file", ())
    assert (negative.label, negative.reason, negative.boxes) == (0, None, ())
    assert box.boxes == (Box(x1=24, y1=12, x2=40, y2=36, name="wrist positive"),)
    assert polygon.boxes == (Box(x1=16, y1=12, x2=48, y2=36, name="humerus"),)
    assert box.label == polygon.label == 1


def test_copies_share_base_name_and_group_and_keep_their_given_split(yolo_export: Path) -> None:
    rows = [row for row in _rows(yolo_export).values() if row.base_name == "a_png"]
    assert [row.group_id for row in rows] == ["yolo:a_png"] * 2
    assert [row.given_split for row in rows] == ["train", "val"]


def test_equal_plain_names_in_two_subsets_are_two_radiographs(write_yolo, write_image) -> None:
    """They were taken for augmented copies, and those of val and test were left out."""
    root = write_yolo({f"{subset}/{n:03d}": "" for subset in ("train", "val", "test") for n in range(4)})
    assert all(row.group_id == image for image, row in _rows(root).items())
    write_image(root / "train" / "images" / "001.jpg")  # of one label file with 001.png
    rows = _rows(root)
    twins = [rows[f"yolo/train/images/001.{ending}"].group_id for ending in ("jpg", "png")]
    assert twins == ["yolo:001"] * 2 and rows["yolo/val/images/001.png"].group_id == "yolo/val/images/001.png"


def test_a_bare_name_among_marked_ones_is_the_original_of_its_copies(write_yolo) -> None:
    rows = _rows(write_yolo({"train/a.rf.11": "", "val/a.rf.22": "", "test/a": "", "test/b": ""}))
    assert [row.group_id for row in rows.values()] == ["yolo:a", "yolo:b", "yolo:a", "yolo:a"]


def test_body_part_does_not_tell_the_label(yolo_export: Path) -> None:
    assert {(row.body_part, row.upper_limb) for row in _rows(yolo_export).values()} == {("upper_limb", True)}


def test_valid_is_val_and_images_above_subsets_are_read(tmp_path: Path, write_yolo, write_image) -> None:
    rows = _rows(write_yolo({"valid/a": ""}))
    assert [row.given_split for row in rows.values()] == ["val"]
    root = write_yolo({}, folder="other")
    write_image(root / "images" / "test" / "b.png")
    (root / "labels" / "test").mkdir(parents=True)
    (root / "labels" / "test" / "b.txt").touch()
    [row] = _rows(root).values()
    assert (row.given_split, row.label) == ("test", 0)


def test_an_empty_subset_is_no_error(yolo_export: Path) -> None:
    for path in (yolo_export / "test" / "images").iterdir():
        path.unlink()
    assert len(_rows(yolo_export)) == 4


def test_a_class_map_decides(yolo_export: Path) -> None:
    rows = list(_rows(yolo_export, class_map={"wrist positive": 0, "humerus": None}).values())
    assert [row.label for row in rows] == [None, 0, None, 0, 0]
    assert rows[2].reason == "only classes of unknown meaning"
    assert not any(row.boxes for row in rows)


def test_one_positive_class_makes_a_positive_with_its_boxes_alone(write_yolo) -> None:
    root = write_yolo({"train/a": "0 0.5 0.5 0.2 0.2\n1 0.5 0.5 0.4 0.4\n"}, names="[plate, fracture]")
    [row] = _rows(root, class_map={"plate": 0, "fracture": 1}).values()
    assert row.label == 1
    assert [box.name for box in row.boxes] == ["fracture"]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("humerus", 1),
        ("elbow positive", 1),
        ("abnormal", 1),
        ("non-displaced fracture", 1),
        ("normal", 0),
        ("no fracture", 0),
        ("Non_fractured", 0),
        ("no", 0),
        ("negative", 0),
        ("healthy", 0),
        ("fracture absent", 0),
    ],
)
def test_without_a_map_only_names_that_deny_a_fracture_are_negative(write_yolo, name: str, label: int) -> None:
    [row] = _rows(write_yolo({"train/a": "0 0.5 0.5 0.2 0.2\n"}, names=f"{{0: {name}}}")).values()
    assert row.label == label


def test_boxes_are_clipped_to_the_image(write_yolo) -> None:
    [row] = _rows(write_yolo({"train/a": "0 0.95 0.05 0.2 0.2\n"})).values()
    [box] = row.boxes
    assert (box.x2, box.y1) == (64, 0)


def test_shares_refer_to_the_image_as_displayed(write_yolo) -> None:
    root = write_yolo({"train/a": "0 0.25 0.5 0.5 1\n"})
    exif = Image.Exif()
    exif[274] = 6  # stored lying, shown standing
    Image.new("L", (64, 48), 90).save(root / "train" / "images" / "a.png", exif=exif)
    [row] = build_catalog([create_source("yolo", root)]).rows()
    assert (row.width, row.height) == (48, 64)
    assert row.boxes == (Box(x1=0, y1=0, x2=24, y2=64, name="wrist positive"),)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0 0.5 0.5", r"a\.txt: row 2: has 3 numbers\. A row is class x y w h, or class and three points or more"),
        ("0 0.1 0.1 0.2 0.2 0.3", "has 6 numbers"),
        ("7 0.5 0.5 0.1 0.1", r"a\.txt: row 2: class 7 is not in data\.yaml\. data\.yaml names the classes 0 to 1"),
        ("-1 0.5 0.5 0.1 0.1", "class -1 is not in"),
        ("wrist 0.5 0.5 0.1 0.1", "row 2: .* is not numbers"),
        ("0 120 80 30 20", "outside 0 to 1.*not pixels"),
        ("0 0.5 0.5 -0.1 0.1", "outside 0 to 1"),
        ("0 nan 0.5 0.1 0.1", "outside 0 to 1"),
    ],
)
def test_a_bad_row_names_file_row_and_repair(write_yolo, row: str, message: str) -> None:
    root = write_yolo({"train/a": f"0 0.5 0.5 0.1 0.1\n{row}\n"})
    with pytest.raises(AnnotationError, match=message):
        _rows(root)


def test_a_class_that_a_given_map_lacks_is_an_error(yolo_export: Path) -> None:
    with pytest.raises(AnnotationError, match=r"row 1: class 'humerus' is not in the class map\. .*'wrist positive'"):
        _rows(yolo_export, class_map={"wrist positive": 1})


def test_missing_and_empty_folders_are_told_apart(tmp_path: Path, yolo_export: Path) -> None:
    with pytest.raises(MissingInputError, match="no such folder"):
        _rows(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInputError, match="is empty"):
        _rows(tmp_path / "empty")
    (yolo_export / "data.yaml").rename(tmp_path / "data.yaml")
    with pytest.raises(MissingInputError, match=r"data\.yaml: no such file"):
        _rows(yolo_export)


@pytest.mark.parametrize("names", ["", "[]", "{0: a, 2: b}", "{a"])
def test_class_names_that_cannot_be_used(write_yolo, names: str) -> None:
    with pytest.raises(AnnotationError, match=r"data\.yaml"):
        _rows(write_yolo({"train/a": ""}, names=names))


shares = st.floats(0, 1, allow_nan=False)


@given(st.lists(st.tuples(shares, shares), min_size=3, max_size=12))
def test_a_polygon_becomes_its_bounding_box(points: list[tuple[float, float]]) -> None:
    line = "0 " + " ".join(f"{x!r} {y!r}" for x, y in points)
    box = parse_row(line, ["fracture"], path=Path("a.txt"), number=1)
    xs, ys = zip(*points, strict=True)
    assert (box.x1, box.y1, box.x2, box.y2) == (min(xs), min(ys), max(xs), max(ys))


def test_subsets_in_capitals_or_under_names_of_their_own_were_left_out_without_a_word(write_yolo, capsys) -> None:
    root = write_yolo({"Train/a": "", "val/b": "", "holdout/c": "", "late/f": "", "spare/d": "", ".cache/e": ""})
    described = (root / "data.yaml").read_text("utf-8")
    (root / "data.yaml").write_text(f"test: [holdout/images, ../late/images]\n{described}", encoding="utf-8")
    rows = _rows(root)
    given_split = {image.removeprefix("yolo/"): row.given_split for image, row in rows.items()}
    assert given_split == {
        "Train/images/a.png": "train",
        "holdout/images/c.png": "test",
        "late/images/f.png": "test",
        "val/images/b.png": "val",
    }
    said = capsys.readouterr().err
    assert f"{root / 'spare' / 'images'} is no subset that data.yaml names; left out" in said and ".cache" not in said


def test_images_beside_the_subsets_were_left_out_without_a_word(write_yolo, write_image, capsys) -> None:
    root = write_yolo({"train/a": ""})
    write_image(root / "images" / "b.png")
    assert list(_rows(root)) == ["yolo/train/images/a.png"]
    assert f"{root / 'images'} is no subset" in capsys.readouterr().err


def test_classes_that_are_no_fractures_made_every_image_with_a_box_fractured(write_yolo) -> None:
    """Sets such as GRAZPEDWRI-DX draw boxes around letters and metal too."""
    names = "[boneanomaly, fracture, metal, text, humerus, suspected fracture]"
    root = write_yolo({f"train/{n}": f"{n} 0.5 0.5 0.2 0.2\n" for n in (3, 1, 4)}, names=names)
    told = r"names: cannot tell whether 'boneanomaly', 'metal', 'text', 'suspected fracture' mark a fracture"
    with pytest.raises(AnnotationError, match=told):
        list(create_source("yolo", root).radiographs())
    assert set(survey(str(root)).unclear) == {"boneanomaly", "metal", "text", "suspected fracture"}
    meant = dict.fromkeys(("boneanomaly", "metal", "text"), 0) | {
        "fracture": 1,
        "humerus": 1,
        "suspected fracture": None,
    }
    rows = list(create_source("yolo", root, class_map=meant).radiographs())
    assert [row.label for row in rows] == [1, 0, 1]
