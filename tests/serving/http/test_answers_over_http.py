"""What comes back for a file: the predictor's own answer to the last bit, and pictures of what it saw."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hostile import dicom_file, seeds
from PIL import Image

from colles.serving import predictor as predicting
from colles.serving.bundle import load_bundle
from colles.serving.http.answer import PICTURE_SIDE
from colles.serving.metadata import CalibrationMetadata
from colles.serving.output import row_of
from colles.serving.predictor import Predictor
from pictures import picture_bytes


def picture(url: str) -> np.ndarray:
    kind, _, text = url.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def without_seconds(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("seconds", "path")}


@pytest.mark.parametrize("name", sorted(seeds()))
@pytest.mark.parametrize("asked", ["", "?overlay=true", "?plain=true&overlay=true"])
def test_an_answer_is_the_predictors_to_the_last_bit(
    client: TestClient, predictor: Predictor, name: str, asked: str
) -> None:
    data = seeds()[name]
    found = client.post(f"/api/predict{asked}", content=data)
    assert found.status_code == 200
    expected = without_seconds(row_of(predictor.predict(data, boxes=True)))
    assert {key: found.json()[key] for key in expected} == expected
    assert expected["status"] == "ok" and expected["boxes"] is not None
    assert (found.json()["overlay"] is None) == (asked == "") and (found.json()["plain"] is None) == (
        "plain" not in asked
    )


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_shipped_network_gives_the_same_bits_on_one_thread(
    serve, write_image, tmp_path: Path, precision: Any
) -> None:
    """`predict` computes one image on all threads, the server each on one."""
    bundle = load_bundle(Path(__file__).parents[3] / "models" / "fracture-fracatlas")
    shipped = Predictor(bundle, threads=2, gate=False, precision=precision)
    client = TestClient(serve(predictor=shipped).app, base_url="http://localhost")
    for seed in range(3):
        data = write_image(tmp_path / f"{seed}.png", 640, 512, seed=seed).read_bytes()
        expected = without_seconds(row_of(shipped.predict(data, boxes=True)))
        found = client.post("/api/predict", content=data).json()
        assert {key: found[key] for key in expected} == expected and expected["status"] == "ok"


def test_thresholds_stand_on_both_scales(serve, bundle_maker: Callable[..., Path], tmp_path: Path) -> None:
    calibration = CalibrationMetadata(method="platt", slope=2.0, intercept=0.5)
    service = serve(predictor=Predictor(load_bundle(bundle_maker(tmp_path / "b", calibration=calibration))))
    found = (
        TestClient(service.app, base_url="http://localhost").post("/api/predict", content=seeds()["grey.png"]).json()
    )
    assert [found["thresholds"][name]["score"] for name in ("rule_out", "rule_in")] == [0.3, 0.7]
    told = [found["thresholds"][name]["probability"] for name in ("rule_out", "rule_in")]
    assert told == [float(calibration.transform(np.array([score]))[0]) for score in (0.3, 0.7)]


def test_both_pictures_have_the_images_size_and_the_plain_one_its_grey(client: TestClient) -> None:
    grey = (np.indices((60, 90)).sum(0)).astype(np.uint8)
    data = picture_bytes(Image.fromarray(grey), "PNG")
    found = client.post("/api/predict?plain=true&overlay=true", content=data).json()
    assert np.array_equal(picture(found["plain"]), grey)
    drawn = picture(found["overlay"])
    assert drawn.shape == (60, 90, 3) and not np.array_equal(drawn[..., 0], drawn[..., 2])
    assert (found["width"], found["height"]) == (90, 60)


def test_pictures_of_a_film_are_smaller_and_its_boxes_are_not(client: TestClient, predictor: Predictor) -> None:
    grey = np.zeros((400, 2 * PICTURE_SIDE), np.uint8)
    grey[:, PICTURE_SIDE:] = 250
    data = picture_bytes(Image.fromarray(grey), "PNG")
    found = client.post("/api/predict?plain=true&overlay=true", content=data).json()
    assert picture(found["plain"]).shape == (200, PICTURE_SIDE)
    assert picture(found["overlay"]).shape == (200, PICTURE_SIDE, 3)
    assert found["width"] == 2 * PICTURE_SIDE and found["boxes"][0]["x"] > PICTURE_SIDE
    assert found["boxes"] == row_of(predictor.predict(data, boxes=True))["boxes"]


def test_a_file_is_decoded_once_whatever_is_asked_for(
    client: TestClient, radiograph: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded, decode = [], predicting.decode
    monkeypatch.setattr(predicting, "decode", lambda *given, **more: decoded.append(1) or decode(*given, **more))
    assert client.post("/api/predict?plain=true&overlay=true", content=radiograph).json()["overlay"]
    assert len(decoded) == 1


def test_a_refused_picture_is_an_answer_and_can_be_seen(
    serve, bundle_maker: Callable[..., Path], tmp_path: Path, predictor: Predictor
) -> None:
    from colles.serving.gate import Gate

    gated = Predictor(load_bundle(bundle_maker(tmp_path / "b")))
    gated.judge.gate = Gate(np.ones((1, 64), np.float32) / 8, limit=2.0, power=1.0)
    client = TestClient(serve(predictor=gated).app, base_url="http://localhost")
    blank = picture_bytes(Image.fromarray(np.full((90, 90), 90, np.uint8)), "PNG")
    found = client.post("/api/predict?plain=true&overlay=true", content=blank).json()
    assert (found["status"], found["decision"], found["overlay"]) == ("refused", None, None)
    assert found["reason"].startswith("blank") and picture(found["plain"]).shape == (90, 90)


def test_a_bundle_without_a_map_answers_without_an_overlay(
    serve, bundle_maker: Callable[..., Path], tmp_path: Path, radiograph: bytes
) -> None:
    mapless = Predictor(load_bundle(bundle_maker(tmp_path / "b", cam=False)))
    found = TestClient(serve(predictor=mapless).app, base_url="http://localhost").post(
        "/api/predict?overlay=true", content=radiograph
    )
    assert found.json()["status"] == "ok" and found.json()["overlay"] is None and found.json()["boxes"] is None


def test_nothing_of_a_dicom_header_leaves_or_is_logged(client: TestClient, logged: list[str]) -> None:
    pydicom = pytest.importorskip("pydicom", reason="DICOM comes with colles[dicom]")
    ds = pydicom.dcmread(io.BytesIO(dicom_file(np.arange(96 * 96, dtype=np.uint16).reshape(96, 96)) or b""))
    ds.PatientName, ds.PatientID, ds.InstitutionName = "Mustermann^Erika", "4711-SECRET", "Charité-SECRET"
    ds.StudyDescription, ds.WindowCenter, ds.WindowWidth = "SECRET", "1234567890", "100"
    stream = io.BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    whole = stream.getvalue().replace(b"1234567890", b"Mustermann")
    for data in (whole, whole[: len(whole) // 2], whole.replace(b"MONOCHROME2", b"MUSTERMANN2")):
        found = client.post("/api/predict?plain=true&overlay=true", content=data)
        assert found.status_code == 200
        told = found.text + str(found.headers) + "\n".join(logged) + client.get("/metrics").text
        assert not any(word.lower() in told.lower() for word in ("Mustermann", "SECRET", "Erika", "Charit"))


@pytest.mark.parametrize("name", ["moving.gif", "film.dcm", "grey.png"])
def test_an_answer_says_of_how_many_pictures_it_judged_the_first(client: TestClient, name: str) -> None:
    """Of a film of three views the first was judged, and nobody was told."""
    data, frames = seeds()[name], {"moving.gif": 4, "film.dcm": 3}.get(name, 1)
    if name == "film.dcm":
        pydicom = pytest.importorskip("pydicom", reason="DICOM comes with colles[dicom]")
        ds, stream = pydicom.dcmread(io.BytesIO(data)), io.BytesIO()
        ds.NumberOfFrames, ds.PixelData = frames, frames * ds.PixelData
        ds.save_as(stream, enforce_file_format=True)
        data = stream.getvalue()
    found = client.post("/api/predict", content=data).json()
    assert (found["status"], found["frames"]) == ("ok", frames)


def test_nothing_is_written(
    client: TestClient, radiograph: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("TMPDIR", "COLLES_CACHE"):
        monkeypatch.setenv(name, str(tmp_path))
    for data in (radiograph, *seeds().values(), b"no image"):
        assert client.post("/api/predict?overlay=true", content=data).status_code == 200
    assert list(tmp_path.iterdir()) == []
