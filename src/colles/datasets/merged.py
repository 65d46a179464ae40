"""Names and YOLO labels of a merged set of files: no two images share a stem, and no label says more than is known."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from colles.core.records import Box, Radiograph
from colles.datasets.sources.base import guess_label
from colles.imaging.read import IMAGE_ENDINGS

_FRACTURE = "fracture"
_STEERING = re.compile(r"[/\x00-\x1f\x7f]")
_LONGEST = 180  # bytes; file systems take 255


def merged_names(images: Sequence[tuple[str, str, str | None]]) -> dict[str, str]:
    """Return image_id → file name `source__name`, for image_id, source and the file's form (JPEG, DICOM, …).

    A name without an image's ending, such as the pseudonym of a DICOM file, gets that of its form. Stems differ even
    without regard to case, since x.jpg and X.png would share one label file on some disks: those that do not get a
    digest of their image_id at the end. A Roboflow base name (the part before `.rf.`) is kept.
    """
    plain = {image_id: _plain(image_id, source, form) for image_id, source, form in images}
    shared = Counter(_stem(name) for name in plain.values())
    names = {
        image_id: name if shared[_stem(name)] == 1 and len(name.encode()) <= _LONGEST else _with_digest(name, image_id)
        for image_id, name in plain.items()
    }
    if len({_stem(name) for name in names.values()}) < len(names):  # a plain name equals another's digest form
        names = {image_id: _with_digest(name, image_id) for image_id, name in plain.items()}
    return names


def _plain(image_id: str, source: str, form: str | None) -> str:
    name = _STEERING.sub("_", f"{source}__{PurePosixPath(image_id).name}")  # lists of a set have a line an image
    if form is None or PurePosixPath(name).suffix.lower() in IMAGE_ENDINGS:
        return name
    return f"{name}.dcm" if form == "DICOM" else f"{name}.{form.lower()}"


def _stem(name: str) -> str:
    return PurePosixPath(name).stem.casefold()


def _with_digest(name: str, image_id: str) -> str:
    path = PurePosixPath(name)
    digest = hashlib.sha256(image_id.encode("utf-8")).hexdigest()[:12]
    stem = path.stem.encode("utf-8")[: _LONGEST - 20].decode("utf-8", "ignore")
    return f"{stem}-{digest}{path.suffix}"


def class_names(rows: Iterable[Radiograph]) -> tuple[str, ...]:
    """Return the class names of all boxes, sorted; `fracture` alone where there are none."""
    return tuple(sorted({_class(box) for row in rows for box in row.boxes})) or (_FRACTURE,)


def _class(box: Box) -> str:
    # A box is a fracture; a name that reads like the contrary (mapped by hand) would turn into a negative on reading.
    return box.name if box.name and guess_label(box.name) != 0 else _FRACTURE


def label_text(row: Radiograph, names: Sequence[str]) -> str | None:
    """Return the YOLO label file of an image: a row a box, empty for a negative, None where there must be no file.

    There is none where the label is unknown, and where a fracture has no box: an empty file would call it normal.
    """
    if row.label is None:
        return None
    if row.label == 0:
        return ""
    lines = [_line(box, row, names) for box in row.boxes if box.area > 0]
    return "".join(lines) or None


def _line(box: Box, row: Radiograph, names: Sequence[str]) -> str:
    assert row.width and row.height  # every readable image has a size
    x, y = (box.x1 + box.x2) / 2 / row.width, (box.y1 + box.y2) / 2 / row.height
    width, height = (box.x2 - box.x1) / row.width, (box.y2 - box.y1) / row.height
    return f"{names.index(_class(box))} {x:.8f} {y:.8f} {width:.8f} {height:.8f}\n"
