"""`colles dicom results`: a folder a study, whatever the inputs hold, and nothing else touched."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import weakref
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydicom import dcmread
from typer.testing import CliRunner

from colles.cli.app import app
from colles.core.errors import CollesError, MissingExtraError, MissingInputError, OutputExistsError, UsageError
from colles.serving.bundle import Bundle
from colles.serving.dicom import answers, arrangement, capture
from colles.serving.dicom.folder import file_studies, find_studies
from colles.serving.inputs import find_images
from colles.serving.predictor import Predictor
from drawn_dicom import CT, STUDY, encoded, radiograph, spot


@pytest.fixture
def visit(tmp_path: Path) -> Path:
    """Two studies, with a CT image, a picture that is none, a damaged file and one without a study among them."""
    folder = tmp_path / "visit"
    folder.mkdir()
    files = {
        "a.dcm": radiograph(1),
        "b.dcm": radiograph(2, spot(96, 48, (8, 8, 24, 24))),
        "ct.dcm": radiograph(3, SOPClassUID=CT, Modality="CT"),
        "c": radiograph(4, StudyInstanceUID="1.2.3", PatientID="P-2"),
        "lost.dcm": radiograph(5, StudyInstanceUID=None),
    }
    for name, ds in files.items():
        (folder / name).write_bytes(encoded(ds))
    (folder / "cut.dcm").write_bytes(encoded(radiograph(6))[:1500])
    Image.fromarray(spot()).save(folder / "photo.png")
    return folder


def run(bundle: Bundle, *arguments: object) -> Any:
    """Run the verb and return its result; the gate would refuse what is drawn here."""
    words = ["dicom", "results", *map(str, arguments), "--bundle", str(bundle.folder), "--no-gate"]
    return CliRunner().invoke(app, words)


def digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of all files below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.slow
def test_a_folder_a_study_with_report_and_captures(visit: Path, locating_bundle: Bundle, tmp_path: Path) -> None:
    before = digests(visit)
    done = run(locating_bundle, visit, "--out", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["counts"] == {"ok": 3, "refused": 1, "unreadable": 1}
    assert [study["files"] for study in told["studies"]] == [
        ["sr.dcm", "01_capture.dcm", "02_capture.dcm"],
        ["sr.dcm", "01_capture.dcm"],
    ]
    assert {Path(each["path"]).name: each["reason"] for each in told["left_out"]} == {
        "lost.dcm": "its StudyInstanceUID is missing or breaks its form",
        "photo.png": "is no DICOM file",
    }
    for study in told["studies"]:
        for name in study["files"]:
            assert dcmread(Path(study["folder"]) / name).SOPInstanceUID.startswith("2.25.")
    assert not any(STUDY in path or "P-2" in path for path in digests(tmp_path / "out"))
    assert digests(visit) == before


def test_the_objects_of_a_study_were_arranged_three_times(
    visit: Path, locating_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = arrangement.arrange, []

    def arrange(images: Any) -> Any:
        asked.append(len(images))
        return real(images)

    monkeypatch.setattr(arrangement, "arrange", arrange)
    found = find_studies(find_images([str(visit)]))
    filed = list(file_studies(found, Predictor(locating_bundle, threads=1, gate=False), tmp_path / "out"))
    assert len(filed) == 2 and sum(asked) == found.count and len(asked) == 2


def test_what_was_not_judged_is_told_with_its_reason(visit: Path, locating_bundle: Bundle, tmp_path: Path) -> None:
    (visit / "b again.dcm").write_bytes(encoded(radiograph(2)))
    done = run(locating_bundle, visit, "--out", tmp_path / "out", "--json")
    assert json.loads(done.stdout)["counts"] == {"ok": 2, "refused": 2, "unreadable": 1}
    told = {Path(each["path"]).name: each["reason"] for each in json.loads(done.stdout)["not_judged"]}
    assert told.pop("cut.dcm").startswith("truncated: ")
    assert told.pop("ct.dcm") == "neither CR, DX nor a digitised film (CT Image Storage)"
    ((name, reason),) = told.items()
    assert name.startswith("b") and reason == "2 different objects carry its SOPInstanceUID"
    done = run(locating_bundle, visit, "--out", tmp_path / "again")
    assert f"not judged: {visit / 'ct.dcm'}: neither CR, DX nor a digitised film (CT Image Storage)" in done.stderr


def test_the_same_images_give_the_same_uids_from_a_zip_file(
    visit: Path, locating_bundle: Bundle, tmp_path: Path
) -> None:
    packed = tmp_path / "visit.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(visit.iterdir(), reverse=True):
            archive.write(path, path.name)
    assert run(locating_bundle, visit, "--out", tmp_path / "a").exit_code == 0
    assert run(locating_bundle, packed, "--out", tmp_path / "b").exit_code == 0
    made = [sorted(dcmread(path).SOPInstanceUID for path in (tmp_path / name).rglob("*.dcm")) for name in "ab"]
    assert made[0] == made[1]
    assert len(made[0]) == 5


def test_results_are_kept_unless_asked_and_nothing_else_is_replaced(
    visit: Path, locating_bundle: Bundle, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run(locating_bundle, visit, "--out", out).exit_code == 0
    before = digests(out)
    assert isinstance(run(locating_bundle, visit, "--out", out).exception, OutputExistsError)
    assert digests(out) == before
    (out / "mine.txt").write_text("kept")
    assert run(locating_bundle, visit, "--out", out, "--overwrite").exit_code == 0
    assert (out / "mine.txt").read_text() == "kept"
    study = next(path for path in out.iterdir() if path.is_dir())
    (study / "note.txt").write_text("kept")
    refused = run(locating_bundle, visit, "--out", out, "--overwrite").exception
    assert isinstance(refused, OutputExistsError)
    assert (study / "note.txt").read_text() == "kept"


def test_results_lie_apart_from_what_is_read(visit: Path, locating_bundle: Bundle) -> None:
    before = digests(visit)
    for out in (visit / "out", visit, visit.parent):
        assert isinstance(run(locating_bundle, visit, "--out", out, "--overwrite").exception, UsageError)
    assert digests(visit) == before


def test_a_study_that_cannot_be_filed_keeps_no_other_back(visit: Path, locating_bundle: Bundle, tmp_path: Path) -> None:
    (visit / "other.dcm").write_bytes(encoded(radiograph(9, PatientID="SOMEBODY-ELSE")))
    done = run(locating_bundle, visit, "--out", tmp_path / "out")
    assert done.exit_code == 0
    assert "1 study of 1 image: 1 ok" in done.stdout
    assert "of one study, but of several patients" in done.stderr
    assert "SOMEBODY" not in done.output


def test_results_among_the_inputs_are_no_images(visit: Path, locating_bundle: Bundle, tmp_path: Path) -> None:
    assert run(locating_bundle, visit / "a.dcm", "--out", tmp_path / "out").exit_code == 0
    done = run(locating_bundle, tmp_path / "out", "--out", tmp_path / "again")
    assert isinstance(done.exception, MissingInputError)
    assert "is a result of colles" in done.stderr
    assert not (tmp_path / "again").exists()


def test_what_cannot_be_opened_is_left_out_and_waited_for_by_nobody(
    visit: Path, locating_bundle: Bundle, tmp_path: Path
) -> None:
    os.mkfifo(visit / "pipe.dcm")
    (visit / "linked.dcm").symlink_to(tmp_path / "nothing")
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
        archive.write(visit / "a.dcm", "../../a.dcm")
    done = run(locating_bundle, visit, tmp_path / "odd.zip", visit / "none.dcm", "--out", tmp_path / "out", "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    reasons = {Path(each["path"]).name: each["reason"] for each in told["left_out"]}
    assert reasons["pipe.dcm"] == "is not a file"
    assert reasons["linked.dcm"] == reasons["none.dcm"] == "there is no such file"
    assert reasons["a.dcm"] == "its name leads out of the archive"
    assert told["counts"] == {"ok": 3, "refused": 1, "unreadable": 1}


def test_a_file_that_changes_meanwhile_costs_no_other_its_answer(
    visit: Path, locating_bundle: Bundle, tmp_path: Path
) -> None:
    predictor = Predictor(locating_bundle, threads=1, gate=False)
    studies = find_studies(find_images([visit]))
    (visit / "b.dcm").write_bytes(b"gone")
    filed = list(file_studies(studies, predictor, tmp_path / "out"))
    assert [len(each.files) for each in filed] == [2, 2]
    assert studies.left_out[str(visit / "b.dcm")] == "it changed while it was read"


def test_a_study_of_hundreds_of_images_is_never_held_in_memory_whole(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "visit").mkdir()
    for number in range(12):
        (tmp_path / "visit" / f"{number}.dcm").write_bytes(encoded(radiograph(number)))
    most = {"picture": 0, "capture": 0}

    def counted(name: str, make: Callable[..., Any]) -> Callable[..., Any]:
        held: list[weakref.ref[Any]] = []

        def made(*arguments: Any, **options: Any) -> Any:
            held.append(weakref.ref(found := make(*arguments, **options)))
            most[name] = max(most[name], sum(each() is not None for each in held))
            return found

        return made

    monkeypatch.setattr(answers, "draw_heat", counted("picture", answers.draw_heat))
    monkeypatch.setattr(capture, "create_capture", counted("capture", capture.create_capture))
    studies = find_studies(find_images([tmp_path / "visit"]))
    (filed,) = file_studies(studies, predictor, tmp_path / "out")
    assert len(filed.files) == 13
    assert most["picture"] <= 2 and most["capture"] <= 2
    assert [path.name for path in (tmp_path / "out").iterdir()] == [filed.folder]


@pytest.mark.parametrize("arguments", [["none"], [""], []])
def test_bad_arguments_are_refused(locating_bundle: Bundle, tmp_path: Path, arguments: list[str]) -> None:
    done = run(locating_bundle, *arguments, "--out", tmp_path / "out")
    assert done.exit_code == 2 or isinstance(done.exception, CollesError)
    assert not (tmp_path / "out").exists()


def test_nothing_that_could_be_read_is_an_error(locating_bundle: Bundle, tmp_path: Path) -> None:
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(encoded(radiograph(1))[:2000])
    done = run(locating_bundle, cut, "--out", tmp_path / "out")
    assert isinstance(done.exception, MissingInputError)
    assert f"not judged: {cut}: truncated" in done.stderr
    assert list((tmp_path / "out").rglob("sr.dcm"))


def test_a_missing_extra_is_named(
    visit: Path, locating_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    done = run(locating_bundle, visit, "--out", tmp_path / "out")
    assert isinstance(done.exception, MissingExtraError)
    assert "pip install 'colles[dicom]'" in str(done.exception)


def test_the_help_needs_no_library_of_dicom() -> None:
    code = "import sys; from colles.cli import dicom; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not any(f"'{name}'" in done.stdout for name in ("pydicom", "highdicom", "pynetdicom", "numpy", "PIL"))


@pytest.mark.slow
def test_no_stream_of_the_program_holds_a_value_of_a_patient(locating_bundle: Bundle, tmp_path: Path) -> None:
    secrets = {"PatientName": "SECRET^" + "X" * 80, "PatientBirthDate": "SECRET", "StudyDescription": "SECRET" * 20}
    folder = tmp_path / "visit"
    folder.mkdir()
    for number, elements in enumerate(
        (secrets, secrets | {"StudyInstanceUID": "SECRET"}, secrets | {"PatientID": "SECRET" * 30})
    ):
        ds = radiograph(number, **{name: None for name in elements})
        for keyword, value in elements.items():
            raw(ds, keyword, value)
        (folder / f"{number}.dcm").write_bytes(encoded(ds))
    command = ["dicom", "results", str(folder), "--out", str(tmp_path / "out"), "--no-gate", "--json"]
    words = [sys.executable, "-m", "colles", *command, "--bundle", str(locating_bundle.folder)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert "SECRET" not in done.stdout + done.stderr
    assert json.loads(done.stdout)["left_out"]


def raw(ds: Any, keyword: str, value: str) -> None:
    """Set an element to what pydicom would warn of."""
    import pydicom
    from pydicom.dataelem import RawDataElement

    tag, data = pydicom.tag.Tag(keyword), value.encode() + b" " * (len(value) % 2)
    ds[tag] = RawDataElement(tag, pydicom.datadict.dictionary_VR(keyword), len(data), data, 0, False, True)
