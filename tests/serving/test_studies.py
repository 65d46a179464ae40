"""Several images of one study become one answer, by the bundle's own aggregation and thresholds."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import dicom_file
from PIL import Image
from typer.testing import CliRunner

from colles.cli.app import app
from colles.core.errors import OutputExistsError, TableError, UsageError
from colles.evaluation.aggregation import AGGREGATIONS
from colles.serving.bundle import load_bundle
from colles.serving.output import save_predictions
from colles.serving.prediction import Prediction
from colles.serving.predictor import Predictor
from colles.serving.studies import judge_studies, with_studies
from colles.serving.study_ids import FolderIds, TableIds


def point(name: str, threshold: float) -> dict[str, Any]:
    return {"name": name, "threshold": threshold, "criterion": "drawn", "chosen_on": "val", "digest": "0" * 64}


def settings(how: str = "mean", unit: str = "study") -> dict[str, Any]:
    """Thresholds 0.6 and 0.9: what an image alone would be called, a study is not."""
    points = {name: point(name, value) for name, value in (("rule_out", 0.6), ("rule_in", 0.9), ("f1", 0.8))}
    platt = {"method": "platt", "slope": 2.0, "intercept": 0.0}
    return {"unit": unit, "aggregation": how, "operating_points": points, "calibration": platt}


@pytest.fixture
def visits(tmp_path: Path) -> Path:
    """Folders `a` (two images and a broken one) and `b` (one broken image)."""
    root = tmp_path / "visits"
    for name, levels in (("a", (100, 200)), ("b", ())):
        (root / name).mkdir(parents=True)
        (root / name / "broken.png").write_bytes(b"x")
        for level in levels:
            Image.fromarray(np.full((64, 64), level, np.uint8)).save(root / name / f"{level}.png")
    return root


def predict(*arguments: object) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["predict", *map(str, arguments), "--no-gate", "--json"])
    if result.exception is not None:
        raise result.exception
    found: dict[str, Any] = json.loads(result.output)
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("how", AGGREGATIONS)
def test_scores_of_a_folder_become_one_by_the_bundles_aggregation(
    bundle_maker: Callable[..., Path], visits: Path, tmp_path: Path, how: str
) -> None:
    bundle, out, studies = (
        bundle_maker(tmp_path / "bundle", study=settings(how)),
        tmp_path / "t.csv",
        tmp_path / "s.csv",
    )
    told = predict(visits, "--bundle", bundle, "--out", out, "--studies", studies, "--study-by", "folder")
    assert told["studies"] == {"table": str(studies), "counts": {"ok": 1, "unreadable": 1}, "without": 0}
    one, two = (float(row["score"]) for row in rows(out) if row["score"])
    score = {"max": max(one, two), "mean": (one + two) / 2, "noisy_or": 1 - (1 - one) * (1 - two)}[how]
    first, second = rows(studies)
    assert first["study"] == str(visits / "a") and float(first["score"]) == pytest.approx(score)
    odds = (score / (1 - score)) ** 2
    assert float(first["probability"]) == pytest.approx(odds / (1 + odds))
    assert first["decision"] == ("fracture" if score >= 0.9 else "no_fracture" if score < 0.6 else "uncertain")
    assert (first["images"], first["judged"], first["reason"]) == ("3", "2", "1 of 3 images unreadable")
    assert (second["status"], second["score"], second["decision"]) == ("unreadable", "", "")


def test_an_image_named_twice_counts_once(bundle_maker: Callable[..., Path], tmp_path: Path) -> None:
    bundle = load_bundle(bundle_maker(tmp_path / "bundle", study=settings("noisy_or")))
    row = {"path": "a.png", "status": "ok", "score": 0.5, "bundle": bundle.name}
    (answer,) = judge_studies([("s", row), ("s", row), (None, row)], bundle)
    assert (answer.images, answer.judged, answer.score) == (1, 1, pytest.approx(0.5))


def test_a_path_from_where_one_stands_is_found_in_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "visits.csv").write_text("path,study_id\nimages/a.png,s1\n")
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path / "images")
    ids = TableIds("study", Path("../visits.csv"))
    for path in ("a.png", "../images/a.png", str(tmp_path / "images" / "a.png")):
        assert ids.of(path, lambda _: None) == "s1"
    assert ids.of("images/a.png", lambda _: None) is None


@pytest.mark.parametrize(
    ("score", "decision"), [(0.5, "no_fracture"), (0.6, "uncertain"), (0.8, "uncertain"), (0.9, "fracture")]
)
def test_a_study_is_decided_by_thresholds_of_studies(
    bundle_maker: Callable[..., Path], tmp_path: Path, score: float, decision: str
) -> None:
    bundle = load_bundle(bundle_maker(tmp_path / "bundle", study=settings("max")))  # of an image: 0.3 and 0.7
    row = {"path": "a.png", "status": "ok", "score": score, "bundle": bundle.name}
    (answer,) = judge_studies([("s", row)], bundle)
    assert answer.decision == decision


def test_a_study_of_refused_and_unreadable_images_is_refused(bundle_maker: Callable[..., Path], tmp_path: Path) -> None:
    bundle = load_bundle(bundle_maker(tmp_path / "bundle", study=settings()))
    rows = [{"path": status, "status": status, "score": None, "bundle": "b@1"} for status in ("unreadable", "refused")]
    (answer,) = judge_studies([("s", row) for row in rows], bundle)
    assert (answer.status, answer.reason) == ("refused", "1 of 2 images refused, 1 of 2 images unreadable")
    assert answer.score is answer.probability is answer.decision is None


def test_dicom_studies_have_salted_names(bundle_maker: Callable[..., Path], tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    bundle, folder = bundle_maker(tmp_path / "bundle", study=settings()), tmp_path / "films"
    folder.mkdir()
    for number, study in enumerate(("1.2.3.4", "1.2.3.4", "1.2.3.5", None)):
        file = folder / f"{number}.dcm"
        file.write_bytes(dicom_file(np.full((64, 64), 40_000, np.uint16)) or b"")
        if study:
            ds = pydicom.dcmread(file)
            ds.StudyInstanceUID = study
            ds.save_as(file)
    shared = ("--bundle", bundle, "--out", tmp_path / "t.jsonl", "--studies", tmp_path / "s.csv")
    assert predict(folder, *shared)["studies"]["without"] == 1
    found = rows(tmp_path / "s.csv")
    assert [row["images"] for row in found] == ["2", "1"] and "1.2.3" not in (tmp_path / "s.csv").read_text()
    assert (tmp_path / "s.salt").is_file()
    with pytest.raises(OutputExistsError, match="--overwrite"):
        predict(folder, *shared[:3], tmp_path / "other.csv", *shared[4:])
    predict(folder, *shared, "--overwrite")
    assert rows(tmp_path / "s.csv") == found


def test_a_dicom_header_is_read_once_and_again_only_for_answers_of_an_earlier_run(
    bundle_maker: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pydicom = pytest.importorskip("pydicom")
    bundle, file = bundle_maker(tmp_path / "bundle", study=settings()), tmp_path / "film.dcm"
    file.write_bytes(dicom_file(np.full((64, 64), 40_000, np.uint16)) or b"")
    ds = pydicom.dcmread(file)
    ds.StudyInstanceUID = "1.2.3.4"
    ds.save_as(file)
    with zipfile.ZipFile(tmp_path / "films.zip", "w") as archive:
        archive.write(file, "inside.dcm")
    read, real = [], pydicom.filereader.read_partial
    monkeypatch.setattr(pydicom.filereader, "read_partial", lambda *a, **k: read.append(a) or real(*a, **k))
    shared = ("--bundle", bundle, "--out", tmp_path / "t.csv", "--studies", tmp_path / "s.csv")
    predict(file, tmp_path / "films.zip", *shared)
    found = rows(tmp_path / "s.csv")
    assert [row["images"] for row in found] == ["2"] and len(read) == 2
    predict(file, tmp_path / "films.zip", *shared, "--resume")
    assert rows(tmp_path / "s.csv") == found and len(read) == 4


def test_a_table_names_studies_by_paths_from_its_folder_on(
    bundle_maker: Callable[..., Path], visits: Path, tmp_path: Path
) -> None:
    bundle, listed = bundle_maker(tmp_path / "bundle", study=settings()), tmp_path / "studies.csv"
    shared = ("--bundle", bundle, "--out", tmp_path / "t.csv", "--studies", tmp_path / "s.csv", "--study-by", listed)
    listed.write_text(f"path,study_id\nvisits/a/100.png,007\n{visits / 'a' / '200.png'},007\nvisits/b/broken.png,\n")
    assert predict(visits, *shared)["studies"]["without"] == 2
    assert [(row["study"], row["judged"]) for row in rows(tmp_path / "s.csv")] == [("007", "2")]
    listed.write_text("path,study_id\nvisits/a/100.png,1\nvisits/a/100.png,2\n")
    with pytest.raises(TableError, match="twice"):
        predict(visits, *shared, "--overwrite")
    listed.write_text("path,study\nvisits/a/100.png,1\n")
    with pytest.raises(TableError, match="study_id"):
        predict(visits, *shared, "--overwrite")


def test_without_studies_in_the_bundle_or_a_way_to_tell_them_nothing_is_written(
    drawn_bundle: Path, bundle_maker: Callable[..., Path], visits: Path, tmp_path: Path
) -> None:
    shared = ("--out", tmp_path / "t.csv", "--studies", tmp_path / "s.csv", "--study-by")
    with pytest.raises(UsageError, match=r"judges images alone.*--studies out"):
        predict(visits, "--bundle", drawn_bundle, *shared, "folder")
    with pytest.raises(UsageError, match="--study-by"):
        predict(visits, "--bundle", bundle_maker(tmp_path / "bundle", study=settings()), *shared, "nonsense")
    assert not (tmp_path / "t.csv").exists() and not (tmp_path / "s.csv").exists()


def test_a_file_that_is_gone_meanwhile_takes_no_study_with_it(tmp_path: Path) -> None:
    names = [f"v{number}/a.png" for number in range(4)]
    answers = [Prediction(name, "ok", None, 0.5, 0.5, "uncertain", "m@1", 0.1) for name in names]
    save_predictions(answers, tmp_path / "t.csv")
    moved = [Path(name) for name in names if name != "v1/a.png"]
    found = [study for study, _ in with_studies(moved, tmp_path / "t.csv", FolderIds())]
    assert found == ["v0", "v1", "v2", "v3"]


def test_an_interrupted_run_judges_no_study(
    bundle_maker: Callable[..., Path], visits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> Iterator[Prediction]:
        yield Prediction(str(visits / "a" / "100.png"), "ok", None, 0.2, 0.2, "no_fracture", "m@1", 0.1)
        raise KeyboardInterrupt

    monkeypatch.setattr(Predictor, "predict_paths", interrupted)
    shared = ("--out", tmp_path / "t.csv", "--studies", tmp_path / "s.csv", "--study-by", "folder")
    with pytest.raises(SystemExit, match="130"):
        predict(visits, "--bundle", bundle_maker(tmp_path / "bundle", study=settings()), *shared)
    assert len(rows(tmp_path / "t.csv")) == 1 and not (tmp_path / "s.csv").exists()


def test_images_and_studies_need_a_table_each(
    bundle_maker: Callable[..., Path], visits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shared = ("--out", tmp_path / "t.csv", "--studies", "t.csv", "--study-by", "folder")
    with pytest.raises(UsageError, match="--studies: is the table of the images too"):
        predict(visits, "--bundle", bundle_maker(tmp_path / "bundle", study=settings()), *shared)
    assert not (tmp_path / "t.csv").exists()


@pytest.mark.parametrize("word", ["NA", "ANONYMOUS", "unknown", "-", '" "'])
def test_images_of_nobody_were_one_study_in_a_table(tmp_path: Path, word: str) -> None:
    table = tmp_path / "studies.csv"
    table.write_text(f"path,study_id\na.png,{word}\nb.png,{word}\nc.png,0\nd.png, 7\ne.png,7 \n")
    named = TableIds("study", table)
    found = [named.of(str(tmp_path / f"{image}.png"), lambda _path: None) for image in "abcde"]
    assert found == [None, None, "0", "7", "7"]
