"""The files beside the images: dataset.csv and COCO boxes of FracAtlas, data.yaml and label rows of a YOLO export."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from colles.datasets.phantom.plan import FilePlan

CLASSES = ["elbow positive", "fingers positive", "forearm fracture", "humerus fracture", "humerus", "shoulder fracture",
           "wrist positive"]  # fmt: skip
_HEADER = "image_id,hand,leg,hip,shoulder,mixed,hardware,multiscan,fractured,fracture_count,frontal,lateral,oblique"
Truth = dict[str, Any]


def _boxes(truth: Truth) -> list[list[float]]:
    return list(json.loads(truth["boxes"])) if truth["label"] else []


def write_fracatlas(folder: Path, plans: Sequence[FilePlan], truth: Sequence[Truth]) -> None:
    """Write dataset.csv, the COCO file and YOLO labels of FracAtlas."""
    lines = [_HEADER]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    labels = folder / "Annotations" / "YOLO"
    labels.mkdir(parents=True, exist_ok=True)
    rows = [(p, t) for p, t in zip(plans, truth, strict=True) if p.folder == "FracAtlas"]
    for plan, row in sorted(rows, key=lambda pair: pair[0].name):
        stated = 1 - plan.label if plan.contradicted else plan.label
        shoulder = int(plan.patient.part == "shoulder")
        views = [int(plan.view == name) for name in ("frontal", "lateral", "oblique")]
        flags = [1 - shoulder, 0, 0, shoulder, 0, int(plan.patient.hardware), 0, stated, len(_boxes(row)) * stated]
        lines.append(",".join([plan.name, *map(str, [*flags, *views])]))
        (labels / plan.name).with_suffix(".txt").write_text(_label_rows(row, 0, polygon=False), encoding="utf-8")
        if plan.label:
            images.append(
                {"id": len(images) + 1, "width": row["width"], "height": row["height"], "file_name": plan.name}
            )
            annotations += [
                _annotation(len(annotations) + i + 1, len(images), box) for i, box in enumerate(_boxes(row))
            ]
    (folder / "dataset.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    coco = {
        "info": {"description": "phantoms"},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 0, "name": "fractured"}],
    }
    place = folder / "Annotations" / "COCO JSON"
    place.mkdir(parents=True, exist_ok=True)
    (place / "COCO_fracture_masks.json").write_text(json.dumps(coco), encoding="utf-8")


def _annotation(number: int, image: int, box: list[float]) -> dict[str, Any]:
    x1, y1, x2, y2 = box
    return {
        "id": number,
        "image_id": image,
        "category_id": 0,
        "bbox": [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)],
        "area": round((x2 - x1) * (y2 - y1), 2),
        "iscrowd": 0,
        "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]],
    }


def write_yolo(folder: Path, plans: Sequence[FilePlan], truth: Sequence[Truth]) -> None:
    """Write data.yaml and a label file an image: polygons mostly, empty where there is no fracture."""
    for subset in ("train", "val", "test"):
        for part in ("images", "labels"):
            (folder / subset / part).mkdir(parents=True, exist_ok=True)
    about = {"train": "train/images", "val": "val/images", "test": "test/images", "nc": len(CLASSES), "names": CLASSES}
    (folder / "data.yaml").write_text(yaml.safe_dump(about, sort_keys=False), encoding="utf-8")
    for plan, row in zip(plans, truth, strict=True):
        if plan.folder != "bonefractureyolo" or not plan.labelled:
            continue
        text = _label_rows(row, CLASSES.index(plan.patient.condition.site.name), polygon=plan.patient.number % 4 != 0)
        label = folder / plan.subset / "labels" / plan.name
        label.with_suffix(".txt").write_text(text, encoding="utf-8")


def _label_rows(row: Truth, index: int, *, polygon: bool) -> str:
    width, height = row["width"], row["height"]
    lines = []
    for x1, y1, x2, y2 in _boxes(row):
        if polygon:
            values = [
                x1 / width,
                y1 / height,
                x2 / width,
                y1 / height,
                x2 / width,
                y2 / height,
                x1 / width,
                y2 / height,
            ]
        else:
            values = [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]
        lines.append(" ".join([str(index), *(f"{value:.6f}" for value in values)]))
    return "\n".join(lines) + ("\n" if lines else "")
