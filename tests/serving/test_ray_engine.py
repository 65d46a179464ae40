"""Prediction by Ray Data on two nodes gives the table that one process gives."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colles.serving.bundle import load_bundle
from colles.serving.inputs import Source, find_images
from colles.serving.output import row_of
from colles.serving.ray_engine import Worker, _describe, _prediction, _raw, _restore
from colles.serving.remote import RemoteFile
from pictures import picture_bytes
from ray_alone import alone

CLUSTER = """
import os
import sys
import ray
from ray.cluster_utils import Cluster
from colles.cli.app import app
head = {"num_cpus": 1, "include_dashboard": False, "node_ip_address": "127.0.0.1"}
cluster = Cluster(initialize_head=True, head_node_args=head)
cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
os.environ["RAY_ADDRESS"] = cluster.address
code = 0
try:
    app()
except SystemExit as end:
    code = end.code
print("left the cluster:", not ray.is_initialized())
cluster.shutdown()
sys.exit(code)
"""


# A busy machine needs longer to start a cluster than Ray allows by default.
PATIENT = {
    "RAY_raylet_start_wait_time_s": "300",
    "RAY_gcs_server_request_timeout_seconds": "240",
    "OMP_NUM_THREADS": "1",
}


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return [
            [row[name] for name in ("path", "status", "reason", "score", "decision")] for row in csv.DictReader(stream)
        ]


@pytest.mark.slow
def test_two_nodes_give_the_same_table(drawn_bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(30):
        Image.fromarray(np.full((50, 60 + number), 8 * number, np.uint8)).save(folder / f"{number:02d}.png")
    (folder / "broken.png").write_bytes(b"x")
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        archive.write(folder / "05.png", "in/side.png")
        archive.writestr("../out.png", b"x")
    inputs = [folder, tmp_path / "study.zip", tmp_path / "gone.png", f"file://{folder}/07.png"]
    shared = ["predict", *map(str, inputs), "--bundle", str(drawn_bundle), "--out"]
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"
    done = subprocess.run([sys.executable, "-m", "colles", *shared, str(here)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (tmp_path / "cluster.py").write_text(CLUSTER)
    command = alone(sys.executable, tmp_path / "cluster.py", *shared, there, "--engine", "ray")
    done = subprocess.run(command, capture_output=True, text=True, timeout=550, env={**os.environ, **PATIENT})
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-3000:]
    assert "left the cluster: True" in done.stdout and "deprecated" not in done.stderr
    assert rows(there) == rows(here) and len(rows(here)) == 35


def test_what_travels_to_a_worker_comes_back_as_it_was(drawn_bundle: Path, tmp_path: Path) -> None:
    odd = tmp_path / "a\n\udcff.png"
    Image.fromarray(np.full((50, 60), 200, np.uint8)).save(odd, "PNG")
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        archive.write(odd, "in.png")
    bundle = load_bundle(drawn_bundle)
    for image in find_images([odd, tmp_path / "study.zip", f"file://{tmp_path}/x.png"]):
        item = _describe(image)
        again = _restore(item["kind"], item["path"], item["member"], item["place"])
        assert str(again) == str(image) and isinstance(again, RemoteFile) == isinstance(image, RemoteFile)
        (one,), (other,) = (list(bundle.predictor.stream([each], batch=1, boxes=True)) for each in (image, again))
        assert (one.status, one.score, one.boxes) == (other.status, other.score, other.boxes)
        assert row_of(_prediction(row_of(one))) == row_of(one)
    assert _raw("") == ""


def grey_png(level: int) -> bytes:
    return picture_bytes(Image.fromarray(np.full((50, 60), level, np.uint8)), "PNG")


def there(image: Source) -> Source:
    item = _describe(image)
    return _restore(item["kind"], item["path"], item["member"], item["place"])


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_members_with_one_name_each_keeps_its_pixels(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        for level in (10, 200):
            archive.writestr("a.png", grey_png(level))
    images = [there(image) for image in find_images([tmp_path / "twice.zip"])]
    assert [image.read(10**6) for image in images] == [grey_png(10), grey_png(200)]
    assert [str(image) for image in images] == [f"{tmp_path}/twice.zip!/a.png", f"{tmp_path}/twice.zip!/a.png (2)"]


def test_a_worker_opens_an_archive_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(5):
            archive.writestr(f"{number}.png", grey_png(number))
    images = list(find_images([tmp_path / "many.zip"]))
    opened, real = [], zipfile.ZipFile
    monkeypatch.setattr(zipfile, "ZipFile", lambda *a, **k: opened.append(a) or real(*a, **k))
    assert [there(image).read(10**6) for image in images] == [grey_png(number) for number in range(5)]
    assert len(opened) == 1


def test_a_worker_elsewhere_finds_relative_paths_and_shows_them_as_given(
    drawn_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    (tmp_path / "a.png").write_bytes(grey_png(200))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("in.png", grey_png(100))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    items = [_describe(image) for image in find_images(["a.png", "b.zip"])]
    monkeypatch.chdir(tmp_path / "elsewhere")
    bundle = load_bundle(drawn_bundle)
    files = {name: (drawn_bundle / name).read_bytes() for name in ["manifest.json", *bundle.manifest.files]}
    worker = Worker(files, {"gate": False}, False)
    told = worker({name: np.array([item[name] for item in items]) for name in items[0]})["answer"]
    assert [(row["path"], row["status"]) for row in map(json.loads, told)] == [("a.png", "ok"), ("b.zip!/in.png", "ok")]


def test_a_prefix_of_a_store_gives_its_images_by_name(drawn_bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    for name in ("b.png", "in/a.PNG", "notes.txt", ".hidden/c.png"):
        (tmp_path / "store" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((50, 60), 200, np.uint8)).save(tmp_path / "store" / name, "PNG")
    images = list(find_images([f"file://{tmp_path}/store"]))
    assert [str(image) for image in images] == [f"file://{tmp_path}/store/b.png", f"file://{tmp_path}/store/in/a.PNG"]
    answers = load_bundle(drawn_bundle).predict_batch([*images, RemoteFile(f"file://{tmp_path}/store/gone.png")])
    assert [answer.status for answer in answers] == ["ok", "ok", "unreadable"]
