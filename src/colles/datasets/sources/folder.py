"""A folder of images, a class a folder, as torchvision's ImageFolder reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from colles.core.errors import RecipeError
from colles.core.progress import say
from colles.core.records import Radiograph
from colles.core.walk import is_hidden
from colles.datasets.sources.base import SUBSET_FOLDERS, Source, base_name, guess_label, mapped_label, tells_class
from colles.datasets.sources.files import image_files
from colles.datasets.sources.headers import HeaderIds

_TABLES = (".csv", ".tsv", ".parquet", ".xlsx", ".xls", ".ods")


class Folder(Source):
    """Images whose folder is their label; train, val and test above the classes are kept as the given split.

    Of DICOM files patient and study are read from the header, and kept as a dicom source keeps them.
    """

    kind = "folder"

    def radiographs(self) -> Iterator[Radiograph]:
        """Yield a row a file; the nearest folder whose name has a meaning is the class."""
        files = image_files(self.root)
        self._say_tables()
        self._assert_meanings(files)
        headers = HeaderIds(self.salt)
        for path in files:
            image_id = self.image_id(path)
            folders = path.relative_to(self.root).parts[:-1]
            base = base_name(path)
            group = f"{self.name}:{base}" if base != path.stem else image_id
            ids: dict[str, Any] = {"group_id": group, **headers.of(path)}
            yield Radiograph(
                image_id=image_id,
                source=self.name,
                path=str(path),
                label=self._label(path, folders),
                base_name=base,
                given_split=SUBSET_FOLDERS.get(folders[0].lower()) if folders else None,
                **ids,
            )

    def files(self) -> list[Path]:
        """List the folder's files; where DICOM files are among them, make the salt of their patients."""
        found = super().files()
        HeaderIds(self.salt).prepare(found)
        return found

    def _say_tables(self) -> None:
        # Who lays a table of labels or patients beside the pictures takes it for read.
        beside = (path for pattern in ("*.*", "*/*.*") for path in self.root.glob(pattern))
        tables = [str(path.relative_to(self.root)) for path in sorted(filter(_is_table, beside))]
        if tables:
            shown = _some(tables, 3)
            say(f"{self.root}: {shown} not read for labels or patients; such a table is a source itself: csv=TABLE")

    def _label(self, path: Path, folders: tuple[str, ...]) -> int | None:
        place = self._place(folders)
        if place is not None:
            return self._meaning(folders[place])
        return (
            None if self.class_map is None else mapped_label(folders[-1] if folders else "", self.class_map, path=path)
        )

    def _place(self, folders: tuple[str, ...]) -> int | None:
        """Return which folder is the class: the innermost that the class map knows, or whose name tells."""
        known = tells_class if self.class_map is None else self.class_map.__contains__
        return max((place for place, name in enumerate(folders) if known(name)), default=None)

    def _meaning(self, name: str) -> int | None:
        return guess_label(name) if self.class_map is None else self.class_map.get(name)

    def _assert_meanings(self, files: list[Path]) -> None:
        folders = list(dict.fromkeys(path.relative_to(self.root).parts[:-1] for path in files))
        places = {parts: self._place(parts) for parts in folders}
        unknown = ["/".join(parts) or "." for parts in folders if self._label_unknown(parts, places[parts])]
        if unknown:
            shown = _some([repr(name) for name in unknown], 8)
            repair = (
                "Name the folders fractured and normal, give a class map (a line a folder, name: 1 or 0), "
                "or a table of path and label: csv=TABLE"
            )
            raise RecipeError(f"cannot tell what the folders {shown} mean", path=self.root, repair=repair)
        used = {parts[: place + 1] for parts, place in places.items() if place is not None}
        for parts, place in places.items():
            if place is not None:
                self._assert_one_meaning(parts, place, used)

    def _label_unknown(self, parts: tuple[str, ...], place: int | None) -> bool:
        return self.class_map is None and (place is None or guess_label(parts[place]) is None)

    def _assert_one_meaning(self, parts: tuple[str, ...], place: int, used: set[tuple[str, ...]]) -> None:
        # A folder that holds both classes may be called fracture_data; one that is a class itself holds no other.
        own, plain = self._meaning(parts[place]), not tells_class(parts[place])
        for outer in range(place):
            meaning = self._meaning(parts[outer])
            if {own, meaning} == {0, 1} and (plain or parts[: outer + 1] in used):
                repair = f"Rename {parts[outer]!r} or {parts[place]!r}, or give a class map that knows one of them"
                text = f"the folder {'/'.join(parts)!r} says {meaning} and {own}"
                raise RecipeError(text, path=self.root, repair=repair)


def _is_table(path: Path) -> bool:
    # ~$….xlsx is the lock of a table that is open
    return path.suffix.lower() in _TABLES and not is_hidden(path.name) and not path.name.startswith("~$")


def _some(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
