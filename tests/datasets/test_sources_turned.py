"""Boxes and pixels turn together, whichever image the annotator saw."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colles.core.records import Radiograph
from colles.datasets.catalog import build_catalog
from colles.datasets.sources import create_source
from colles.imaging.read import read_image, to_grey

BOX = (24, 8, 64, 16)  # pixels of the stored image, 80 wide and 48 high


def _write(path: Path, orientation: int) -> Path:
    stored = np.zeros((48, 80), np.uint8)
    stored[BOX[1] : BOX[3], BOX[0] : BOX[2]] = 255
    exif = Image.Exif()
    exif[274] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(stored).save(path, exif=exif, quality=100)
    return path


def _assert_on_the_bright_part(row: Radiograph) -> None:
    shown = to_grey(read_image(row.path)) > 128
    ys, xs = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    [box] = row.boxes
    expected = (xs[0], ys[0], xs[-1] + 1, ys[-1] + 1)
    assert (box.x1, box.y1, box.x2, box.y2) == pytest.approx(expected, abs=1e-6)
    assert shown.shape == (row.height, row.width)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_drawn_on_the_stored_image_turn_with_it(tmp_path: Path, orientation: int) -> None:
    _write(tmp_path / "export" / "train" / "images" / "a.jpg", orientation)
    x1, y1, x2, y2 = BOX
    line = f"0 {(x1 + x2) / 160} {(y1 + y2) / 96} {(x2 - x1) / 80} {(y2 - y1) / 48}\n"
    labels = tmp_path / "export" / "train" / "labels" / "a.txt"
    labels.parent.mkdir()
    labels.write_text(line)
    (tmp_path / "export" / "data.yaml").write_text("names: [fracture]\n")
    _write(tmp_path / "a.jpg", orientation)
    (tmp_path / "t.csv").write_text(f'path,label,boxes\na.jpg,1,"[[{x1}, {y1}, {x2}, {y2}]]"\n')
    sources = [
        create_source("yolo", tmp_path / "export", boxes_on="stored"),
        create_source("csv", tmp_path / "t.csv", boxes_on="stored"),
    ]
    for row in build_catalog(sources).rows():
        assert row.orientation == orientation
        _assert_on_the_bright_part(row)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_coco_size_of_the_stored_image_tells_what_its_boxes_were_drawn_on(fracatlas: Path, orientation: int) -> None:
    _write(fracatlas / "images" / "Fractured" / "IMG0000001.jpg", orientation)
    path = fracatlas / "Annotations" / "COCO JSON" / "COCO_fracture_masks.json"
    coco = json.loads(path.read_text())
    coco["images"][0] |= {"width": 80, "height": 48}
    coco["annotations"][0]["bbox"] = [BOX[0], BOX[1], BOX[2] - BOX[0], BOX[3] - BOX[1]]
    path.write_text(json.dumps(coco))
    _assert_on_the_bright_part(next(build_catalog([create_source("fracatlas", fracatlas)]).rows()))


def test_coco_boxes_of_the_displayed_image_stay(fracatlas: Path) -> None:
    _write(fracatlas / "images" / "Fractured" / "IMG0000001.jpg", 6)
    path = fracatlas / "Annotations" / "COCO JSON" / "COCO_fracture_masks.json"
    coco = json.loads(path.read_text())
    coco["images"][0] |= {"width": 48, "height": 80}
    coco["annotations"][0]["bbox"] = [32, 24, 8, 40]
    path.write_text(json.dumps(coco))
    _assert_on_the_bright_part(next(build_catalog([create_source("fracatlas", fracatlas)]).rows()))
