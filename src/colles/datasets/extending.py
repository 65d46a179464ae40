"""Groups of a catalog that has grown since it was split: images of the kept split stay on their side.

Images are taken one by one, those of the kept split first. A new one joins whatever it is linked to (patient, study,
base name, copies, block of file numbers); where that lies on two sides of the kept split, the new image is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from colles.core.identity import KEYS, with_keys
from colles.datasets.grouping import Grouping, block_name
from colles.datasets.persons import person_folders
from colles.datasets.union_find import Groups

_Unit = tuple[str, ...]
BRIDGE = "would join images that the kept split has on two sides"
TOO_LARGE = "copies that would make one group too large"


@dataclass(frozen=True)
class Extension:
    """Groups of all usable images that can be kept apart, with the sides that are already taken."""

    grouping: Grouping
    fixed: dict[str, str]
    """group → subset, for groups that hold images of the kept split."""
    left_out: dict[str, str]
    """image_id → why a new image takes no part."""
    contested: tuple[str, ...]
    """Links between kept images on different sides: leaks of the kept split, or made by an image that is left out."""


def extend_groups(
    frame: pl.DataFrame,
    usable: set[str],
    copies: Mapping[str, str],
    kept: Mapping[str, tuple[str, str]],
    *,
    block: int,
    persons: bool,
    max_share: float,
) -> Extension:
    """Group the `usable` images of `frame` around those of the kept split.

    `kept` gives group and subset of each of its images; `block` and `persons` are those that it was made with
    (`group_images`). A group of several kept ones takes the first name. No joining of new images makes a group larger
    than `max_share` of all.
    """
    draft = _Draft(kept, usable, room=max(1, int(max_share * len(usable))))
    rows, folders = with_keys(frame.sort("image_id")).to_dicts(), person_folders(frame) if persons else {}
    links = {row["image_id"]: list(_units(row, copies, block, folders)) for row in rows}
    for image in links:
        if image in kept:
            draft.keep(image, links[image])
    for kin in draft.kin({image: units for image, units in links.items() if image not in kept}):
        draft.take({image: links[image] for image in kin})
    names = draft.names()
    group = {image: names[root] for image, root in draft.roots() if image in usable}
    fixed = {name: draft.side[root] for root, name in names.items() if root in draft.side}
    left_out = {image: why for image, why in draft.left_out.items() if image in usable}
    grouping = Grouping(group, tuple(sorted(left_out)), block, persons)
    return Extension(grouping, fixed, left_out, tuple(sorted(draft.contested.values())))


def _units(
    row: Mapping[str, Any], copies: Mapping[str, str], block: int, persons: Mapping[str, str]
) -> Iterator[_Unit]:
    image = row["image_id"]
    yield "own", row["group_id"] or image
    for column, key in KEYS.items():
        if row[column] is not None:
            yield column, row[key], row[column]
    if image in copies:
        yield "copies", copies[image]
    neighbours = block_name(row, block, persons)
    if neighbours is not None:
        yield "block", neighbours


@dataclass
class _Draft:
    kept: Mapping[str, tuple[str, str]]
    usable: set[str]
    room: int
    joined: Groups[_Unit] = field(default_factory=Groups)
    side: dict[_Unit, str] = field(default_factory=dict)
    size: dict[_Unit, int] = field(default_factory=dict)
    name: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    contested: dict[_Unit, str] = field(default_factory=dict)

    def keep(self, image: str, units: list[_Unit]) -> None:
        """Put an image of the kept split where it was."""
        node = self._node(image)
        self.side[node] = self.kept[image][1]
        for unit in units:
            self._link_kept(node, unit)

    def kin(self, links: Mapping[str, list[_Unit]]) -> list[list[str]]:
        """Return new images in sets that are of one radiograph or person, where no kept image tells its side.

        Neighbouring file numbers are no such link.
        """
        found: Groups[_Unit] = Groups()
        for image, units in links.items():
            found.find(("image", image))
            for unit in units:
                if unit[0] != "block" and self.joined.find(unit) not in self.side:
                    found.join(("image", image), unit)
        sets: dict[_Unit, list[str]] = {}
        for image in links:
            sets.setdefault(found.find(("image", image)), []).append(image)
        return list(sets.values())

    def take(self, kin: Mapping[str, list[_Unit]]) -> None:
        """Put kin among the new images into the groups that they are linked to, or leave them all out."""
        units = [unit for each in kin.values() for unit in each]
        roots = {self.joined.find(unit) for unit in units}
        if len({self.side[root] for root in roots if root in self.side}) > 1 or not self.contested.keys().isdisjoint(
            units
        ):
            self.left_out.update(dict.fromkeys(kin, BRIDGE))
            return
        for image, own in kin.items():
            self._add(image, own)

    def _add(self, image: str, units: list[_Unit]) -> None:
        node = self._node(image)
        roots = dict.fromkeys(self.joined.find(unit) for unit in units)
        if sum(self.size.get(root, 0) > 0 for root in roots) > 1 and self._total(roots) >= self.room:
            self.left_out[image] = TOO_LARGE
            return
        self.name[image] = next((u[1] for u in units if u[0] == "block"), units[0][1])
        for unit in units:
            self._join(node, unit)

    def _node(self, image: str) -> _Unit:
        node = ("image", image)
        self.joined.find(node)
        self.size[node] = int(image in self.usable)
        return node

    def _link_kept(self, node: _Unit, unit: _Unit) -> None:
        one, other = self.joined.find(node), self.joined.find(unit)
        if other in self.side and self.side[one] != self.side[other]:
            self.contested[unit] = f"{unit[0].replace('_', ' ')} {unit[-1]}"
        elif unit not in self.contested:
            self._join(node, unit)

    def _join(self, node: _Unit, unit: _Unit) -> None:
        one, other = self.joined.find(node), self.joined.find(unit)
        if one == other:
            return
        size = self.size.get(one, 0) + self.size.get(other, 0)
        side = self.side.get(one) or self.side.get(other)
        self.joined.join(one, other)
        root = self.joined.find(one)
        self.size[root] = size
        if side is not None:
            self.side[root] = side

    def _total(self, roots: Mapping[_Unit, None]) -> int:
        return sum(self.size.get(root, 0) for root in roots)

    def roots(self) -> Iterator[tuple[str, _Unit]]:
        """Yield image_id and root of every image that takes part."""
        for image in (*self.kept, *self.name):
            node = ("image", image)
            if node in self.size:
                yield image, self.joined.find(node)

    def names(self) -> dict[_Unit, str]:
        """Name each group after the kept split's group in it, else after its first block or own group."""
        old: dict[_Unit, str] = {}
        new: dict[_Unit, str] = {}
        for image, root in self.roots():
            name, table = (self.kept[image][0], old) if image in self.kept else (self.name[image], new)
            table[root] = min(table.get(root, name), name)
        taken = set(old.values())
        fresh = {root: f"{name} (new)" if name in taken else name for root, name in new.items() if root not in old}
        return {**fresh, **old}
