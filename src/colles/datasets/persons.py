"""Which folders hold one person each: the best guess where a source gives no ids and a person has a folder.

Where there are no such folders, the beginnings of file names are looked at: `P012_1` and `P012_2` are one person's.

A folder named for a class, a subset or a region says nothing of the person, so `fractured/p1` and `normal/p1` are one,
and so are `A/p1` and `B/p1` where the images of A all have one label and those of B the other. Accents apart from their
letters, as macOS writes them, make no other name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from statistics import median
from unicodedata import normalize

import polars as pl

from colles.datasets.sources.base import SUBSET_FOLDERS, names_region, tells_class

_FEW = 20  # images; folders that hold more are of persons only where such folders are many:
_MORE = 3  # images a folder, times their number
_FEW_CLASSES = 6  # names
_LEAST_FOLDERS = 3  # of a class; where folders are few, and fewer hold it, they are rather the class's own
_LEAST_NUMBERS = 8  # folders named by numbers alone: fewer may be classes or folds
_PERSON = re.compile(r"^(p|pt|pat|patient|sub|subj|subject|case|person|mrn|pid)[\W_]*\d+$", re.I)
_WITH_NUMBER = re.compile(r"[^\W_]*\d[^\W_]*")  # a word that holds a digit


def person_folders(frame: pl.DataFrame) -> dict[str, str]:
    """Return image_id → folder of its person, for the images without a group of the catalog that lie in such folders.

    Folders of persons are the outermost ones whose names say so (`patient07`, `P012`, `sub-01`), or that are many or
    small, part no class from the others, and hold several images each or equal file names.
    """
    free = frame.filter(
        pl.col("patient_id").is_null()
        & pl.col("study_id").is_null()
        & (pl.col("group_id").is_null() | (pl.col("group_id") == pl.col("image_id")))
    )
    found: dict[str, str] = {}
    for (source,), part in free.select("source", "image_id", "label").group_by("source", maintain_order=True):
        label = dict(part.select("image_id", "label").iter_rows())
        telling = {image: _telling(image.removeprefix(f"{source}/")) for image in label}
        found |= _of_source(_without_classes(telling, label), label) or _of_names(list(label))
    return found


def _of_names(images: Sequence[str]) -> dict[str, str]:
    # P001_1 and P001_2, or 12_AP and 12_LAT: what stands up to a number, where most images share it with another.
    stems = {image: PurePosixPath(normalize("NFC", image)).stem for image in images}
    beginnings = {image: [stem[: part.end()] for part in _WITH_NUMBER.finditer(stem)] for image, stem in stems.items()}
    for depth in range(max(map(len, beginnings.values()), default=0)):
        held: dict[str, set[str]] = {}
        for image, names in beginnings.items():
            held.setdefault(names[depth] if len(names) > depth else stems[image], set()).add(stems[image])
        sizes = [len(names) for names in held.values()]
        several = sum(size for size in sizes if size > 1)
        if 2 * several >= sum(sizes) and max(sizes) <= max(_FEW, sum(sizes) // 20):
            return {image: names[depth] for image, names in beginnings.items() if len(names) > depth}
    return {}


def _without_classes(
    telling: Mapping[str, tuple[str, ...]], label: Mapping[str, int | None]
) -> Mapping[str, tuple[str, ...]]:
    # The outermost folders are classes where they are few and each holds one label alone, and others inside.
    held: dict[str, set[int | None]] = {}
    for image, names in telling.items():
        held.setdefault(names[0] if len(names) > 1 else "", set()).add(label[image])
    pure = "" not in held and all(len(labels - {None}) <= 1 for labels in held.values())
    if not pure or len(held) > _FEW_CLASSES or not set.union(*held.values()) >= {0, 1}:
        return telling
    return {image: names[1:] for image, names in telling.items()}


def _of_source(telling: Mapping[str, tuple[str, ...]], label: Mapping[str, int | None]) -> dict[str, str]:
    for depth in range(1, max(map(len, telling.values())) + 1):
        folders: dict[str, list[str]] = {}
        for image, names in telling.items():
            if len(names) >= depth:
                folders.setdefault("/".join(names[:depth]), []).append(image)
        if _are_called_persons(folders) or _hold_persons(folders.values(), label):
            return {image: folder for folder, images in folders.items() for image in images}
    return {}


def _are_called_persons(folders: Mapping[str, list[str]]) -> bool:
    names = [folder.rpartition("/")[2] for folder in folders]
    if len(names) >= _LEAST_FOLDERS and all(map(_PERSON.match, names)):
        return True
    several = len(names) >= _LEAST_NUMBERS and median(map(len, folders.values())) > 1
    return several and all(name.isdigit() for name in names)


def _hold_persons(folders: Iterable[list[str]], label: Mapping[str, int | None]) -> bool:
    held = list(folders)
    typical = median(map(len, held))
    if typical > max(_FEW, _MORE * len(held)) or (len(held) < _FEW and _part_classes(held, label)):
        return False
    if typical > 1:
        return True
    names = [PurePosixPath(image).stem for images in held for image in images]
    return len(set(names)) < len(names)


def _part_classes(folders: Sequence[list[str]], label: Mapping[str, int | None]) -> bool:
    holding = Counter(value for images in folders for value in {label[image] for image in images} - {None})
    return min(holding.values(), default=0) < _LEAST_FOLDERS


def _telling(path: str) -> tuple[str, ...]:
    return tuple(name for name in normalize("NFC", path).split("/")[:-1] if name and not _says_nothing(name))


@lru_cache(maxsize=1 << 16)
def _says_nothing(name: str) -> bool:
    # A name with a number may tell persons apart whatever else it says: study7_positive.
    if any(letter.isdigit() for letter in name):
        return False
    return name.lower() in SUBSET_FOLDERS or tells_class(name) or names_region(name)
