"""A YOLO export, as Roboflow writes it: data.yaml, and images/ and labels/ of each subset.

An empty label file means no fracture, a missing one unknown. A row: box (class x y w h) or polygon (class x1 y1 …);
both become boxes. Coordinates are shares of the image as displayed: annotation tools show it after EXIF rotation.
In an export with `.rf.` in its names the part before it names the radiograph, and its copies are one group. Elsewhere
only equal names in one folder are, which share a label file.
Class names live on the boxes only: they exist on positives alone, so as a column of the image they would be its label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from colles.core.errors import AnnotationError, MissingInputError
from colles.core.files import existing_file, existing_folder
from colles.core.progress import say
from colles.core.records import Box, Radiograph
from colles.core.walk import is_hidden
from colles.datasets.sources.base import SUBSET_FOLDERS, Source, base_name, box_meanings, mapped_label, place_boxes
from colles.datasets.sources.files import image_files, yaml_texts


class Yolo(Source):
    """Upper-limb radiographs in YOLO layout."""

    kind = "yolo"
    _named: Mapping[str, str] = {}

    def radiographs(self) -> Iterator[Radiograph]:
        """Yield a row a file of every subset; boxes are shares until `finish`."""
        existing_folder(self.root)
        described = self._described()
        classes = self._classes(described)
        self._named = _named_subsets(described)
        files = [(path, folder) for folder in self._subset_folders() for path in image_files(folder / "images")]
        marked = any(base_name(path) != path.stem for path, _ in files)
        named = Counter(path.with_suffix("") for path, _ in files)
        for path, folder in files:
            yield self._row(path, folder, classes, grouped=marked or named[path.with_suffix("")] > 1)

    def finish(self, row: Radiograph) -> Radiograph:
        """Turn shares into pixels."""
        return place_boxes(row, shares=True, stored=self.boxes_on == "stored")

    def _subset_folders(self) -> list[Path]:
        shown = [folder for folder in sorted(self.root.iterdir()) if not is_hidden(folder.name)]
        held = [folder for folder in shown if _has_files(folder / "images")]
        whole = [self.root] if (self.root / "images").is_dir() else []
        taken = [folder for folder in held if self._subset(folder.name)] or whole
        if not taken:
            repair = "A YOLO export keeps train/images, val/images or test/images"
            raise MissingInputError("holds no images folder", path=self.root, repair=repair)
        for folder in [*whole, *held]:
            if folder not in taken and folder != self.root / "images" and _has_files(folder / "images"):
                say(f"{folder / 'images'} is no subset that data.yaml names; left out")
        return taken

    def _subset(self, folder: str) -> str | None:
        return SUBSET_FOLDERS.get(folder.lower()) or self._named.get(folder)

    def _described(self) -> dict[str, Any]:
        path = existing_file(self.root / "data.yaml", repair="A YOLO export has one, with the class names")
        try:
            described = yaml_texts(path) or {}
        except ValueError as error:
            raise AnnotationError("not valid YAML", path=path, repair="Export the set again") from error
        if not isinstance(described, dict):
            raise AnnotationError("not valid YAML", path=path, repair="Export the set again")
        return described

    def _classes(self, described: dict[str, Any]) -> list[str]:
        path, names = self.root / "data.yaml", described.get("names")
        try:
            if isinstance(names, dict):
                names = [names[str(index)] for index in range(len(names))]
        except KeyError as error:
            repair = "Number the classes from 0 without gaps"
            raise AnnotationError(f"has no class {error}", path=path, field="names", repair=repair) from error
        if not isinstance(names, list) or not names:
            raise AnnotationError("lacks the class names", path=path, field="names", repair="Write names: [fracture]")
        found = [str(name) for name in names]
        unclear = [name for name, meaning in box_meanings(found).items() if meaning is None]
        if unclear and self.class_map is None:
            text = f"cannot tell whether {', '.join(map(repr, unclear))} mark a fracture"
            repair = "Give a class map: a line a class, name: 1 or 0, or nothing where it says neither"
            raise AnnotationError(text, path=path, field="names", repair=repair)
        return found

    def _row(self, path: Path, folder: Path, classes: list[str], *, grouped: bool) -> Radiograph:
        labels = folder / "labels" / path.relative_to(folder / "images").with_suffix(".txt")
        base = base_name(path)
        subset = path.relative_to(self.root).parts[:2]
        label, boxes, reason = self._annotation(labels, classes)
        image_id = self.image_id(path)
        return Radiograph(
            image_id=image_id,
            source=self.name,
            path=str(path),
            label=label,
            boxes=boxes,
            body_part="upper_limb",
            base_name=base,
            given_split=next((found for part in subset if (found := self._subset(part))), None),
            group_id=f"{self.name}:{base}" if grouped else image_id,
            upper_limb=True,
            reason=reason,
        )

    def _annotation(self, path: Path, classes: list[str]) -> tuple[int | None, tuple[Box, ...], str | None]:
        if not path.is_file():
            return None, (), "no label file"
        boxes, meanings = [], []
        for number, box in parse_rows(path, classes):
            meaning = self._meaning(str(box.name), path, number)
            meanings.append(meaning)
            boxes += [box] if meaning == 1 else []
        if not meanings:
            return 0, (), None
        if 1 in meanings:
            return 1, tuple(boxes), None
        return (None, (), "only classes of unknown meaning") if None in meanings else (0, (), None)

    def _meaning(self, name: str, path: Path, number: int) -> int | None:
        if self.class_map is not None:
            return mapped_label(name, self.class_map, path=path, field=f"row {number}")
        return box_meanings([name])[name]


def _named_subsets(described: dict[str, Any]) -> dict[str, str]:
    # Folder → subset, as the lines train, val and test of data.yaml name them: `../part1/images` is that of part1.
    named: dict[str, str] = {}
    for key, subset in SUBSET_FOLDERS.items():
        places = described.get(key)
        for place in places if isinstance(places, list) else [places]:
            parts = [part for part in str(place or "").replace("\\", "/").split("/") if part not in ("", ".", "..")]
            named |= {part: named.get(part, subset) for part in parts if part != "images"}
    return named


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def parse_rows(path: Path, classes: list[str]) -> Iterator[tuple[int, Box]]:
    """Yield number and box (in shares of the image) of every row of a label file; raise `AnnotationError`."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise AnnotationError("is not text", path=path, repair="Export or unpack the set again") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, parse_row(line, classes, path=path, number=number)


