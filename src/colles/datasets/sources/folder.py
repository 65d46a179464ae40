"""A folder of images, a class a folder, as torchvision's ImageFolder reads it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from colles.core.errors import RecipeError
from colles.core.records import Radiograph
from colles.datasets.sources.base import SUBSET_FOLDERS, Source, guess_label, mapped_label
from colles.datasets.sources.files import image_files
from colles.datasets.sources.headers import HeaderIds


class Folder(Source):
    """Images whose folder is their label; train, val and test above the classes are kept as the given split.

    Of DICOM files patient and study are read from the header, and kept as a dicom source keeps them.
    """

    kind = "folder"

    def radiographs(self) -> Iterator[Radiograph]:
        """Yield a row a file; the nearest folder whose name has a meaning is the class."""
        files = image_files(self.root)
        self._assert_meanings(files)
        headers = HeaderIds(self.salt)
        for path in files:
            image_id = self.image_id(path)
            folders = path.relative_to(self.root).parts[:-1]
            base = path.stem.split(".rf.")[0]
            group = f"{self.name}:{base}" if ".rf." in path.stem else image_id
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

    def _label(self, path: Path, folders: tuple[str, ...]) -> int | None:
        if self.class_map is not None:
            for name in reversed(folders):
                if name in self.class_map:
                    return self.class_map[name]
            return mapped_label(folders[-1] if folders else "", self.class_map, path=path)
        return _guess(folders)

    def _assert_meanings(self, files: list[Path]) -> None:
        if self.class_map is not None:
            return
        folders = dict.fromkeys(path.relative_to(self.root).parts[:-1] for path in files)
        unknown = ["/".join(parts) or "." for parts in folders if _guess(parts) is None]
        if unknown:
            shown = ", ".join(map(repr, unknown[:8])) + (f" and {len(unknown) - 8} more" if len(unknown) > 8 else "")
            repair = "Name the folders fractured and normal, or give a class map: a line a folder, name: 1 or 0"
            raise RecipeError(f"cannot tell what the folders {shown} mean", path=self.root, repair=repair)


def _guess(folders: tuple[str, ...]) -> int | None:
    guesses = (guess_label(name) for name in reversed(folders))
    return next((guess for guess in guesses if guess is not None), None)
