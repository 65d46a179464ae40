"""FracAtlas in its original layout (Abedeen et al., Scientific Data 10:521, 2023).

The folder is the label; what `dataset.csv` says is kept beside it. There are no patient ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from colles.core.errors import AnnotationError, MissingInputError
from colles.core.files import existing_folder, read_json
from colles.core.records import Box, Radiograph
from colles.core.tables import read_table
from colles.core.walk import is_hidden
from colles.datasets.sources.base import Source, place_boxes
from colles.datasets.sources.files import image_files
from colles.datasets.sources.yolo import parse_rows

_FOLDERS = {"Fractured": 1, "Non_fractured": 0}
_PARTS = ("hand", "leg", "hip", "shoulder")
_VIEWS = ("frontal", "lateral", "oblique")
_COCO = Path("Annotations") / "COCO JSON" / "COCO_fracture_masks.json"
_YOLO = Path("Annotations") / "YOLO"
_CLASSES = ["fracture"]


class FracAtlas(Source):
    """Radiographs of hand, leg, hip and shoulder with boxes."""

    kind = "fracatlas"
    _sizes: Mapping[str, tuple[int | None, int | None]] = {}

    def radiographs(self) -> Iterator[Radiograph]:
        """Yield a row a file; boxes are pixels of the COCO file, or shares from the YOLO files where that is absent."""
        existing_folder(self.root)
        images = existing_folder(
            self.root / "images", repair="FracAtlas keeps images/Fractured and images/Non_fractured"
        )
        table = self._table()
        boxes = self._boxes()
        for folder in _FOLDERS:
            if not (images / folder).is_dir():
                raise MissingInputError("no such folder", path=images / folder, repair="Unpack FracAtlas again")
        files = [path for folder in _FOLDERS for path in image_files(images / folder)]
        for path in sorted(files):
            yield self._row(path, _FOLDERS[path.relative_to(images).parts[0]], table.get(path.name, {}), boxes)

    def finish(self, row: Radiograph) -> Radiograph:
        """Bring the boxes into pixels inside the image.

        Where the COCO file gives the size before EXIF rotation, its boxes are of that size and turn with the pixels.
        """
        turned = self._sizes.get(Path(row.path).name) == (row.height, row.width) and row.height != row.width
        return place_boxes(row, shares=not self._has_coco, stored=turned or self.boxes_on == "stored")

    @property
    def _has_coco(self) -> bool:
        return (self.root / _COCO).is_file()

    def _row(
        self, path: Path, label: int, described: Mapping[str, Any], boxes: Mapping[str, tuple[Box, ...]]
    ) -> Radiograph:
        image_id = self.image_id(path)
        stated = described.get("fractured")
        return Radiograph(
            image_id=image_id,
            source=self.name,
            path=str(path),
            label=label,
            boxes=boxes.get(path.name, ()),
            body_part=_body_part(described),
            view=_view(described),
            hardware=_hardware(described),
            base_name=path.stem,
            group_id=image_id,
            upper_limb=_upper_limb(described),
            metadata_label=None if stated is None else int(stated),
        )

    def _table(self) -> dict[str, dict[str, Any]]:
        path = self.root / "dataset.csv"
        frame = read_table(path, ("image_id", "fractured", *_PARTS))
        flags = [name for name in (*_PARTS, *_VIEWS, "hardware", "fractured") if name in frame.columns]
        try:
            frame = frame.with_columns(pl.col(flags).cast(pl.Int8))
        except pl.exceptions.PolarsError as error:
            raise AnnotationError(f"a flag is not 0 or 1 ({flags})", path=path, repair="Mend the column") from error
        return {row["image_id"]: row for row in frame.iter_rows(named=True)}

    def _boxes(self) -> dict[str, tuple[Box, ...]]:
        if not self._has_coco and (self.root / _YOLO).is_dir():
            return _yolo_boxes(self.root / _YOLO)
        path = self.root / _COCO
        coco = read_json(path)
        try:
            names = {image["id"]: image["file_name"] for image in coco["images"]}
            self._sizes = {image["file_name"]: (image.get("width"), image.get("height")) for image in coco["images"]}
            found: dict[str, list[Box]] = {}
            for annotation in coco["annotations"]:
                x, y, width, height = annotation["bbox"]
                box = Box(x1=x, y1=y, x2=x + width, y2=y + height, name="fracture")
                found.setdefault(names[annotation["image_id"]], []).append(box)
        except (KeyError, TypeError, ValueError) as error:
            raise AnnotationError(f"not a COCO file ({error!r})", path=path, repair="Unpack FracAtlas again") from error
        return {name: tuple(boxes) for name, boxes in found.items()}


def _yolo_boxes(folder: Path) -> dict[str, tuple[Box, ...]]:
    files = sorted(path for path in folder.glob("*.txt") if not is_hidden(path.name))
    return {f"{path.stem}.jpg": tuple(box for _, box in parse_rows(path, _CLASSES)) for path in files}


def _hardware(described: Mapping[str, Any]) -> bool | None:
    value = described.get("hardware")
    return None if value is None else bool(value)


def _body_part(described: Mapping[str, Any]) -> str | None:
    parts = [part for part in _PARTS if described.get(part)]
    return ("mixed" if len(parts) > 1 else parts[0]) if parts else None


def _view(described: Mapping[str, Any]) -> str | None:
    views = [view for view in _VIEWS if described.get(view)]
    return "+".join(views) or None


def _upper_limb(described: Mapping[str, Any]) -> bool | None:
    if not described:
        return None
    upper = described.get("hand") or described.get("shoulder")
    return bool(upper) and not (described.get("leg") or described.get("hip"))
