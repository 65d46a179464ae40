"""A first look at a source, before anything is decoded: what kind it is, its labels, groups and sizes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from colles.core.errors import InputError, MissingInputError, UsageError
from colles.core.files import existing_folder
from colles.core.records import Radiograph, Record
from colles.core.tables import COCO, is_coco, read_table
from colles.core.walk import is_packed
from colles.datasets.sources import SOURCES, create_source
from colles.datasets.sources.base import (
    SUBSET_FOLDERS,
    box_meanings,
    guess_label,
    guess_word,
    is_unlabelled,
    tells_class,
)
from colles.datasets.sources.files import begins_as_dicom, files_below, has_image_ending, yaml_texts
from colles.imaging.read import DICOM_ENDINGS, IMAGE_ENDINGS

_SAMPLE = 200  # files whose header is read for their size
_TABLES = {".csv", ".parquet", ".json"}
_LISTED = 50  # more distinct labels than this are not classes


class Survey(Record):
    """What a source holds, as far as its names, labels and file headers tell."""

    kind: str
    path: str
    name: str
    images: int
    fractured: int
    normal: int
    unknown: int
    with_boxes: int
    groups: int
    """Distinct group_ids: patients, studies or base names, else images."""
    fractured_groups: int
    """Those that hold a fractured image: copies and kin of one fracture count once."""
    patients: int
    """Distinct patient ids; 0 where the source has none."""
    given_split: bool
    longer_side: int | None
    """Median of a sample, in pixels; None where no header could be read."""
    classes: dict[str, int | None]
    """Class, folder or label name → what it is taken to mean; empty where the source has a fixed meaning."""

    @property
    def unclear(self) -> list[str]:
        """Classes whose meaning could not be told; images beside the class folders (`""`) have none to tell."""
        return [name for name, meaning in self.classes.items() if meaning is None and name]


def survey(text: str) -> Survey:
    """Look at a source given as a path or as `KIND[:NAME]=PATH`; raise the source's error where it is malformed."""
    kind, name, path = _parse(text)
    classes = _classes(kind, path)
    with TemporaryDirectory() as scratch:  # patients are counted here, under names that nobody keeps
        source = create_source(kind, path, name=name, class_map=classes or None, salt=Path(scratch) / "salt")
        rows = list(source.radiographs())
    labels = Counter(row.label for row in rows)
    patients = {row.patient_id for row in rows} - {None}
    return Survey(
        kind=kind,
        path=str(path.absolute()),
        name=name,
        images=len(rows),
        fractured=labels[1],
        normal=labels[0],
        unknown=labels[None],
        with_boxes=sum(bool(row.boxes) for row in rows),
        groups=len({row.group_id for row in rows}),
        fractured_groups=len({row.group_id for row in rows if row.label == 1}),
        patients=len(patients),
        given_split=any(row.given_split for row in rows),
        longer_side=_longer_side(rows),
        classes=classes,
    )


def survey_all(texts: Sequence[str]) -> list[Survey]:
    """Look at several sources; raise `UsageError` where two are one folder or have one name."""
    found = [survey(text) for text in texts]
    for one, other in combinations(found, 2):
        if one.path == other.path:
            raise UsageError(f"{other.path} is named twice", repair="Name each folder once")
        if one.name == other.name:
            repair = f"Give one another name: {other.kind}:NAME={other.path}"
            raise UsageError(f"two sources are called {one.name!r}", repair=repair)
    return found


def _parse(text: str) -> tuple[str, str, Path]:
    described, equals, rest = text.partition("=")
    if equals and described.split(":")[0] in SOURCES:
        kind, _, name = described.partition(":")
        path = Path(rest).expanduser()
    else:
        path, name = Path(text).expanduser(), ""
        kind = detect_kind(path)
    whole = Path(os.path.abspath(path))  # the folder that . and .. mean has a name
    named = whole.name if whole.is_dir() else whole.stem  # clinic_1.2 and clinic_1.3 are two folders
    return kind, name or named.replace(" ", "_") or kind, path


def detect_kind(path: Path) -> str:
    """Tell which source reads a path; raise `MissingInputError` or `UsageError` where none does."""
    if path.is_file():
        if path.suffix.lower() in _TABLES:
            return "csv"
        repair = "Unpack it, and name the folder" if is_packed(path) else "Name the folder that holds the images"
        raise UsageError(f"{path} is neither a folder nor a table", repair=repair)
    existing_folder(path)
    if _is_set(path):
        return "yolo" if (path / "data.yaml").is_file() else "fracatlas"
    pictures = files_below(path, has_image_ending)
    if any(file.suffix.lower() not in DICOM_ENDINGS for file in pictures) or _say_classes(path, pictures):
        _refuse_annotated(path, pictures)
        return "folder"
    if pictures or files_below(path, begins_as_dicom):
        return "dicom"  # labels and patients stand in its files, not in the names of folders
    repair = f"Endings read: {', '.join(sorted(IMAGE_ENDINGS))}, and DICOM files whatever their ending"
    raise MissingInputError("holds no images", path=path, repair=repair)


