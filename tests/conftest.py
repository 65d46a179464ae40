"""Small drawn radiographs and tiny copies of the data sets' layouts; nothing here needs a network or real data."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from PIL import Image

settings.register_profile("colles", deadline=None)  # a machine may be busy
settings.load_profile("colles")
for name in ("FORCE_COLOR", "PY_COLORS", "NO_COLOR"):
    os.environ.pop(name, None)
for name in ("NO_PROXY", "no_proxy"):  # servers of the tests are on this machine
    os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1", "localhost"]))
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it puts into the background ignore it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files whose tests take longest, so that no process waits for another's last file."""
    long = {item.path for item in items if item.get_closest_marker("timeout")}
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in long, item.path not in slow))


Draw = Callable[..., NDArray[np.uint8]]
WriteImage = Callable[..., Path]


def _draw(width: int = 64, height: int = 48, seed: int = 0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    centre, thickness = width * rng.uniform(0.35, 0.65), width * rng.uniform(0.1, 0.2)
    bone = 140 * np.exp(-(((columns - centre) / thickness) ** 2))
    return np.clip(30 + bone + 20 * rows / height + rng.normal(0, 4, (height, width)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep caches out of the user's folder; the processes of one run share theirs."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "colles-cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLLES_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def draw() -> Draw:
    """Return a function (width, height, seed) → (H, W) uint8: a bright bone on a dark ground."""
    return _draw


@pytest.fixture(scope="session")
def write_image() -> WriteImage:
    """Return a function that writes a drawn image to a path and returns the path."""

    def write(path: Path, width: int = 64, height: int = 48, seed: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(_draw(width, height, seed)).save(path)
        return path

    return write


@pytest.fixture
def write_yolo(tmp_path: Path, write_image: WriteImage) -> Callable[..., Path]:
    """Return a function that writes a YOLO export: {`subset/stem`: label rows, or None for no label file}."""

    def write(
        images: Mapping[str, str | None], names: str = "[wrist positive, humerus]", folder: str = "export"
    ) -> Path:
        root = tmp_path / folder
        root.mkdir()
        (root / "data.yaml").write_text(f"path: .\ntrain: train/images\nnames: {names}\n")
        for seed, (key, rows) in enumerate(images.items()):
            subset, stem = key.split("/")
            write_image(root / subset / "images" / f"{stem}.png", seed=seed)
            labels = root / subset / "labels"
            labels.mkdir(exist_ok=True)
            if rows is not None:
                (labels / f"{stem}.txt").write_text(rows)
        return root

    return write


@pytest.fixture
def yolo_export(write_yolo: Callable[..., Path]) -> Path:
    """Return a YOLO export: a box, a polygon, an empty label, a missing one, and two copies of one base name."""
    return write_yolo(
        {
            "train/a_png.rf.11": "0 0.5 0.5 0.25 0.5\n",
            "train/b_png.rf.22": "1 0.25 0.25 0.75 0.25 0.75 0.5 0.25 0.75\n",
            "val/a_png.rf.33": "0 0.5 0.5 0.25 0.5\n",
            "val/c_png.rf.44": "",
            "test/d_png.rf.55": None,
        }
    )


@pytest.fixture
def fracatlas(tmp_path: Path, write_image: WriteImage) -> Path:
    """Return a folder in FracAtlas' layout: two fractures, three others, one label that the table contradicts."""
    root = tmp_path / "FracAtlas"
    flags = ("hand", "leg", "hip", "shoulder", "mixed", "hardware", "fractured", "frontal", "lateral", "oblique")
    rows = {
        "Fractured/IMG0000001": (1, 0, 0, 0, 0, 0, 1, 1, 0, 0),
        "Fractured/IMG0000002": (0, 1, 0, 0, 0, 1, 0, 1, 1, 0),
        "Non_fractured/IMG0000003": (0, 0, 0, 1, 0, 0, 0, 0, 0, 1),
        "Non_fractured/IMG0000004": (1, 1, 0, 0, 1, 0, 0, 1, 0, 0),
        "Non_fractured/IMG0000005": (0, 0, 1, 0, 0, 0, 0, 1, 0, 0),
    }
    lines = [",".join(("image_id", *flags))]
    for seed, (stem, values) in enumerate(rows.items()):
        write_image(root / "images" / f"{stem}.jpg", 80, 60, seed=100 + seed)
        lines.append(",".join(map(str, (f"{stem.split('/')[1]}.jpg", *values))))
    (root / "dataset.csv").write_text("\n".join(lines) + "\n")
    images = [{"id": n, "width": 80, "height": 60, "file_name": f"IMG000000{n}.jpg"} for n in (1, 2)]
    boxes = [(1, (10, 20, 30, 15)), (2, (0, 0, 8, 6)), (2, (40, 30, 8, 6))]
    annotations = [{"id": k, "image_id": n, "category_id": 0, "bbox": list(box)} for k, (n, box) in enumerate(boxes)]
    coco = root / "Annotations" / "COCO JSON" / "COCO_fracture_masks.json"
    coco.parent.mkdir(parents=True)
    coco.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 0}]}))
    return root


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of the real radiographs, or skip."""
    root = Path(os.environ.get("COLLES_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not (root / "FracAtlas").is_dir() or not (root / "bonefractureyolo").is_dir():
        pytest.skip(f"real radiographs are not at {root} (set COLLES_DATA)")
    return root
