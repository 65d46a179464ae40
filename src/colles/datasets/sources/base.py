"""What every source of radiographs has in common: a name, a root, and rows that are not decoded yet."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from colles.core.errors import AnnotationError, RecipeError, TableError
from colles.core.files import existing_file, read_json
from colles.core.names import SUBSET_WORDS
from colles.core.records import Box, Radiograph
from colles.core.tables import read_table
from colles.datasets.sources.files import files_below, yaml_texts
from colles.evaluation.labels import MISSING, NO, YES
from colles.imaging.turning import as_shown

ClassMap = Mapping[str, int | None]
Frame = Literal["displayed", "stored"]
# "Non-displaced fracture" is a fracture: a denial counts only right before what it denies.
_DENIAL = r"\b(non|no|not|without)\W*(any\W+)?(a\W+)?"
_SOUND = r"(negative|normal|healthy|intact|absent|background|unfractured|unbroken)\b"
_NEGATIVE = re.compile(
    rf"\b{_SOUND}"
    rf"|{_DENIAL}(fractur|finding|abnormal|broken|break|positive)"
    r"|\b(fractur|finding|abnormal|break)\w*\W+(free|ruled\W+out|excluded)\W*$"
    r"|^\W*no(ne)?\W*$",
    re.I,
)
_SOUNDS = re.compile(rf"\b{_SOUND}", re.I)
_DENIED = re.compile(_DENIAL + _SOUND, re.I)  # "not normal" is no fracture for certain, nor the contrary
_POSITIVE = re.compile(r"\b(fractur|positive|abnormal|broken)", re.I)
_NEGATION = re.compile(r"\b(non|no|not|without|free|excluded)\b|\bruled\W+out\b", re.I)
_BOTH = re.compile(rf"^\W*negative\W+(for|of)\b|{_DENIAL}fractur|fractur\w*\W+(negative|absent)\W*$", re.I)
# Doubts, denials in other words and languages, and what is over: whoever wrote them has to say what they mean.
_DOUBT = re.compile(
    r"\?|\b(possibl[ey]|probabl[ey]|suspect\w*|suspici\w*|questionable|equivocal|uncertain|unclear|doubt\w*|maybe|likely"
    r"|unlikely|indeterminate|undetermined|rule\W+out|r\W?o|w\W?o|sans|sin|sem|senza|ohne|keine?|geen|absence|lack\w*"
    r"|den(y|ies|ied)|never|neg|fractureless|false|0|healed|history)\b",
    re.I,
)
_REGION = re.compile(
    r"(^|[\W_])(finger|thumb|hand|wrist|forearm|elbow|humerus|arm|shoulder|clavicle|toe|foot|feet|ankle|leg|knee|femur"
    r"|hip|pelvis|spine|chest)s?([\W_]|$)",
    re.I,
)

SUBSET_FOLDERS = SUBSET_WORDS
"""Names of a source's own subsets: its folders, or the words of a table; in small letters."""
_EITHER = frozenset(("none", "t", "f"))  # no fracture or unknown, true or trauma, false or fracture


class Source(ABC):
    """One set of radiographs on disk."""

    kind: str

    def __init__(
        self,
        root: str | Path,
        name: str | None = None,
        class_map: ClassMap | None = None,
        boxes_on: Frame = "displayed",
        salt: str | Path | None = None,
    ) -> None:
        self.root = Path(root).expanduser().absolute()
        self.name = name or self.kind
        self.class_map = None if class_map is None else {str(key): value for key, value in class_map.items()}
        self.boxes_on = boxes_on
        self.salt = salt

    @abstractmethod
    def radiographs(self) -> Iterator[Radiograph]:
        """Yield a row a file, in path order; pixels are not read. Boxes may be shares of the size (see `finish`)."""

    def files(self) -> list[Path]:
        """List every file that the rows may come from, those behind links too; raise as `radiographs` does."""
        return files_below(self.root, lambda path: True)

    def finish(self, row: Radiograph) -> Radiograph:
        """Complete a row once its width and height are known (relative boxes to pixels)."""
        return row

    def image_id(self, path: Path) -> str:
        """Return the id of a file: the source's name and the path inside the source."""
        return f"{self.name}/{path.relative_to(self.root).as_posix()}"


def base_name(path: Path) -> str:
    """Return the name that augmented copies of one radiograph share: what stands before Roboflow's `.rf.`."""
    return path.stem.split(".rf.")[0]


def place_boxes(row: Radiograph, *, shares: bool, stored: bool = False) -> Radiograph:
    """Bring boxes into pixels of the image as displayed, and clip them to it.

    With `shares` they are parts of its width and height; with `stored` they were drawn on the image before its EXIF
    orientation was applied, and turn with it. A row whose image cannot be decoded has no size, so it keeps pixel boxes
    as they are and loses shares. Boxes that lie outside the picture go, and its reason says so.
    """
    if row.width is None or row.height is None:
        return row.model_copy(update={"boxes": ()}) if shares else row
    shown = (row.width, row.height)
    orientation = (row.orientation or 1) if stored else 1
    drawn_on = shown if orientation < 5 else (row.height, row.width)
    scale = drawn_on if shares else (1, 1)
    boxes = [as_shown(_scaled(box, scale), orientation, shown) for box in row.boxes]
    beside = [box for box in boxes if box.x2 < 0 or box.y2 < 0 or box.x1 > shown[0] or box.y1 > shown[1]]
    kept = tuple(_clipped(box, shown) for box in boxes if box not in beside)
    noted = f"{len(beside)} of {len(boxes)} boxes lie outside the picture" if beside else None
    return row.model_copy(update={"boxes": kept, "reason": joined(row.reason, noted)})


