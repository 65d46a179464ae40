"""A folder as an archive gives it: groups by patient, nothing of the patient anywhere, labels beside it."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colles.core.errors import AnnotationError, MissingExtraError, MissingInputError, TableError, UsageError
from colles.core.records import Radiograph
from colles.datasets.audit.integrity import odd_pictures
from colles.datasets.catalog import Catalog, build_catalog
from colles.datasets.grouping import kin_of
from colles.datasets.pseudonyms import Pseudonyms
from colles.datasets.sources import create_source
from colles.imaging.read import read_image, to_grey

pydicom = pytest.importorskip("pydicom", reason="DICOM comes with colles[dicom]")
from drawn_dicom import SC, dicom, encoded  # noqa: E402


def write(path: Path, seed: int = 0, **elements: Any) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 4096, (120, 110), dtype=np.uint16)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(dicom(pixels, **elements)))
    return path


def catalog_of(root: Path, salt: str = "s.salt", **options: Any) -> Catalog:
    return build_catalog([create_source("dicom", root, salt=root.parent / salt, **options)])


def by_name(catalog: Catalog) -> dict[str, Radiograph]:
    return {Path(row.path).name: row for row in catalog.rows()}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    root = tmp_path / "archive"
    write(root / "a" / "1.dcm", 1, BodyPartExamined="WRIST", ViewPosition="PA", ImageLaterality="L", PatientAge="034Y")
    write(root / "a" / "2", 2, StudyInstanceUID="1.2.3.2", BodyPartExamined="LT FOREARM", ViewPosition="LATERAL")
    write(root / "b" / "3.IMA", 3, PatientID="0815-OTHER", StudyInstanceUID="1.2.3.3", BurnedInAnnotation="YES")
    write(root / "b" / "4.dcm", 4, PatientID="", StudyInstanceUID="1.2.3.4", BodyPartExamined="KNEE")
    write(root / "b" / "5.dcm", 5, PatientID="ANONYMOUS", StudyInstanceUID="1.2.3.5", Manufacturer="Maker ")
    (root / "b" / "notes.txt").write_text("no DICOM")
    return root


def test_patients_and_studies_are_groups(archive: Path) -> None:
    rows = by_name(catalog_of(archive))
    assert sorted(rows) == ["1.dcm", "2", "3.IMA", "4.dcm", "5.dcm"]
    assert rows["1.dcm"].group_id == rows["2"].group_id == f"{rows['1.dcm'].id_scope}:{rows['1.dcm'].patient_id}"
    assert rows["1.dcm"].study_id != rows["2"].study_id
    assert rows["3.IMA"].group_id != rows["1.dcm"].group_id
    for name in ("4.dcm", "5.dcm"):  # ANONYMOUS stands for many patients: the study is the group
        assert rows[name].patient_id is None and rows[name].group_id == f"{rows[name].id_scope}:{rows[name].study_id}"
    assert {row.status for row in rows.values()} == {"ok"}


@pytest.mark.parametrize(("one", "other"), [("004711", "4711"), ("AB-12", "ab-12"), (" 4711 ", "4711\0")])
def test_a_patient_id_that_two_archives_spell_differently_was_two_patients(
    tmp_path: Path, one: str, other: str
) -> None:
    for name, patient, issuer in (("1.dcm", one, "HOSPITAL"), ("2.dcm", other, ""), ("3.dcm", "5711", "HOSPITAL")):
        write(tmp_path / name, PatientID=patient, IssuerOfPatientID=issuer)
    rows = by_name(catalog_of(tmp_path))
    assert rows["1.dcm"].patient_id == rows["2.dcm"].patient_id != rows["3.dcm"].patient_id


def test_attributes_are_mapped(archive: Path) -> None:
    rows = by_name(catalog_of(archive))
    one = rows["1.dcm"]
    assert (one.body_part, one.view, one.laterality, one.age, one.upper_limb) == ("wrist", "frontal", "left", 34, True)
    assert (rows["2"].body_part, rows["2"].view, rows["2"].upper_limb) == ("forearm", "lateral", True)
    assert (rows["4.dcm"].body_part, rows["4.dcm"].upper_limb) == ("knee", False)
    assert (rows["5.dcm"].manufacturer, rows["5.dcm"].upper_limb, rows["5.dcm"].burned_in) == ("Maker", None, None)
    assert (one.file_format, one.colour_mode, one.bit_depth, one.label) == ("DICOM", "MONOCHROME2", 16, None)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"PatientAge": "018M"}, {"age": 1.5}),
        ({"PatientAge": "", "PatientBirthDate": "19800615", "StudyDate": "20260614"}, {"age": 45}),
        ({"PatientSex": "F", "Laterality": "R"}, {"sex": "F", "laterality": "right"}),
        ({"ViewPosition": "RLO"}, {"view": "oblique"}),
        ({"ViewPosition": "SWIMMERS"}, {"view": "swimmers"}),
        ({"BodyPartExamined": "EXTREMITY"}, {"body_part": "extremity", "upper_limb": None}),
        ({"BodyPartExamined": "XR HAND 3V"}, {"body_part": "hand", "upper_limb": True}),
        ({"BodyPartExamined": "UPPER EXTREMITY"}, {"body_part": "upper_limb", "upper_limb": True}),
        ({"BodyPartExamined": "UPPERLIMB"}, {"body_part": "upper_limb", "upper_limb": True}),
        ({"BodyPartExamined": "HANDS"}, {"body_part": "hand", "upper_limb": True}),
        ({"BodyPartExamined": "FINGERS"}, {"body_part": "finger", "upper_limb": True}),
        ({"BodyPartExamined": "RADIUSULNA"}, {"body_part": "radiusulna", "upper_limb": True}),
        ({"BodyPartExamined": "METACARPUS"}, {"body_part": "metacarpus", "upper_limb": True}),
        ({"BodyPartExamined": "LOWER LEGS"}, {"body_part": "lower legs", "upper_limb": False}),
        ({"BodyPartExamined": "OBERARM"}, {"body_part": "oberarm", "upper_limb": None}),
        ({"PatientAge": "", "PatientBirthDate": "1980"}, {"age": None}),
    ],
)
def test_attributes_as_sites_write_them(tmp_path: Path, elements: dict, expected: dict) -> None:
    write(tmp_path / "set" / "a.dcm", **elements)
    [row] = catalog_of(tmp_path / "set").rows()
    assert {name: getattr(row, name) for name in expected} == expected


def test_the_view_and_region_codes_speak_where_the_words_are_absent(tmp_path: Path) -> None:
    view, region = pydicom.Dataset(), pydicom.Dataset()
    view.CodeMeaning, region.CodeMeaning = "Postero-anterior oblique", "Elbow joint"
    write(tmp_path / "set" / "a.dcm", ViewCodeSequence=[view], AnatomicRegionSequence=[region])
    [row] = catalog_of(tmp_path / "set").rows()
    assert (row.view, row.body_part) == ("oblique", "elbow")


def test_no_plain_id_is_written_anywhere(archive: Path, tmp_path: Path, capfd) -> None:
    catalog = catalog_of(archive)
    secrets = ("4711", "0815", "Doe", "1.2.826.0.1.3680043.8.498.1", "1.2.3.")
    uids = [str(pydicom.dcmread(path).SOPInstanceUID) for path in archive.rglob("*.dcm")]
    for ending in ("csv", "json"):
        text = catalog.save(tmp_path / f"c.{ending}").read_text("utf-8")
        assert not any(secret in text for secret in (*secrets, *uids))
    out, err = capfd.readouterr()
    assert not any(secret in out + err for secret in secrets)
    assert all(row.image_id.startswith("dicom/") and len(row.image_id) == 22 for row in catalog.rows())


def test_a_path_that_shows_the_patient_is_said_without_saying_it(tmp_path: Path, capfd) -> None:
    write(tmp_path / "set" / "4711-SECRET" / "a.dcm")
    catalog_of(tmp_path / "set")
    err = capfd.readouterr().err
    assert "1 paths hold a patient's id" in err and "4711" not in err


def test_names_follow_the_salt_and_the_salt_its_file(archive: Path) -> None:
    one, again, other = (catalog_of(archive, salt) for salt in ("s.salt", "s.salt", "t.salt"))
    assert one.frame.equals(again.frame)
    assert set(one.frame["group_id"]).isdisjoint(other.frame["group_id"])
    file = archive.parent / "s.salt"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and len(file.read_text().strip()) == 64
    names = Pseudonyms.load(file)
    assert set(one.frame["id_scope"]) == {names.scope} and names.scope not in other.frame["id_scope"]
    assert names.name("patient", "1") != names.name("study", "1") != Pseudonyms("x" * 16).name("study", "1")
    file.write_text("short\n")
    with pytest.raises(TableError, match="at least 16 characters"):
        catalog_of(archive)


def test_labels_beside_the_files(archive: Path, capsys) -> None:
    uid = str(pydicom.dcmread(archive / "a" / "1.dcm").SOPInstanceUID)
    (archive / "labels.csv").write_text(f'SOPInstanceUID,label,boxes\n{uid},1,"[[10, 20, 30, 400]]"\n1.2.9,0,\n')
    rows = by_name(catalog_of(archive))
    assert {name: row.label for name, row in rows.items() if row.label is not None} == {"1.dcm": 1}
    [box] = rows["1.dcm"].boxes
    assert (box.x1, box.y2) == (10, 120)  # clipped to the image
    assert "1 lines of" in capsys.readouterr().err
    (archive / "labels.csv").write_text("file,label\na/2,normal\nb/4.dcm,fracture\nb/5.dcm,\n")
    labels = {name: row.label for name, row in by_name(catalog_of(archive)).items()}
    assert labels == {"1.dcm": None, "2": 0, "3.IMA": None, "4.dcm": 1, "5.dcm": None}


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("name,label\na,1\n", TableError, "lacks the column SOPInstanceUID or file"),
        ("file,label\na,1\na,0\n", TableError, "line 3: names an image twice"),
        ("file,label\n,1\n", TableError, "line 2: has no file"),
        ("file,label\na,7\n", AnnotationError, "line 2: label '7' is not understood"),
        ("file,label,boxes\na,1,[[1]]\n", TableError, r"line 2: cannot be understood \(boxes"),
    ],
)
def test_bad_labels_are_named(archive: Path, text: str, error: type, message: str) -> None:
    (archive / "labels.csv").write_text(text)
    with pytest.raises(error, match=message):
        catalog_of(archive)


def test_one_image_in_two_files_has_two_ids(archive: Path) -> None:
    (archive / "z.dcm").write_bytes((archive / "a" / "1.dcm").read_bytes())
    rows = by_name(catalog_of(archive))
    assert rows["z.dcm"].image_id == f"{rows['1.dcm'].image_id}-2"
    assert rows["z.dcm"].group_id == rows["1.dcm"].group_id


def test_broken_files_and_other_modalities_have_their_status(archive: Path) -> None:
    data = (archive / "a" / "1.dcm").read_bytes()
    (archive / "cut.dcm").write_bytes(data[:-4000])
    (archive / "empty.dcm").touch()
    (archive / "text.dcm").write_text("no DICOM at all")
    write(archive / "ct.dcm", Modality="CT")
    rows = by_name(catalog_of(archive))
    assert rows["cut.dcm"].status == "truncated"
    assert rows["ct.dcm"].status == "unsupported" and "CT is no radiograph" in str(rows["ct.dcm"].reason)
    assert (rows["empty.dcm"].status, rows["text.dcm"].status) == ("empty", "unreadable")
    assert rows["text.dcm"].group_id == rows["text.dcm"].image_id


def test_files_without_a_picture_are_passed_over_and_counted(archive: Path, capsys) -> None:
    ds = pydicom.dcmread(archive / "a" / "1.dcm")
    for keyword in ("PixelData", "Rows", "Columns"):
        del ds[keyword]
    (archive / "report.dcm").write_bytes(encoded(ds))
    assert len(catalog_of(archive)) == 5
    assert "1 DICOM files hold no picture" in capsys.readouterr().err


def test_burned_in_text_is_an_issue(archive: Path) -> None:
    catalog = catalog_of(archive)
    found = {issue.kind: issue.images for issue in odd_pictures(catalog.frame)}
    assert found["burned_in_annotation"] == (by_name(catalog)["3.IMA"].image_id,)


def test_what_is_missing_is_named(tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.txt").touch()
    with pytest.raises(MissingInputError, match="holds no DICOM pictures"):
        catalog_of(tmp_path / "none")
    with pytest.raises(UsageError, match="needs a salt"):
        create_source("dicom", archive)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'colles\[dicom\]'"):
        create_source("dicom", archive, salt=tmp_path / "s")


def test_captures_of_colles_were_radiographs_to_learn_from(tmp_path: Path) -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    (tmp_path / "a").mkdir()
    for number, maker in enumerate(("colles", "Maker")):
        ds = dicom(picture, bits=8, SOPClassUID=SC, Modality="OT", Manufacturer=maker)
        (tmp_path / "a" / f"{number}.dcm").write_bytes(encoded(ds))
    rows = by_name(catalog_of(tmp_path / "a"))
    assert (rows["0.dcm"].status, rows["1.dcm"].status) == ("unsupported", "ok")
    assert rows["0.dcm"].reason == "is a result of colles, with the answer drawn on it"


def test_prediction_reads_dicom_through_the_same_door(archive: Path) -> None:
    from colles.core.recipe import PreprocessRecipe
    from colles.imaging.preprocess import to_canvas
    from colles.serving.decode import Sample, decode
    from colles.serving.inputs import find_images

    recipe = PreprocessRecipe(size=64)
    sample = decode(archive / "a" / "2", recipe, keep_grey=True)
    assert isinstance(sample, Sample) and sample.grey is not None
    image = read_image(archive / "a" / "2")
    np.testing.assert_array_equal(sample.canvas, to_canvas(image, recipe))
    np.testing.assert_array_equal(sample.grey, to_grey(image))
    assert [path.name for path in find_images([archive])] == ["1.dcm", "2", "3.IMA", "4.dcm", "5.dcm"]


@pytest.mark.parametrize("kind", ["folder", "csv"])
def test_patients_of_dicom_files_in_class_folders_or_a_table_were_torn_apart(tmp_path: Path, kind: str) -> None:
    root, salt = tmp_path / "set", tmp_path / "s.salt"
    files = [root / folder / f"IM{n}.dcm" for n, folder in enumerate(["fractured", "normal", "fractured"])]
    for number, path in enumerate(files):
        write(path, number, PatientID=["P-1", "P-1", "P-2"][number], StudyInstanceUID=f"1.2.3.{number}")
    lines = "".join(f"{path.relative_to(root)},{int(path.parent.name == 'fractured')}\n" for path in files)
    (root / "table.csv").write_text(f"path,label\n{lines}", encoding="utf-8")
    place = root if kind == "folder" else root / "table.csv"
    source = create_source(kind, place, salt=salt)
    source.files()
    assert salt.is_file()  # before the rows: its digest is part of what they come from
    rows = by_name(build_catalog([source]))
    assert [row.label for row in (rows["IM0.dcm"], rows["IM1.dcm"], rows["IM2.dcm"])] == [1, 0, 1]
    assert rows["IM0.dcm"].group_id == rows["IM1.dcm"].group_id != rows["IM2.dcm"].group_id
    archived = by_name(catalog_of(root, "s.salt"))  # the same names as in a dicom source with this salt
    for name in ("IM0.dcm", "IM2.dcm"):
        assert rows[name].patient_id == archived[name].patient_id and rows[name].id_scope == archived[name].id_scope
        assert "P-" not in rows[name].model_dump_json(exclude={"path"})


def test_an_id_of_a_table_counts_before_that_of_the_header(tmp_path: Path) -> None:
    write(tmp_path / "a.dcm", PatientID="P-1")
    (tmp_path / "t.csv").write_text("path,label,patient_id\na.dcm,1,007\n", encoding="utf-8")
    [row] = create_source("csv", tmp_path / "t.csv", salt=tmp_path / "s.salt").radiographs()
    assert (row.patient_id, row.group_id, row.id_scope) == ("007", "csv:007", None)


@pytest.mark.parametrize("names", [("IM0", "1.2.840.7", "IM2.ima"), ("IM0.jpg", "IM1.png", "IM2.jpg")])
def test_patients_of_dicom_files_without_their_ending_in_a_table_were_torn_apart(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    for number, name in enumerate(names):
        write(tmp_path / name, number, PatientID=["P-1", "P-1", "P-2"][number], StudyInstanceUID=f"1.2.3.{number}")
    lines = "".join(f"{name},{number % 2}\n" for number, name in enumerate(names))
    (tmp_path / "t.csv").write_text(f"path,label\n{lines}", encoding="utf-8")
    source = create_source("csv", tmp_path / "t.csv", salt=tmp_path / "s.salt")
    source.files()
    first, second, other = build_catalog([source]).rows()
    assert first.patient_id == second.patient_id and first.group_id == second.group_id != other.group_id
    assert first.id_scope is not None and "P-" not in first.model_dump_json(exclude={"path"})


def test_a_bare_data_set_in_a_table_has_its_patient(tmp_path: Path) -> None:
    write(tmp_path / "a.dcm", PatientID="P-1")
    (tmp_path / "IM1").write_bytes((tmp_path / "a.dcm").read_bytes()[132:])
    (tmp_path / "t.csv").write_text("path,label\na.dcm,1\nIM1,0\n", encoding="utf-8")
    first, second = create_source("csv", tmp_path / "t.csv", salt=tmp_path / "s.salt").radiographs()
    assert first.group_id == second.group_id and second.patient_id is not None


@pytest.mark.parametrize("column", ["patient_id", "study_id"])
def test_a_table_that_names_some_patients_or_studies_tore_those_of_the_headers_apart(
    tmp_path: Path, column: str
) -> None:
    for number in range(3):
        write(tmp_path / f"{number}.dcm", number, PatientID="P-1", StudyInstanceUID=f"1.2.3.{number}")
    (tmp_path / "t.csv").write_text(f"path,label,{column}\n0.dcm,1,A\n1.dcm,0,\n2.dcm,0,B\n", encoding="utf-8")
    catalog = build_catalog([create_source("csv", tmp_path / "t.csv", salt=tmp_path / "s.salt")])
    assert catalog.frame[column].to_list()[::2] == ["A", "B"]
    assert len(set(kin_of(catalog.frame, {}).values())) == 1


def test_labels_under_another_name_or_with_backslashes_were_lost(tmp_path: Path, capsys) -> None:
    root = tmp_path / "set"
    write(root / "a" / "IM1", SOPInstanceUID="1.2.3.1")
    assert by_name(catalog_of(root))["IM1"].label is None
    assert f"{root} has no labels.csv (SOPInstanceUID or file, label), and no label is known" in capsys.readouterr().err
    (root / "Labels.csv").write_text("file,label\na\\IM1,1\n", encoding="utf-8")
    assert by_name(catalog_of(root))["IM1"].label is None
    assert f"{root} has no labels.csv; Labels.csv is not read, and no label is known" in capsys.readouterr().err
    (root / "Labels.csv").rename(root / "labels.csv")
    assert by_name(catalog_of(root))["IM1"].label == 1 and "name no image" not in capsys.readouterr().err
