"""Which images must stay on one side of a split: patients, studies, base names, neighbouring files, copies.

Copies chain such units into giants; a bridge that would make one too large is taken down instead: one copy stays and
the others are set aside.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import polars as pl

from colles.datasets.audit.groups import Groups

_NUMBERED = re.compile(r"^(.*?)(\d+)$")
_LEAST_GROUPS = 20  # fewer cannot fill three subsets evenly: blocks shrink in a small set


@dataclass(frozen=True)
class Grouping:
    """Groups of the usable images."""

    group: dict[str, str]
    """image_id → name of its group; images set aside are not in it."""
    bridges: tuple[str, ...]
    """image_ids set aside because they would join groups into one that is too large."""
    block: int
    """Neighbouring file numbers that were kept together; less than asked for in a small set."""


def copy_sets(frame: pl.DataFrame, clusters: pl.DataFrame | None) -> dict[str, str]:
    """Return image_id → name of its set of copies, for the images that have copies.

    Takes the column `copy_id` where `clusters` has it; else a cluster that joins several of the catalog's groups.
    """
    if clusters is None:
        return {}
    if "copy_id" in clusters.columns:
        known = clusters.filter(pl.col("copy_id").is_not_null())
        return dict(known.select("image_id", "copy_id").iter_rows())
    own = frame.select("image_id", pl.col("group_id").fill_null(pl.col("image_id")).alias("own"))
    rows = clusters.join(own, on="image_id")
    joining = rows.group_by("group_id").agg(pl.col("own").n_unique()).filter(pl.col("own") > 1)["group_id"]
    return dict(rows.filter(pl.col("group_id").is_in(joining.to_list())).select("image_id", "group_id").iter_rows())


def block_name(row: Mapping[str, str | None], block: int) -> str | None:
    """Return the block of neighbouring file numbers of a row that the catalog gives no group, else None.

    Blocks begin at multiples of `block`, so files that are added later change no block.
    """
    grouped = row["patient_id"] or row["study_id"] or row["group_id"] not in (None, row["image_id"])
    if grouped:
        return None
    match = _NUMBERED.match(PurePosixPath(str(row["image_id"])).stem)
    if match is None:
        return None
    prefix, digits = match.groups()
    first = int(digits) // block * block
    return f"{row['source']}/{prefix}{first:0{len(digits)}d}+{block}"


def unit_of(frame: pl.DataFrame, block: int) -> dict[str, str]:
    """Return image_id → block or group of the catalog, duplicates not yet joined."""
    columns = ("image_id", "source", "group_id", "patient_id", "study_id", "base_name")
    units: dict[str, str] = {}
    joined: Groups[str] = Groups()
    for row in frame.sort("image_id").select(columns).iter_rows(named=True):
        image = row["image_id"]
        units[image] = block_name(row, block) or row["group_id"] or image
        joined.find(units[image])
        for column in ("patient_id", "study_id", "base_name"):
            if row[column] is not None:
                joined.join(units[image], f"{column}:{row['source']}:{row[column]}")
    names = _names(joined, set(units.values()))
    return {image: names[unit] for image, unit in units.items()}


def _names(joined: Groups[str], units: set[str]) -> dict[str, str]:
    found = ([member for member in members if member in units] for members in joined.sets())
    return {member: min(members) for members in found for member in members}


def group_images(
    frame: pl.DataFrame, copies: Mapping[str, str], *, block: int, max_share: float, least: int = _LEAST_GROUPS
) -> Grouping:
    """Group the usable images of `frame`; no group grows above `max_share` of them by joining copies.

    A patient or block that is larger by itself stays whole: cutting it would be a leak.
    """
    units, block = _units_enough(frame, block, least)
    size = Counter(units.values())
    room = max(int(max_share * len(frame)), max(size.values(), default=1))
    sets: dict[str, list[str]] = {}
    for image in sorted(units):
        if image in copies:
            sets.setdefault(copies[image], []).append(image)
    joined: Groups[str] = Groups(sorted(size))
    bridges: list[str] = []
    for name in sorted(sets):
        roots = sorted({joined.find(units[image]) for image in sets[name]})
        if sum(size[root] for root in roots) <= room:
            total = sum(size[root] for root in roots)
            joined.join_all(roots)
            size[joined.find(roots[0])] = total
            continue
        kept = joined.find(units[sets[name][0]])
        aside = [image for image in sets[name] if joined.find(units[image]) != kept]
        size.subtract(joined.find(units[image]) for image in aside)
        bridges += aside
    names = {member: min(members) for members in joined.sets() for member in members}
    gone = set(bridges)
    group = {image: names[unit] for image, unit in units.items() if image not in gone}
    return Grouping(group, tuple(sorted(gone)), block)


def _units_enough(frame: pl.DataFrame, block: int, least: int) -> tuple[dict[str, str], int]:
    while True:
        units = unit_of(frame, block)
        if block == 1 or len(set(units.values())) >= min(least, len(frame)):
            return units, block
        block -= 1
