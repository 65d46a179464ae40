"""Sources of radiographs by kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from colles.core.errors import UsageError
from colles.core.names import suggest
from colles.datasets.sources.base import Frame, Source, read_class_map
from colles.datasets.sources.csv_table import CsvTable
from colles.datasets.sources.dicom import Dicom
from colles.datasets.sources.folder import Folder
from colles.datasets.sources.fracatlas import FracAtlas
from colles.datasets.sources.yolo import Yolo

SOURCES: dict[str, type[Source]] = {
    "fracatlas": FracAtlas,
    "yolo": Yolo,
    "folder": Folder,
    "csv": CsvTable,
    "dicom": Dicom,
}

__all__ = ["SOURCES", "Frame", "Source", "create_source", "parse_source", "read_class_map"]


def create_source(
    kind: str,
    root: str | Path,
    name: str | None = None,
    class_map: Mapping[str, int | None] | str | Path | None = None,
    boxes_on: Frame = "displayed",
    salt: str | Path | None = None,
) -> Source:
    """Open a source by kind; raise `UsageError` with the nearest known kind.

    `salt` is the file that the names of a dicom source's patients are made with; others do not read it.
    """
    if kind not in SOURCES:
        repair = suggest(kind, SOURCES, f"Known kinds: {', '.join(SOURCES)}")
        raise UsageError(f"unknown kind of source {kind!r}", repair=repair)
    return SOURCES[kind](root, name=name, class_map=read_class_map(class_map), boxes_on=boxes_on, salt=salt)


def parse_source(
    text: str,
    class_map: Mapping[str, int | None] | str | Path | None = None,
    boxes_on: Frame = "displayed",
    salt: str | Path | None = None,
) -> Source:
    """Open a source given as `KIND[:NAME]=PATH`."""
    described, equals, path = text.partition("=")
    kind, _, name = described.partition(":")
    if not equals or not kind or not path:
        raise UsageError(f"--source {text!r} is not KIND[:NAME]=PATH", repair="For example --source folder=my_images")
    return create_source(kind, path, name=name or None, class_map=class_map, boxes_on=boxes_on, salt=salt)