def parse_row(line: str, classes: list[str], *, path: Path, number: int) -> Box:
    """Read one label row into a box in shares of the image; raise `AnnotationError` naming file and row."""
    field, parts = f"row {number}", line.split()
    try:
        values = [float(part) for part in parts[1:]]
        index = int(parts[0])
    except ValueError as error:
        raise AnnotationError(f"{line!r} is not numbers", path=path, field=field, repair="Mend the row") from error
    if not (len(values) == 4 or (len(values) >= 6 and len(values) % 2 == 0)):
        expected = "class x y w h, or class and three points or more"
        raise AnnotationError(f"has {len(parts)} numbers", path=path, field=field, repair=f"A row is {expected}")
    if not 0 <= index < len(classes):
        repair = f"data.yaml names the classes 0 to {len(classes) - 1}"
        raise AnnotationError(f"class {index} is not in data.yaml", path=path, field=field, repair=repair)
    if not all(-0.5 <= value <= 1.5 for value in values) or (len(values) == 4 and min(values[2:]) < 0):
        repair = "YOLO rows hold shares of width and height, not pixels"
        raise AnnotationError("has coordinates outside 0 to 1", path=path, field=field, repair=repair)
    if len(values) == 4:
        x, y, width, height = values
        return Box(x1=x - width / 2, y1=y - height / 2, x2=x + width / 2, y2=y + height / 2, name=classes[index])
    xs, ys = values[0::2], values[1::2]
    return Box(x1=min(xs), y1=min(ys), x2=max(xs), y2=max(ys), name=classes[index])