def _refuse_annotated(root: Path, pictures: list[Path]) -> None:
    # Its labels stand in files: asked what the folder `images` means, somebody would call all of it fractured.
    if _say_classes(root, pictures):
        return
    for file in sorted([*root.glob("*.json"), *root.glob("*/*.json")]):
        if file.is_file() and is_coco(file):  # a pipe would be waited for
            raise UsageError(f"{root} holds a COCO file ({file.relative_to(root)}), which is not read", repair=COCO)
    folders = {path.parent for path in pictures if path.parent.name == "images"}
    labels = next((place for path in sorted(folders) if any((place := path.with_name("labels")).glob("*.txt"))), None)
    if labels is not None:
        text = f"{root} looks like a YOLO export ({labels.relative_to(root)}) without its data.yaml"
        raise UsageError(text, repair="Add data.yaml with the class names, such as names: [fracture]")


def _say_classes(root: Path, files: list[Path]) -> bool:
    return any(guess_label(part) is not None for file in files for part in file.relative_to(root).parts[:-1])


def _classes(kind: str, path: Path) -> dict[str, int | None]:
    if kind == "folder":
        _refuse_several_sets(path)
        return _folder_classes(path)
    if kind == "yolo":
        # as the source itself reads them
        return box_meanings(_yolo_names(path / "data.yaml"))
    if kind == "csv":
        return _table_classes(path)
    return {}


def _refuse_several_sets(root: Path) -> None:
    # A set's own name would be read as a class: every image of `bonefractureyolo/` would count as fractured.
    inside = sorted(path for path in root.iterdir() if path.is_dir() and _is_set(path))
    if inside:
        named = ", ".join(path.name for path in inside)
        repair = f"Name each: colles init {' '.join(str(path) for path in inside)} --out recipe.yaml"
        raise UsageError(f"{root} holds whole sets ({named}), not classes", repair=repair)


def _is_set(folder: Path) -> bool:
    return (folder / "data.yaml").is_file() or (folder / "images" / "Fractured").is_dir()


def _folder_classes(root: Path) -> dict[str, int | None]:
    folders = sorted({path.relative_to(root).parts[:-1] for path in files_below(root, has_image_ending)})
    places = {parts: _class_place(parts) for parts in folders}
    inside = {part for parts, place in places.items() if place is not None for part in parts[place + 1 :]}
    names = [_unclear_name(root, parts, inside) if place is None else parts[place] for parts, place in places.items()]
    found = {name: guess_label(name) for name in names}
    if set(found) == {""}:
        repair = "Put them into two folders in it, such as fractured and normal; or name a table of path and label"
        raise InputError("the images lie in the folder itself, so nothing tells fractures", path=root, repair=repair)
    return found


def _class_place(parts: tuple[str, ...]) -> int | None:
    return max((place for place, part in enumerate(parts) if tells_class(part)), default=None)


def _unclear_name(root: Path, parts: tuple[str, ...], inside: set[str]) -> str:
    # A name that also occurs inside a class, such as that of a patient, would take the label away there.
    own = [part for part in reversed(parts) if part.lower() not in SUBSET_FOLDERS]
    free = [part for part in own if part not in inside]
    if own and not free:
        repair = "Move it into a folder that says whether its images are fractured or normal"
        raise InputError(
            "means nothing, and folders of this name lie in the classes", path=root.joinpath(*parts), repair=repair
        )
    return free[0] if free else ""


def _yolo_names(path: Path) -> list[str]:
    try:
        names = (yaml_texts(path) or {}).get("names") or []
    except (OSError, AttributeError, ValueError):
        return []  # the source itself says what is wrong with the file
    return [str(name) for name in (names.values() if isinstance(names, dict) else names)]


def _table_classes(path: Path) -> dict[str, int | None]:
    labels = read_table(path, ("path", "label"), as_text=True)["label"]
    values = sorted({text for label in labels.drop_nulls() if not is_unlabelled(text := str(label).strip())})
    if all(value in ("0", "0.0", "1", "1.0") for value in values) or len(values) > _LISTED:
        return {}
    return {value: guess_word(value) for value in values}


def _longer_side(rows: list[Radiograph]) -> int | None:
    step = max(1, len(rows) // _SAMPLE)
    sides = [side for row in rows[::step] if (side := _side(Path(row.path)))]
    return int(np.median(sides)) if sides else None


def _side(path: Path) -> int | None:
    try:
        if begins_as_dicom(path):
            from colles.imaging.read_dicom import read_header

            ds = read_header(path)
            return None if ds is None else max(int(ds.Rows), int(ds.Columns))
        with Image.open(path) as image:
            return max(image.size)
    except Exception:  # a broken header is the catalog's to report
        return None
