"""Which images must stay on one side of a split: kin, and neighbouring files.

Kin are images of one patient, study or base name, and copies of one radiograph: they are never parted. Files without
patient, study or shared name are kept together by the folder of a person, else in blocks of neighbouring numbers.
Copies chain blocks into giants; where a group would grow too large, the copies in one block stay and those in the
others are set aside.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import polars as pl

from colles.core.identity import KEYS, with_keys
from colles.datasets.exact import exact_copies
from colles.datasets.persons import person_folders
from colles.datasets.union_find import Groups

_NUMBERED = re.compile(r"^(.*?)(\d+)\D*$")  # 0012_AP and 0012_LAT are neighbours as 0012 and 0013 are
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
    persons: bool
    """Whether folders that seem to be persons' were kept together."""


def copy_sets(frame: pl.DataFrame, clusters: pl.DataFrame | None) -> dict[str, str]:
    """Return image_id → name of its set of copies, for the images that have copies.

    Takes the column `copy_id` where `clusters` has it; else a cluster that joins several of the catalog's groups.
    Without clusters only files with equal bytes or pixels are known to be copies.
    """
    if clusters is None:
        return {image: f"copies of {images[0]}" for images in exact_copies(frame) for image in images}
    if "copy_id" in clusters.columns:
        known = clusters.filter(pl.col("copy_id").is_not_null())
        return dict(known.select("image_id", "copy_id").iter_rows())
    own = frame.select("image_id", pl.col("group_id").fill_null(pl.col("image_id")).alias("own"))
    rows = clusters.join(own, on="image_id")
    joining = rows.group_by("group_id").agg(pl.col("own").n_unique()).filter(pl.col("own") > 1)["group_id"]
    return dict(rows.filter(pl.col("group_id").is_in(joining.to_list())).select("image_id", "group_id").iter_rows())


def block_name(row: Mapping[str, str | None], block: int, persons: Mapping[str, str]) -> str | None:
    """Return the block of a row that the catalog gives no group, else None.

    It is the person's folder where `persons` (of `person_folders`) has one, else `block` neighbouring file numbers.
    These begin at multiples of `block`, so files that are added later change no block.
    """
    person = persons.get(str(row["image_id"]))
    if person is not None:
        return f"{row['source']}/{person}"
    grouped = row["patient_id"] or row["study_id"] or row["group_id"] not in (None, row["image_id"])
    match = _NUMBERED.match(PurePosixPath(str(row["image_id"])).stem)
    if grouped or match is None:
        return None
    prefix, digits = match.groups()
    first = int(digits) // block * block
    return f"{row['source']}/{prefix}{first:0{len(digits)}d}+{block}"


def kin_of(frame: pl.DataFrame, copies: Mapping[str, str]) -> dict[str, str]:
    """Return image_id → name of its kin: catalog group, patient, study, base name and copies joined."""
    own: dict[str, str] = {}
    joined: Groups[tuple[str, ...]] = Groups()
    rows = with_keys(frame.sort("image_id")).select("image_id", "group_id", *KEYS.values())
    for row in rows.iter_rows(named=True):
        image = row["image_id"]
        own[image] = row["group_id"] or image
        unit = ("own", own[image])
        joined.find(unit)
        for key in KEYS.values():
            if row[key] is not None:
                joined.join(unit, (key, row[key]))
        if image in copies:
            joined.join(unit, ("copies", copies[image]))
    names: dict[tuple[str, ...], str] = {}
    for members in joined.sets():
        units = [member for member in members if member[0] == "own"]
        if units:
            names |= dict.fromkeys(units, min(unit[1] for unit in units))
    return {image: names["own", unit] for image, unit in own.items()}


def group_images(
    frame: pl.DataFrame,
    usable: set[str],
    copies: Mapping[str, str],
    *,
    block: int,
    max_share: float,
    persons: bool,
) -> Grouping:
    """Group the `usable` images among the readable ones of `frame`; an image without a label still links others.

    No group grows above `max_share` of the usable images by joining blocks. Kin, or a block, that are larger by
    themselves stay whole: cutting them would be a leak. Without `persons` no folder is taken for a person's.
    """
    kin = kin_of(frame, copies)
    blocks, block = _blocks_enough(frame, usable, kin, block, person_folders(frame) if persons else {})
    draft = _Draft.of(kin, blocks, usable)
    draft.room = int(max_share * len(usable))
    families: dict[str, list[str]] = {}
    for image in sorted(kin):
        families.setdefault(kin[image], []).append(image)
    for name in sorted(families):
        draft.settle(families[name])
    groups = {image: draft.joined.find(node) for image, node in draft.node.items() if image not in draft.aside}
    names: dict[str, str] = {}
    for image in sorted(groups):
        if image in usable:
            names[groups[image]] = min(names.get(groups[image], draft.node[image]), draft.node[image])
    group = {image: names[root] for image, root in groups.items() if image in usable}
    return Grouping(group, tuple(sorted(draft.aside & usable)), block, persons)


@dataclass
class _Draft:
    # Groups while they grow. A node is a block, or the members of a family that lie in none.
    node: dict[str, str]
    blocks: Mapping[str, str]
    usable: set[str]
    size: Counter[str]
    room: int = 0
    joined: Groups[str] = field(default_factory=Groups)
    aside: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, kin: Mapping[str, str], blocks: Mapping[str, str], usable: set[str]) -> _Draft:
        node = {image: blocks.get(image, kin[image]) for image in kin}
        return cls(node, blocks, usable, Counter(node[image] for image in node if image in usable))

    def settle(self, family: list[str]) -> None:
        """Join the nodes of a family one after the other as long as there is room; set aside what does not fit."""
        nodes: dict[str, list[str]] = {}
        for image in family:
            nodes.setdefault(self.node[image], []).append(image)
        order = sorted(nodes, key=lambda node: (nodes[node][0] in self.blocks, self.usable.isdisjoint(nodes[node])))
        for node in order[1:]:
            one, other = self.joined.find(order[0]), self.joined.find(node)
            sizes = self.size[one], self.size[other]
            if one != other and min(sizes) > 0 and sum(sizes) > self.room:
                self.aside.update(nodes[node])
                self.size[other] -= len(self.usable.intersection(nodes[node]))
            elif one != other:
                self.joined.join(one, other)
                self.size[self.joined.find(one)] = sum(sizes)


def _blocks_enough(
    frame: pl.DataFrame, usable: set[str], kin: Mapping[str, str], block: int, persons: Mapping[str, str]
) -> tuple[dict[str, str], int]:
    rows = frame.select("image_id", "source", "group_id", "patient_id", "study_id").to_dicts()
    while True:
        named = {row["image_id"]: block_name(row, block, persons) for row in rows}
        blocks = {image: name for image, name in named.items() if name is not None}
        groups = {blocks.get(image, kin[image]) for image in usable}
        if block == 1 or blocks.keys() <= persons.keys() or len(groups) >= min(_LEAST_GROUPS, len(usable)):
            return blocks, block
        block -= 1
