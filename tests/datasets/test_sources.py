"""FracAtlas, class folders and tables become rows; whatever is missing is named with its repair."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import polars as pl
import pytest

from colles.core.errors import AnnotationError, CollesError, MissingInputError, RecipeError, TableError, UsageError
from colles.core.records import Box, Radiograph
from colles.datasets.catalog import build_catalog
from colles.datasets.grouping import kin_of
from colles.datasets.sources import SOURCES, create_source, parse_source
from colles.datasets.sources.base import guess_label
from colles.datasets.sources.columns import with_known_names
from colles.datasets.survey import survey, survey_all


def _rows(kind: str, root: Path, **options) -> list[Radiograph]:
    return list(create_source(kind, root, **options).radiographs())


def test_fracatlas_folder_is_the_label_and_the_table_is_kept_beside_it(fracatlas: Path) -> None:
    rows = _rows("fracatlas", fracatlas)
    assert [row.label for row in rows] == [1, 1, 0, 0, 0]
    assert [row.metadata_label for row in rows] == [1, 0, 0, 0, 0]
    assert [row.image_id for row in rows][:1] == ["fracatlas/images/Fractured/IMG0000001.jpg"]
    assert all(row.group_id == row.image_id and row.patient_id is None for row in rows)


def test_fracatlas_regions_views_and_hardware(fracatlas: Path) -> None:
    rows = _rows("fracatlas", fracatlas)
    assert [row.body_part for row in rows] == ["hand", "leg", "shoulder", "mixed", "hip"]
    assert [row.upper_limb for row in rows] == [True, False, True, False, False]
    assert [row.view for row in rows] == ["frontal", "frontal+lateral", "oblique", "frontal", "frontal"]
    assert [row.hardware for row in rows] == [False, True, False, False, False]


def test_fracatlas_boxes_are_corners_from_coco(fracatlas: Path) -> None:
    rows = _rows("fracatlas", fracatlas)
    assert rows[0].boxes == (Box(x1=10, y1=20, x2=40, y2=35, name="fracture"),)
    assert len(rows[1].boxes) == 2


def test_fracatlas_boxes_come_from_yolo_files_where_coco_is_absent(fracatlas: Path) -> None:
    shutil.rmtree(fracatlas / "Annotations")
    folder = fracatlas / "Annotations" / "YOLO"
    folder.mkdir(parents=True)
    (folder / "IMG0000001.txt").write_text("0 0.3125 0.4583333333 0.375 0.25\n")
    (folder / "IMG0000003.txt").touch()
    source = create_source("fracatlas", fracatlas)
    row = next(source.radiographs())
    [box] = source.finish(row.model_copy(update={"width": 80, "height": 60})).boxes
    assert (box.x1, box.y1, box.x2, box.y2) == pytest.approx((10, 20, 40, 35), abs=1e-6)


def test_a_yolo_file_of_fracatlas_that_is_no_text_was_a_defect(fracatlas: Path) -> None:
    shutil.rmtree(fracatlas / "Annotations" / "COCO JSON")
    (fracatlas / "Annotations" / "YOLO").mkdir()
    (fracatlas / "Annotations" / "YOLO" / "IMG0000001.txt").write_bytes(b"\xff\xfe0")
    with pytest.raises(AnnotationError, match=r"IMG0000001\.txt: is not text"):
        _rows("fracatlas", fracatlas)


def test_what_a_mac_keeps_beside_a_label_file_of_fracatlas_was_read_as_one(fracatlas: Path) -> None:
    shutil.rmtree(fracatlas / "Annotations" / "COCO JSON")
    (fracatlas / "Annotations" / "YOLO").mkdir()
    (fracatlas / "Annotations" / "YOLO" / "._IMG0000001.txt").write_bytes(b"\0\5\x16\7Mac OS X")
    assert len(_rows("fracatlas", fracatlas)) == 5


@pytest.mark.parametrize("part", ["dataset.csv", "images/Fractured", "images", "Annotations"])
def test_fracatlas_names_what_is_missing(fracatlas: Path, part: str) -> None:
    target = fracatlas / part
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    with pytest.raises(MissingInputError, match=Path(part).name):
        _rows("fracatlas", fracatlas)


def test_fracatlas_damaged_tables_are_named(fracatlas: Path) -> None:
    table, coco = fracatlas / "dataset.csv", next(fracatlas.rglob("*.json"))
    text = table.read_text()
    table.write_text(text.replace("shoulder", "schoulder", 1))
    with pytest.raises(TableError, match=r"lacks the column 'shoulder'\. Rename 'schoulder'"):
        _rows("fracatlas", fracatlas)
    table.write_text(text.replace("IMG0000001.jpg,1", "IMG0000001.jpg,yes"))
    with pytest.raises(AnnotationError, match=r"dataset\.csv: a flag is not 0 or 1"):
        _rows("fracatlas", fracatlas)
    table.write_text(text)
    coco.write_text(json.dumps({"images": []}))
    with pytest.raises(AnnotationError, match="not a COCO file"):
        _rows("fracatlas", fracatlas)


def test_a_row_that_the_table_lacks_is_unknown_not_zero(fracatlas: Path) -> None:
    table = fracatlas / "dataset.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:-1]) + "\n")
    row = _rows("fracatlas", fracatlas)[-1]
    assert (row.body_part, row.upper_limb, row.hardware, row.metadata_label, row.label) == (None, None, None, None, 0)


@pytest.mark.parametrize(
    ("one", "other"), [("fractured", "non_fractured"), ("Positive", "Negative"), ("abnormal", "normal")]
)
def test_class_folders_are_understood_by_name(tmp_path: Path, write_image, one: str, other: str) -> None:
    write_image(tmp_path / "train" / one / "wrist" / "a.png")
    write_image(tmp_path / "test" / other / "b.png")
    rows = _rows("folder", tmp_path)
    assert {(row.label, row.given_split) for row in rows} == {(1, "train"), (0, "test")}
    assert [row.image_id for row in rows] == [f"folder/test/{other}/b.png", f"folder/train/{one}/wrist/a.png"]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("ElbowFracture", 1), ("NotFractured", 0), ("without any fracture", 0), ("XR_WRIST_positive", 1),
        ("seropositive", None), ("fracture_not_present", None), ("Fracture No 3", None),
        ("fracture_free", 0), ("fracture ruled out", 0), ("Fractures-Excluded", 0), ("not_normal", None),
        ("non_normal", None), ("not_healthy", None), ("ruled out: fracture", None), ("free fractured fragment", None),
    ],
)  # fmt: skip
def test_a_name_is_guessed_by_whole_words_and_never_against_a_negation(name: str, label: int | None) -> None:
    assert guess_label(name) == label


@pytest.mark.parametrize(
    "name",
    [
        *(
            "fracture?",
            "normal?",
            "possible fracture",
            "suspected_fracture",
            "suspicious_for_fracture",
            "fracture_false",
        ),
        *("rule out fracture", "r/o fracture", "fracture unlikely", "denies fracture", "Fracture: false", "fracture_0"),
        *("w/o fracture", "wo_fracture", "absence of fracture", "sans fracture", "sin fractura", "never fractured"),
        *(
            "neg_fracture",
            "fractureless",
            "false positive",
            "healed_fracture",
            "history of fracture",
            "equivocal fracture",
        ),
        *("fracture with normal alignment", "fracture_normal", "probably normal", "uncertain_fracture"),
    ],
)
def test_a_doubt_or_a_denial_in_other_words_was_taken_for_its_label(tmp_path: Path, write_image, name: str) -> None:
    assert guess_label(name) is None
    (tmp_path / "t.csv").write_text(f'path,label\na.png,"{name}"\n', encoding="utf-8")
    with pytest.raises(AnnotationError, match="is not understood"):
        _rows("csv", tmp_path / "t.csv")
    inside = name.replace("/", "-")  # the folder above says nothing of what its name is in doubt of
    write_image(tmp_path / "fracture_data" / inside / "a.png")
    write_image(tmp_path / "fracture_data" / "normal" / "b.png")
    with pytest.raises(RecipeError, match="cannot tell what the folders"):
        _rows("folder", tmp_path)
    assert survey(str(tmp_path / "fracture_data" / "..")).unclear == [inside]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("negative for fracture", 0),
        ("fracture negative", 0),
        ("fractures_absent", 0),
        ("abnormal", 1),
        ("P0 fracture", 1),
    ],
)
def test_a_name_of_both_kinds_is_understood_where_it_is_plain(name: str, label: int) -> None:
    assert guess_label(name) == label


def test_augmented_copies_in_class_folders_are_one_group(tmp_path: Path, write_image) -> None:
    for name in ("fractured/a_png.rf.1.png", "fractured/a_png.rf.2.png", "normal/b.png"):
        write_image(tmp_path / name)
    one, other, third = _rows("folder", tmp_path)
    assert one.group_id == other.group_id == "folder:a_png" and one.base_name == other.base_name == "a_png"
    assert third.group_id == third.image_id


def test_unknown_folder_names_ask_for_a_class_map(tmp_path: Path, write_image) -> None:
    for name in ("A", "B", "normal"):
        write_image(tmp_path / name / "a.png")
    with pytest.raises(RecipeError, match=r"folders 'A', 'B' mean.*class map"):
        _rows("folder", tmp_path)
    rows = _rows("folder", tmp_path, class_map={"A": 1, "B": None, "normal": 0})
    assert [row.label for row in rows] == [1, None, 0]
    with pytest.raises(AnnotationError, match="class 'B' is not in the class map"):
        _rows("folder", tmp_path, class_map={"A": 1, "normal": 0})


@pytest.mark.parametrize(
    ("folders", "class_map"),
    [
        (("fractured/normal_view", "fractured/oblique", "normal"), None),
        (("fractured/wrist/normal_view", "fractured/oblique", "normal"), None),
        (("fracture_data/normal", "fracture_data"), None),  # an image beside the classes
        (("0/1", "0/2", "1/3"), {"0": 0, "1": 1}),  # patients with the names of classes
        (("0/1", "1/2"), {"0": 0, "1": 1}),
    ],
)
def test_an_inner_folder_took_the_label_of_the_other_class(
    tmp_path: Path, write_image, folders: tuple[str, ...], class_map: dict[str, int] | None
) -> None:
    for folder in folders:
        write_image(tmp_path / folder / "a.png")
    with pytest.raises(RecipeError, match=rf"folder '{folders[0]}' says 1 and 0|folder '{folders[0]}' says 0 and 1"):
        _rows("folder", tmp_path, class_map=class_map)


def test_classes_inside_a_folder_that_names_the_whole_set_are_no_contradiction(tmp_path: Path, write_image) -> None:
    for folder in ("fracture_data/normal", "fracture_data/fractured"):
        write_image(tmp_path / folder / "a.png")
    for class_map in (None, {"normal": 0, "fractured": 1, "fracture_data": 1}):
        assert [row.label for row in _rows("folder", tmp_path, class_map=class_map)] == [1, 0]
    write_image(tmp_path / "fracture_data" / "fractured" / "normal view" / "b.png")
    rows = _rows("folder", tmp_path, class_map={"normal": 0, "fractured": 1})  # a map says which names count
    assert [row.label for row in rows] == [1, 1, 0]


def test_a_folder_without_images_is_missing_input(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(MissingInputError, match="holds no images"):
        _rows("folder", tmp_path)


def _table(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text)
    return path


def test_a_table_gives_paths_labels_and_any_column(tmp_path: Path, write_image) -> None:
    write_image(tmp_path / "a.png")
    elsewhere = write_image(tmp_path.parent / f"{tmp_path.name}_b" / "b.png")
    path = _table(
        tmp_path,
        "path,label,patient_id,study_id,boxes,age,hardware,upper_limb\n"
        'a.png,1,007,s1,"[[1,2,3,4]]",61.5,true,1\n'
        f'{elsewhere},0,,s2,"[{{""x1"":0,""y1"":0,""x2"":5,""y2"":6,""name"":""w""}}]",,,\n'
        "c.png,,,,,,false,0\n",
    )
    one, two, three = _rows("csv", path, name="mine")
    assert [row.label for row in (one, two, three)] == [1, 0, None]
    assert (one.patient_id, one.group_id, one.age, one.hardware, one.upper_limb) == (
        "007",
        "mine:007",
        61.5,
        True,
        True,
    )
    assert two.group_id == "mine:s2" and two.path == str(elsewhere)
    assert three.group_id == three.image_id == "mine/c.png"
    assert one.boxes == (Box(x1=1, y1=2, x2=3, y2=4),) and two.boxes[0].name == "w"


def test_every_column_that_a_table_may_have_reaches_the_catalog(tmp_path: Path) -> None:
    said = {"body_part": "wrist", "view": "lateral", "laterality": "left", "sex": "F", "manufacturer": "M"}
    said |= {"patient_id": "p", "study_id": "s", "base_name": "b", "given_split": "test", "group_id": "g"}
    said |= {"label": "1", "hardware": "no", "age": "7", "upper_limb": "yes", "path": "a.png"}
    [row] = _rows("csv", _table(tmp_path, f"{','.join(said)}\n{','.join(said.values())}\n"))
    found = {name: getattr(row, name) for name in said}
    meant = {"label": 1, "hardware": False, "age": 7, "upper_limb": True, "group_id": "csv:g"}
    assert found == {**said, **meant, "path": str(tmp_path / "a.png")}


@pytest.mark.parametrize(
    ("column", "meant"),
    [
        *(
            (name, "patient_id")
            for name in ("PatientID", "patient", " patient_id", "Patient ID", "MRN", "Patienten-ID")
        ),
        *((name, "study_id") for name in ("StudyInstanceUID", "study", "Accession Number")),
    ],
)
def test_patients_under_another_name_of_the_column_were_passed_over(
    tmp_path: Path, capsys, column: str, meant: str
) -> None:
    """Every image was its own group, so that one patient could lie on both sides of a split."""
    path = _table(tmp_path, f'path,label,{column},Boxes,note\na.png,1,7,"[[1,1,9,9]]",x\nb.png,0,7,,y\n')
    one, two = _rows("csv", path)
    assert getattr(one, meant) == "7" and one.group_id == two.group_id == "csv:7" and len(one.boxes) == 1
    told = capsys.readouterr().err
    assert f"{path}: read as {meant}: the column {column!r}" in told and "read as boxes: the column 'Boxes'" in told
    assert f"{path}: columns that are not read: 'note'" in told


def test_an_age_with_a_decimal_comma_was_refused(tmp_path: Path) -> None:
    [row] = _rows("csv", _table(tmp_path, "path;label;age\na.png;1;34,5\n"))
    assert row.age == 34.5


@pytest.mark.parametrize("name", ["Group", "cluster", "study", "Exam", "examination"])
def test_the_arm_of_a_trial_is_no_group(tmp_path: Path, capsys, name: str) -> None:
    lines = "".join(f"{n}.png,{n % 2},{'cases' if n % 2 else 'controls'}\n" for n in range(60))
    rows = _rows("csv", _table(tmp_path, f"path,label,{name}\n{lines}"))
    assert len({row.group_id for row in rows}) == 60 and f"not read: {name!r}" in capsys.readouterr().err


def test_groups_of_a_table_were_passed_over(tmp_path: Path) -> None:
    lines = "a.png,1,g1,p1\nb.png,0,g1,p2\nc.png,0,,p2\nd.png,1,,\n"
    path = _table(tmp_path, f"path,label,group_id,patient_id\n{lines}")
    catalog = build_catalog([create_source("csv", path)])
    kin = kin_of(catalog.frame, {})
    assert len({kin[f"csv/{name}.png"] for name in "abc"}) == 1 and len(set(kin.values())) == 2


@pytest.mark.parametrize("header", ["path,label,patient_id,PatientID", "path,label,patient,PatientID"])
def test_two_columns_of_patients_are_an_error(tmp_path: Path, header: str) -> None:
    path = _table(tmp_path, f"{header}\na.png,1,1,2\nb.png,0,1,3\n")
    with pytest.raises(TableError, match="patient_id: two columns give it"):
        _rows("csv", path)
    path = _table(tmp_path, "path,label,patient_id,patient_id\na.png,1,1,2\n")
    with pytest.raises(TableError, match="has two columns 'patient_id'"):
        _rows("csv", path)


def test_ids_of_a_table_were_taken_with_their_blanks_and_nobody_was_a_patient(tmp_path: Path) -> None:
    ids = ["p1", "p1 ", "NA", "unknown", "", "0", "0", "007"]  # a table may number its patients from 0
    path = _table(tmp_path, "path,label,patient_id\n" + "".join(f"{n}.png,1,{name}\n" for n, name in enumerate(ids)))
    rows = _rows("csv", path)
    assert [row.patient_id for row in rows] == ["p1", "p1", None, None, None, "0", "0", "007"]
    assert len({row.group_id for row in rows}) == 6


def test_numbered_ids_of_an_anonymised_set_were_nobody_and_its_patients_torn_apart(tmp_path: Path) -> None:
    ids = ["ANON0001", "anon_2", "Anonymous3", "anonymous", "ANON_PATIENT"]
    path = _table(tmp_path, "path,label,patient_id\n" + "".join(f"{n}.png,1,{name}\n" for n, name in enumerate(ids)))
    assert [row.patient_id for row in _rows("csv", path)] == ["ANON0001", "anon_2", "Anonymous3", None, None]


def test_subsets_of_a_table_in_other_words_hid_its_leaks(tmp_path: Path) -> None:
    words = ["Train", "training", "VAL ", "validation", "Testing", "fold3", ""]
    path = _table(tmp_path, "path,label,given_split\n" + "".join(f"{n}.png,1,{word}\n" for n, word in enumerate(words)))
    found = [row.given_split for row in _rows("csv", path)]
    assert found == ["train", "train", "val", "val", "test", "fold3", None]


def test_labels_in_words_go_through_the_class_map(tmp_path: Path) -> None:
    path = _table(tmp_path, "path,label\na.png,fracture\nb.png,normal\nc.png,unsure\n")
    with pytest.raises(AnnotationError, match="line 4: label 'unsure' is not understood"):
        _rows("csv", path)
    rows = _rows("csv", path, class_map={"fracture": 1, "normal": 0, "unsure": None})
    assert [row.label for row in rows] == [1, 0, None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,lable\na.png,1\n", r"table\.csv: lacks the column 'label'\. Rename 'lable'"),
        ("label\n1\n", "lacks the column 'path'"),
        ("path,label,age\na.png,1,old\n", "line 2: cannot be understood.*age"),
        ("path,label,boxes\na.png,1,[[1]]\n", "line 2: cannot be understood"),
        ("path,label,boxes\na.png,1,[1\n", "line 2: cannot be understood"),
        ("path,label,boxes\na.png,1,5\n", "line 2: cannot be understood"),
        pytest.param(f"path,label,boxes\na.png,1,{'[' * 3000}\n", "line 2: cannot be understood", id="depth"),
        ("path,label\n,1\n", "line 2: has no path"),
    ],
)
def test_a_table_with_a_fault_names_column_or_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        _rows("csv", _table(tmp_path, text))


def test_a_number_that_is_no_label_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="label '2' is not understood"):
        _rows("csv", _table(tmp_path, "path,label\na.png,2\n"))


def test_class_maps_are_read_from_every_form(tmp_path: Path, yolo_export: Path) -> None:
    expected = {"wrist positive": 1, "humerus": None, "no": 0}
    texts = {
        "map.yaml": "wrist positive: 1\nhumerus: null\nno: 0\n",
        "map.json": json.dumps(expected),
        "map.csv": "class,label\nwrist positive,1\nhumerus,\nno,0\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        assert create_source("yolo", yolo_export, class_map=tmp_path / name).class_map == expected


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("map.yaml", "a: 2\n", "a class means 1, 0 or nothing, not '2'"),
        ("map.yaml", "- a\n", "a class map is a table of names"),
        ("map.yaml", "a: [", "not valid YAML"),
        pytest.param("map.yaml", "[" * 600, "not valid YAML", id="depth"),
        ("map.json", "{", "not valid JSON"),
        ("map.csv", "name,label\na,1\n", "lacks the column 'class'"),
    ],
)
def test_a_class_map_with_a_fault_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(CollesError, match=message):
        create_source("yolo", tmp_path, class_map=tmp_path / name)


def test_sources_are_opened_by_text(tmp_path: Path) -> None:
    source = parse_source(f"yolo:wrists={tmp_path}/a=b")
    assert (source.name, source.kind, source.root) == ("wrists", "yolo", tmp_path / "a=b")
    assert parse_source(f"csv={tmp_path}").name == "csv"
    for text in ("yolo", "=x", "yolo="):
        with pytest.raises(UsageError, match="KIND"):
            parse_source(text)
    with pytest.raises(UsageError, match="Did you mean 'fracatlas'"):
        parse_source("fracatlass=x")
    assert set(SOURCES) >= {"fracatlas", "yolo", "folder", "csv"}


def test_yes_in_a_table_was_not_understood_where_no_was(tmp_path: Path) -> None:
    words = ["Yes", "YES ", "no", "No", "true", "?", "n/a", ""]
    path = _table(tmp_path, "path,label\n" + "".join(f"{n}.png,{word}\n" for n, word in enumerate(words)))
    assert [row.label for row in _rows("csv", path)] == [1, 1, 0, 0, 1, None, None, None]
    assert [row.label for row in _rows("csv", path, class_map={"Yes": 1, "YES": 1, "no": 0, "No": 0, "true": 0})][
        4:
    ] == [
        0,
        None,
        None,
        None,
    ]
    assert survey(str(path)).unclear == []


@pytest.mark.parametrize("word", ["F", "T", "none", "None"])
def test_a_label_that_may_mean_one_thing_or_the_other_was_guessed(tmp_path: Path, word: str) -> None:
    """F, a fracture beside N, was read as false; `none` beside `fracture` was unknown without a word."""
    path = _table(tmp_path, f"path,label\na.png,{word}\nb.png,fracture\n")
    with pytest.raises(AnnotationError, match=rf"line 2: label '{word}' is not understood.*class map"):
        _rows("csv", path)
    assert survey(str(path)).unclear == [word]
    with pytest.raises(AnnotationError, match=rf"class '{word}' is not in the class map"):
        _rows("csv", path, class_map={"fracture": 1})
    assert [row.label for row in _rows("csv", path, class_map={"fracture": 1, word: 0})] == [0, 1]


def test_an_empty_label_was_0_where_a_class_map_said_so(tmp_path: Path) -> None:
    path = _table(tmp_path, "path,label\na.png,\nb.png,1\n")
    assert [row.label for row in _rows("csv", path, class_map={"": 0, "1": 1})] == [None, 1]


def test_ages_of_a_table_that_say_nothing_or_stand_as_in_dicom_ended_the_catalog(tmp_path: Path) -> None:
    ages = ["034Y", "6M", "n/a", "?", "", "61.5"]
    path = _table(
        tmp_path, "path,label,age,hardware\n" + "".join(f"{n}.png,1,{age},n/a\n" for n, age in enumerate(ages))
    )
    rows = _rows("csv", path)
    assert [row.age for row in rows] == [34.0, 0.5, None, None, None, 61.5]
    assert {row.hardware for row in rows} == {None}


def test_a_cell_that_is_no_number_was_told_with_the_address_of_a_library(tmp_path: Path) -> None:
    with pytest.raises(
        TableError, match=r"line 2: cannot be understood \(age 'old': input should be a valid number"
    ) as e:
        _rows("csv", _table(tmp_path, "path,label,age\na.png,1,old\n"))
    assert "http" not in str(e.value)


def test_a_coco_file_was_a_folder_to_be_called_fractured_or_a_broken_table(tmp_path: Path, write_image) -> None:
    write_image(tmp_path / "images" / "a.png")
    file = tmp_path / "annotations.json"
    file.write_text(json.dumps({"images": [{"id": 1}, {"id": 2}], "annotations": [], "categories": []}))
    os.mkfifo(tmp_path / "a pipe.json")  # it held the command for ever
    with pytest.raises(UsageError, match=r"holds a COCO file \(annotations.json\), which is not read.*tutorial"):
        survey(str(tmp_path))
    with pytest.raises(TableError, match=r"It is a COCO file\. Make a table.*tutorial"):
        _rows("csv", file)


def test_a_table_in_another_encoding_was_told_to_be_divided_by_commas_alone(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("path;label\nKöln.png;1\n".encode("cp1252"))
    with pytest.raises(TableError, match="Save it as UTF-8"):
        _rows("csv", path)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ("[[30, 40, 20, 10]]", "perhaps a width and height"),
        ("[[0.1, 0.2, 0.3, 0.4]]", "perhaps in shares of the picture"),
    ],
)
def test_boxes_of_another_form_were_taken_for_corners_in_pixels(tmp_path: Path, boxes: str, message: str) -> None:
    """[x, y, width, height] became a box elsewhere, shares a box in the left upper corner."""
    with pytest.raises(TableError, match=f"line 2: .*{message}"):
        _rows("csv", _table(tmp_path, f'path,label,boxes\na.png,1,"{boxes}"\n'))


@pytest.mark.parametrize("boxes", ["[[10,5, 20,5, 40,5, 50,5]]", "[[0, 10, 20, 40, 50]]"])
def test_a_box_of_more_than_four_numbers_lost_the_rest(tmp_path: Path, boxes: str) -> None:
    """Decimal commas and a class in front became a box elsewhere."""
    with pytest.raises(TableError, match=r"line 2: .*\[x1, y1, x2, y2\]"):
        _rows("csv", _table(tmp_path, f'path,label,boxes\na.png,1,"{boxes}"\n'))


def test_a_table_of_patients_beside_class_folders_was_passed_over_without_a_word(tmp_path, write_image, capsys) -> None:
    root = tmp_path / "set"
    write_image(root / "fractured" / "a.png")
    write_image(root / "normal" / "b.png")
    assert len(_rows("folder", root)) == 2 and not capsys.readouterr().err
    (root / "patients.csv").write_text("path,patient_id\n", encoding="utf-8")
    (root / "~$patients.xlsx").touch()
    assert len(_rows("folder", root)) == 2
    assert ": patients.csv not read for labels or patients; such a table is a source" in capsys.readouterr().err
    (root / "patients.csv").rename(root / "normal" / "patients.csv")
    assert len(_rows("folder", root)) == 2
    assert "normal/patients.csv not read for labels" in capsys.readouterr().err


def test_a_zip_file_beside_the_images_was_left_out_without_a_word(tmp_path: Path, write_image, capsys) -> None:
    root = tmp_path / "set"
    write_image(root / "fractured" / "a.png")
    (root / "more.zip").touch()
    assert len(_rows("folder", root)) == 1
    assert "1 packed, such as more.zip; unpack what holds images" in capsys.readouterr().err
    with pytest.raises(UsageError, match=r"neither a folder nor a table\. Unpack it, and name the folder"):
        survey(str(root / "more.zip"))


def test_folders_that_differ_behind_a_dot_had_one_name(tmp_path: Path, write_image) -> None:
    for version in ("clinic 1.2", "clinic 1.3"):
        write_image(tmp_path / version / "fractured" / "a.png")
    assert [item.name for item in survey_all([str(path) for path in sorted(tmp_path.iterdir())])] == [
        "clinic_1.2",
        "clinic_1.3",
    ]


def test_pictures_under_another_ending_were_left_out_without_a_word(tmp_path: Path, write_image, capsys) -> None:
    root = tmp_path / "set"
    write_image(root / "fractured" / "a.png")
    (root / "fractured" / "b").write_bytes((root / "fractured" / "a.png").read_bytes())
    (root / "fractured" / "c.jfif").write_bytes(b"\xff\xd8\xff\xe0")
    (root / "fractured" / "IM000001").write_bytes(bytes(128) + b"DICM")
    (root / "fractured" / "d.jp2").touch()
    for name in ("Thumbs.db", "notes.txt"):
        (root / "fractured" / name).write_text("no picture", encoding="utf-8")
    assert len(_rows("folder", root)) == 1
    said = capsys.readouterr().err
    assert "4 pictures whose ending is not read (.jfif 1, .jp2 1, none 2), such as fractured/IM000001" in said
    assert "DICOM files are a source whatever their endings: colles init dicom=FOLDER" in said


def test_a_yolo_export_without_data_yaml_was_a_folder_to_be_called_fractured(write_yolo) -> None:
    root = write_yolo({"train/a": "0 0.5 0.5 0.1 0.1", "train/b": ""})
    (root / "data.yaml").unlink()
    with pytest.raises(UsageError, match=r"YOLO export \(train/labels\) without its data.yaml"):
        survey(str(root))


def test_a_data_yaml_of_many_levels_ended_in_a_defect(write_yolo) -> None:
    root = write_yolo({"train/a": "0 0.5 0.5 0.1 0.1", "train/b": ""})
    (root / "data.yaml").write_text("[" * 600)
    for read in (lambda: _rows("yolo", root), lambda: survey(str(root))):
        with pytest.raises(AnnotationError, match=r"data\.yaml: not valid YAML"):
            read()


def test_of_two_columns_of_labels_the_first_was_taken_without_a_word(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="has two columns 'label'"):
        _rows("csv", _table(tmp_path, "path,label,label\na.png,1,0\n"))


def test_a_box_outside_its_picture_became_a_fracture_at_the_edge(tmp_path: Path, write_image) -> None:
    write_image(tmp_path / "a.png")
    table = _table(tmp_path, 'path,label,boxes\na.png,1,"[[5, 5, 9, 9], [5000, 5000, 5100, 5100]]"\n')
    [row] = build_catalog([create_source("csv", table)]).rows()
    assert row.boxes == (Box(x1=5, y1=5, x2=9, y2=9),)
    assert (row.status, row.reason) == ("ok", "1 of 2 boxes lie outside the picture")


def test_a_broken_picture_keeps_boxes_in_pixels_and_loses_shares_of_a_size_that_nobody_knows(
    tmp_path: Path, write_yolo
) -> None:
    root = write_yolo({"train/a": "0 0.5 0.5 0.2 0.2\n"})
    image = root / "train" / "images" / "a.png"
    image.write_bytes(image.read_bytes()[:60])
    table = _table(tmp_path, f'path,label,boxes\n{image},1,"[[1,2,3,4]]"\n')
    sources = [create_source("yolo", root), create_source("csv", table, boxes_on="stored")]
    shares, pixels = build_catalog(sources).rows()
    assert shares.status == pixels.status != "ok" and shares.label == pixels.label == 1
    assert shares.boxes == () and pixels.boxes == (Box(x1=1, y1=2, x2=3, y2=4),)


def test_boxes_of_images_labelled_0_passed_silently(tmp_path: Path, write_image, capsys) -> None:
    """They taught the place of a fracture in an image that was called normal."""
    for name in "abc":
        write_image(tmp_path / f"{name}.png")
    lines = 'a.png,0,"[[1,1,5,5],[2,2,9,9]]"\nb.png,1,"[[1,1,5,5]]"\nc.png,0,"[[1,1,5,5]]"\n'
    (tmp_path / "t.csv").write_text(f"path,label,boxes\n{lines}", encoding="utf-8")
    rows = list(build_catalog([create_source("csv", tmp_path / "t.csv")]).rows())
    assert [len(row.boxes) for row in rows] == [0, 1, 0]
    assert rows[0].label == 0 and rows[0].reason == "2 boxes left out, since the label is 0" and rows[1].reason is None
    assert capsys.readouterr().err == (
        f"{tmp_path / 't.csv'}: 2 images labelled 0 have boxes, such as csv/a.png; the label counts, and their boxes "
        "are left out\n"
    )


def test_boxes_of_a_normal_image_of_fracatlas_passed_silently(fracatlas: Path, capsys) -> None:
    coco = next(fracatlas.rglob("*.json"))
    held = json.loads(coco.read_text())
    normal = next((fracatlas / "images" / "Non_fractured").iterdir()).name
    held["images"].append({"id": 999, "file_name": normal, "width": 80, "height": 60})
    held["annotations"].append({"id": 999, "image_id": 999, "bbox": [1, 1, 5, 5]})
    coco.write_text(json.dumps(held))
    rows = {Path(row.path).name: row for row in build_catalog([create_source("fracatlas", fracatlas)]).rows()}
    assert rows[normal].boxes == () and "1 images labelled 0 have boxes" in capsys.readouterr().err


def test_a_column_of_subsets_was_not_read_and_nobody_was_told_what_to_call_it(tmp_path: Path, capsys) -> None:
    told = "if 'Split' divides the images, call it given_split: the audit looks for leaks across it"
    _rows("csv", _table(tmp_path, "path,label,Split\na.png,1,train\n"))
    assert told in capsys.readouterr().err
    _rows("csv", _table(tmp_path, "path,label,Split,given_split\na.png,1,train,test\n"))
    assert told not in capsys.readouterr().err
    with_known_names(pl.DataFrame({"path": ["a.png"], "Split": ["train"]}), ("path",), tmp_path)  # nothing takes it
    assert told not in capsys.readouterr().err


def test_a_hardware_in_another_word_was_not_told_to_be_yes_or_no(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"hardware 'ja': .*Write hardware and upper_limb as yes or no"):
        _rows("csv", _table(tmp_path, "path,label,hardware\na.png,1,ja\n"))