def joined(*reasons: str | None) -> str | None:
    """Return what a row's reasons say together, None where none says anything."""
    return "; ".join(text for text in reasons if text) or None


def _scaled(box: Box, scale: tuple[int, int]) -> Box:
    corners = {"x1": box.x1 * scale[0], "y1": box.y1 * scale[1], "x2": box.x2 * scale[0], "y2": box.y2 * scale[1]}
    return box.model_copy(update=corners)


def _clipped(box: Box, size: tuple[int, int]) -> Box:
    width, height = size
    xs, ys = np.clip((box.x1, box.x2), 0.0, width).tolist(), np.clip((box.y1, box.y2), 0.0, height).tolist()
    return Box(x1=xs[0], y1=ys[0], x2=xs[1], y2=ys[1], name=box.name)


def guess_label(name: str) -> int | None:
    """Guess what a class or folder name means: 1, 0, or None where it does not say or says it in a turn not known."""
    words = _words(name)
    if _DENIED.search(words) or _DOUBT.search(words):
        return None
    positive = _POSITIVE.search(words) is not None
    if _NEGATIVE.search(words):
        return 0 if _BOTH.search(words) or not (positive and _SOUNDS.search(words)) else None
    return 1 if positive and not _NEGATION.search(words) else None


def tells_class(name: str) -> bool:
    """Tell whether a name speaks of fractures or their absence, also in a turn that `guess_label` does not know."""
    words = _words(name)
    return any(pattern.search(words) for pattern in (_POSITIVE, _NEGATIVE, _DENIED))


def _words(name: str) -> str:
    return re.sub(r"[_\-]+|(?<=[a-z])(?=[A-Z])", " ", name)


def names_region(name: str) -> bool:
    """Tell whether a name is, or holds, that of a part of the body."""
    return _REGION.search(name) is not None


def box_meanings(classes: Sequence[str]) -> dict[str, int | None]:
    """Guess what classes of boxes mean: a box marks a fracture unless its class denies one.

    Where a class says fracture, those that name neither one nor a region may mark anything, and are None.
    """
    told = any(guess_label(name) == 1 for name in classes)
    return {name: 0 if guess_label(name) == 0 else None if told and _is_other(name) else 1 for name in classes}


def _is_other(name: str) -> bool:
    return guess_label(name) is None and (tells_class(name) or not names_region(name))


def mapped_label(name: str, class_map: ClassMap, *, path: Path, field: str | None = None) -> int | None:
    """Look a class up in a map; raise `AnnotationError` where it is not there."""
    if name not in class_map:
        known = ", ".join(map(repr, class_map)) or "nothing"
        repair = f"Add it to the class map, which knows {known}"
        raise AnnotationError(f"class {name!r} is not in the class map", path=path, field=field, repair=repair)
    return class_map[name]


def stated_label(value: Any, class_map: ClassMap | None, *, path: Path, field: str) -> int | None:
    """Read a label of a table: 1, 0, empty (unknown), or a word that the class map or common sense knows."""
    text = "" if value is None else str(value).strip()
    if not text:
        return None
    if class_map is not None and (text in class_map or not is_unlabelled(text)):
        return mapped_label(text, class_map, path=path, field=field)
    if is_unlabelled(text):
        return None
    guess = guess_word(text)
    if guess is None:
        repair = "Write 1, 0 or nothing, or give a class map"
        raise AnnotationError(f"label {text!r} is not understood", path=path, field=field, repair=repair)
    return guess


def guess_word(text: str) -> int | None:
    """Guess what a label of a table means, an answer (yes, no, true) or the name of a class; None where neither."""
    word = text.strip().lower()
    if word in _EITHER:
        return None
    if word in YES or word in NO:
        return int(word in YES)
    return guess_label(text)


def is_unlabelled(text: str) -> bool:
    """Tell whether a label of a table says that it is unknown; `none` may mean that there is no fracture."""
    return is_missing(text) and text.strip().lower() not in _EITHER


def is_missing(text: str) -> bool:
    """Tell whether a cell of a table says that nothing is known (empty, `?`, `n/a`)."""
    return text.strip().lower() in MISSING


def read_boxes(value: Any, *, path: Path, field: str) -> tuple[Box, ...]:
    """Read boxes of a table: a JSON list of [x1, y1, x2, y2] or of records; raise `TableError`."""
    try:
        items = json.loads(value) if isinstance(value, str) and value.strip() else value or ()
        boxes = tuple(Box(**item) if isinstance(item, dict) else _corners(*item) for item in items)
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        repair = "boxes are a JSON list of [x1, y1, x2, y2] in pixels"
        raise TableError(f"cannot be understood (boxes {value!r})", path=path, field=field, repair=repair) from error
    for box in boxes:
        fault = _fault(box)
        if fault:
            repair = "boxes are corners in pixels: [x1, y1, x2, y2], the left upper one first"
            raise TableError(f"{fault} (boxes {value!r})", path=path, field=field, repair=repair)
    return boxes


def _corners(x1: Any, y1: Any, x2: Any, y2: Any) -> Box:
    return Box(x1=x1, y1=y1, x2=x2, y2=y2)


def _fault(box: Box) -> str | None:
    if box.x2 < box.x1 or box.y2 < box.y1:
        return "gives a second corner left of or above the first, perhaps a width and height"
    if max(box.x2, box.y2) <= 1 and box.area > 0:
        return "gives a box within the first pixel, perhaps in shares of the picture"
    return None


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
        table = read_table(path, ("class", "label"), as_text=True)
        return dict(table.select("class", "label").iter_rows())
    try:
        values = read_json(path) if path.suffix.lower() == ".json" else yaml_texts(path)
    except ValueError as error:
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
