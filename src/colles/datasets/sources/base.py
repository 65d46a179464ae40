"""What every source of radiographs has in common: a name, a root, and rows that are not decoded yet."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from colles.core.errors import AnnotationError, MissingInputError, RecipeError
from colles.core.files import existing_file, existing_folder, read_json
from colles.core.records import Box, Radiograph
from colles.imaging.read import IMAGE_ENDINGS

ClassMap = Mapping[str, int | None]
# "Non-displaced fracture" is a fracture: a denial counts only right before what it denies.
_NEGATIVE = re.compile(
    r"\b(negative|normal|healthy|intact|absent|background|unfractured|unbroken)\b"
    r"|\b(non|no|not|without)\W*(any\W+)?(a\W+)?(fractur|finding|abnormal|broken|break|positive)"
    r"|^\W*no(ne)?\W*$",
    re.I,
)
_POSITIVE = re.compile(r"fractur|positive|abnormal|broken", re.I)

SUBSET_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""Folder names of a source's own subsets."""


class Source(ABC):
    """One set of radiographs on disk."""

    kind: str

    def __init__(self, root: str | Path, name: str | None = None, class_map: ClassMap | None = None) -> None:
        self.root = Path(root).expanduser().absolute()
        self.name = name or self.kind
        self.class_map = None if class_map is None else {str(key): value for key, value in class_map.items()}

    @abstractmethod
    def radiographs(self) -> Iterator[Radiograph]:
        """Yield a row a file, in path order; pixels are not read. Boxes may be shares of the size (see `finish`)."""

    def finish(self, row: Radiograph) -> Radiograph:
        """Complete a row once its width and height are known (relative boxes to pixels)."""
        return row

    def image_id(self, path: Path) -> str:
        """Return the id of a file: the source's name and the path inside the source."""
        return f"{self.name}/{path.relative_to(self.root).as_posix()}"


def place_boxes(row: Radiograph, *, shares: bool) -> Radiograph:
    """Clip boxes to the image as displayed; with `shares` they are parts of its width and height and become pixels.

    A row whose image cannot be decoded has no size, so it keeps pixel boxes as they are and loses shares.
    """
    if row.width is None or row.height is None:
        return row.model_copy(update={"boxes": ()}) if shares else row
    scale_x, scale_y = (row.width, row.height) if shares else (1, 1)
    placed = tuple(
        Box(
            x1=min(max(box.x1 * scale_x, 0.0), row.width),
            y1=min(max(box.y1 * scale_y, 0.0), row.height),
            x2=min(max(box.x2 * scale_x, 0.0), row.width),
            y2=min(max(box.y2 * scale_y, 0.0), row.height),
            name=box.name,
        )
        for box in row.boxes
    )
    return row.model_copy(update={"boxes": placed})


def image_files(folder: Path) -> list[Path]:
    """List image files under a folder, sorted by path; raise `MissingInputError` where there are none."""
    existing_folder(folder)
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS and path.is_file())
    if not found:
        raise MissingInputError(
            "holds no images", path=folder, repair=f"Endings read: {', '.join(sorted(IMAGE_ENDINGS))}"
        )
    return found


def guess_label(name: str) -> int | None:
    """Guess what a class or folder name means: 1, 0, or None where it does not say."""
    words = re.sub(r"[_\-]+", " ", name)
    if _NEGATIVE.search(words):
        return 0
    return 1 if _POSITIVE.search(words) else None


def mapped_label(name: str, class_map: ClassMap, *, path: Path, field: str | None = None) -> int | None:
    """Look a class up in a map; raise `AnnotationError` where it is not there."""
    if name not in class_map:
        known = ", ".join(map(repr, class_map)) or "nothing"
        repair = f"Add it to the class map, which knows {known}"
        raise AnnotationError(f"class {name!r} is not in the class map", path=path, field=field, repair=repair)
    return class_map[name]


def read_class_map(source: ClassMap | str | Path | None) -> dict[str, int | None] | None:
    """Read a class map: a mapping, or a YAML, JSON or CSV file (columns class, label) of one."""
    if source is None:
        return None
    if not isinstance(source, str | Path):
        return {str(key): _label(value, None) for key, value in source.items()}
    path = existing_file(source)
    return {str(key): _label(value, path) for key, value in _raw_map(path).items()}


def _raw_map(path: Path) -> dict[Any, Any]:
    if path.suffix.lower() == ".csv":
        from colles.core.tables import read_table

        table = read_table(path, ("class", "label"))
        return dict(table.select("class", "label").iter_rows())
    try:
        # BaseLoader keeps every scalar as text: a class called `no` must not become False.
        text_loader = yaml.BaseLoader
        values = read_json(path) if path.suffix.lower() == ".json" else yaml.load(path.read_text("utf-8"), text_loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError("not valid YAML", path=path, repair="Write a line a class: name: 1") from error
    if not isinstance(values, dict):
        raise RecipeError("a class map is a table of names", path=path, repair="Write a line a class: name: 1")
    return values


def _label(value: Any, path: Path | None) -> int | None:
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", "null", "none", "~", "unknown")):
        return None
    if str(value).strip() in ("0", "1"):
        return int(value)
    raise RecipeError(f"a class means 1, 0 or nothing, not {value!r}", path=path, repair="Mend the class map")
