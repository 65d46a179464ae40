"""Organize: catalog and split → merged folders that a person, a YOLO trainer and ImageFolder can read.

Under the root: `combined` (images, YOLO labels, data.yaml), `combined_organized` (subset, then class) and
`manifest.csv`, which says where every file came from. The originals are linked or copied, never moved or changed.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import yaml

from colles.core.errors import MissingInputError, OutputExistsError, StaleInputError, UsageError
from colles.core.files import remove, storage_errors, write_text
from colles.core.progress import say, track
from colles.core.records import Radiograph
from colles.core.tables import write_table
from colles.datasets.catalog import Catalog
from colles.datasets.linking import Link, Linker
from colles.datasets.merged import class_names, label_text, merged_names
from colles.datasets.split import Split

CLASS_FOLDERS = {1: "fractured", 0: "non_fractured"}
MANIFEST_COLUMNS = ("image_id", "path", "combined", "organized", "subset", "label", "sha256")
_ALWAYS = ("train", "val", "test")
_PARTS = ("combined", "combined_organized", "manifest.csv")
_PARTIAL = ".organize.partial"
_COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Member:
    """One image of the merged set."""

    row: Radiograph
    name: str
    """File name in combined/images; unique, its stem too."""
    subset: str | None
    """None where the split leaves the image out."""

    @property
    def combined(self) -> str:
        """Path of the file in the merged set, relative to the root."""
        return f"combined/images/{self.name}"

    @property
    def organized(self) -> str | None:
        """Path of the file below its subset and class, relative to the root."""
        if self.subset is None or self.row.label is None:
            return None
        return f"combined_organized/{self.subset}/{CLASS_FOLDERS[self.row.label]}/{self.name}"


def organize(catalog: Catalog, split: Split, root: str | Path, *, link: Link = "hard", rebuild: bool = False) -> Path:
    """Lay out every readable image of the catalog in `combined`, those of the split in `combined_organized` too.

    `link` is `hard` (falls back to a copy where the disk differs), `sym` or `copy`; a hard link is the original under
    another name, so take copies to edit. `rebuild` replaces what an earlier call made, and nothing else in the root.
    The tree is built aside and then put in place; after an interrupt, run again. Raise `StaleInputError` where the
    split or the files belong to another catalog, `OutputExistsError`, `MissingInputError` or `StorageError`.
    """
    split.assert_matches(catalog)
    folder = Path(root).expanduser().absolute()
    partial = folder / _PARTIAL
    with storage_errors(folder):
        # Killed while putting parts in place: finish that first, then the whole may be made again.
        interrupted = (partial / _COMPLETE).is_file()
        if interrupted:
            _put_in_place(partial, folder)
        members = plan(catalog, split)
        _assert_free(folder, rebuild or interrupted)
        _assert_originals(members, folder)
        _build_aside(members, partial, link)
        _put_in_place(partial, folder)
    return Path(root)


def plan(catalog: Catalog, split: Split) -> list[Member]:
    """Return the images of the merged set in order of image_id: all that can be decoded, whatever their label."""
    subsets: dict[str, str] = dict(split.frame.select("image_id", "subset").iter_rows())
    rows = sorted(catalog.where(pl.col("status") == "ok").rows(), key=lambda row: row.image_id)
    if not rows:
        raise MissingInputError("the catalog holds no readable image", repair="See its columns status and reason")
    names = merged_names([(row.image_id, row.source, row.file_format) for row in rows])
    return [Member(row, names[row.image_id], subsets.get(row.image_id)) for row in rows]


def _assert_free(root: Path, rebuild: bool) -> None:
    if root.is_file():
        raise OutputExistsError("is a file, not a folder", path=root, repair="Choose another --out")
    present = [root / part for part in _PARTS if (root / part).exists()]
    if present and not rebuild:
        repair = "Add --rebuild to make it again, or choose another --out"
        raise OutputExistsError("already exists and is kept", path=present[0], repair=repair)
    if present and not _is_ours(root / "manifest.csv"):
        repair = "Move it away, or choose another --out"
        raise OutputExistsError("was not made by `colles organize` and is kept", path=present[0], repair=repair)


def _is_ours(manifest: Path) -> bool:
    if not manifest.is_file():
        return False
    with manifest.open(encoding="utf-8", errors="replace", newline="") as stream:
        return tuple(next(csv.reader(stream), ())) == MANIFEST_COLUMNS


def _assert_originals(members: Sequence[Member], root: Path) -> None:
    made = [(root / part).resolve() for part in _PARTS]
    for member in members:
        path = Path(member.row.path)
        if not path.is_file():
            raise MissingInputError("the image is gone", path=path, repair="Run `colles catalog` again")
        # The file, and the link to it where the path is one: neither may lie there, whatever folders are links.
        places = (path.resolve(), path.parent.resolve())
        if any(place.is_relative_to(part) for place in places for part in made):
            repair = "Choose another --out: a rebuild would replace the originals"
            raise UsageError("the catalog's images lie in the folders to be made", path=path, repair=repair)
        if member.row.file_bytes is not None and path.stat().st_size != member.row.file_bytes:
            repair = "Run `colles catalog` again"
            raise StaleInputError("the image has changed since it was catalogued", path=path, repair=repair)


def _build_aside(members: Sequence[Member], partial: Path, link: Link) -> None:
    fresh = not partial.parent.exists()
    remove(partial)
    try:
        _make_folders(members, partial)
        _write_labels(members, partial / "combined")
        linker = Linker(link)
        for member in track(members, "organize", total=len(members)):
            _place(member, partial, linker)
        _write_manifest(members, partial)
    except BaseException:
        remove(partial)
        if fresh:
            remove(partial.parent)
        raise
    write_text(partial / _COMPLETE, "")


def _make_folders(members: Sequence[Member], partial: Path) -> None:
    subsets = dict.fromkeys([*_ALWAYS, *(member.subset for member in members if member.subset)])
    for name in ("images", "labels"):
        (partial / "combined" / name).mkdir(parents=True)
    for subset in subsets:
        for name in CLASS_FOLDERS.values():
            (partial / "combined_organized" / subset / name).mkdir(parents=True)


def _place(member: Member, partial: Path, linker: Linker) -> None:
    original = Path(member.row.path).resolve()
    combined = partial / member.combined
    linker.place(original, combined)
    if member.organized is not None:
        # From the merged file: where that is a copy, the second name costs no second copy.
        linker.place(combined if linker.how == "hard" else original, partial / member.organized)


def _write_labels(members: Sequence[Member], combined: Path) -> None:
    names = class_names(member.row for member in members)
    labelled = set()
    for member in members:
        text = label_text(member.row, names)
        if text is not None:
            (combined / "labels" / member.name).with_suffix(".txt").write_text(text, encoding="utf-8")
            labelled.add(member.name)
    boxless = sum(member.row.label == 1 and member.name not in labelled for member in members)
    if boxless:
        say(
            f"{boxless} fractured images have no box, so no YOLO label and no line in the lists (without a label they "
            "would count as normal); see manifest.csv"
        )
    for subset in _ALWAYS:
        # YOLO loaders take an image without a label file for background.
        listed = [f"./images/{m.name}\n" for m in members if m.subset == subset and m.name in labelled]
        (combined / f"{subset}.txt").write_text("".join(listed), encoding="utf-8")
    lists = {subset: f"{subset}.txt" for subset in _ALWAYS}
    # No `path`: YOLO trainers take a relative one from the working folder, and none as the folder of data.yaml.
    described = {**lists, "nc": len(names), "names": list(names)}
    (combined / "data.yaml").write_text(yaml.safe_dump(described, sort_keys=False, allow_unicode=True), "utf-8")


def _write_manifest(members: Sequence[Member], partial: Path) -> None:
    rows = [(m.row.image_id, m.row.path, m.combined, m.organized, m.subset, m.row.label, m.row.sha256) for m in members]
    schema = dict.fromkeys(MANIFEST_COLUMNS, pl.String()) | {"label": pl.Int8()}
    write_table(pl.DataFrame(rows, schema=schema, orient="row"), partial / "manifest.csv")


def _put_in_place(partial: Path, root: Path) -> None:
    for part in _PARTS:
        if not (partial / part).exists():
            continue
        if (root / part).exists():
            remove(partial / f"old.{part}")
            (root / part).rename(partial / f"old.{part}")
        (partial / part).rename(root / part)
    remove(partial)
