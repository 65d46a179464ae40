"""One radiograph, study or patient on several sides of a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import polars as pl

from colles.core.identity import KEYS, with_keys
from colles.core.records import Issue


@dataclass(frozen=True)
class Leak:
    """A unit whose images lie in several subsets."""

    unit: str
    """`duplicate`, `patient`, `study`, `base name`, `group` or `joined group`."""
    images: tuple[str, ...]
    sides: tuple[str, ...]
    detail: str

    def issue(self, split: str) -> Issue:
        """Describe the leak; `split` names the division that leaks."""
        return Issue(kind="split_leak", severity="error", images=self.images, detail=f"{self.detail} of {split}")


_UNITS = (("patient", "patient_id"), ("study", "study_id"), ("base name", "base_name"), ("group", "group_id"))


def find_leaks(
    frame: pl.DataFrame, clusters: Iterable[Iterable[str]], sides: Mapping[str, str | None]
) -> Iterator[Leak]:
    """Yield every unit that lies on several sides, each set of images once.

    `sides` gives the subset of each image_id; images without one take no part.
    """
    rows = with_keys(frame).filter(
        pl.col("image_id").is_in([image for image, side in sides.items() if side is not None])
    )
    reported: set[tuple[str, ...]] = set()
    for unit, name, ids in [*_clusters(clusters, sides), *_keyed(rows)]:
        found = sorted({str(sides[image]) for image in ids})
        if len(found) > 1 and ids not in reported:
            reported.add(ids)
            detail = f"{unit.capitalize()} {name} lies in {', '.join(found)}"
            yield Leak(unit, ids, tuple(found), detail)


def joined_leaks(groups: pl.DataFrame, sides: Mapping[str, str | None], known: Sequence[Leak]) -> Iterator[Leak]:
    """Yield the groups (image_id, group_id: kin and copies joined) on a side that no `known` leak inside them names.

    Such images are linked by one that has no side: a copy of the one, of the same patient as the other.
    """
    told: dict[str, set[str]] = {}
    for leak in known:
        for image in leak.images:
            told.setdefault(image, set()).update(leak.sides)
    for name, members in groups.group_by("group_id").agg("image_id").sort("group_id").iter_rows():
        ids = tuple(sorted(image for image in members if sides.get(image) is not None))
        found = sorted({str(sides[image]) for image in ids})
        if len(found) > 1 and not set(found) <= set().union(*(told.get(image, ()) for image in ids)):
            yield Leak("joined group", ids, tuple(found), f"Joined group {name} lies in {', '.join(found)}")


def _clusters(
    clusters: Iterable[Iterable[str]], sides: Mapping[str, str | None]
) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for cluster in clusters:
        ids = tuple(sorted(image for image in cluster if sides.get(image) is not None))
        if ids:
            yield "duplicate", ids[0], ids


def _keyed(rows: pl.DataFrame) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    named = pl.col("source").unique().sort().str.join(", ")
    for unit, column in _UNITS:
        key = KEYS.get(column, column)
        known = rows.filter(pl.col(key).is_not_null()).group_by(key)
        found = known.agg(pl.col(column).first().alias("name"), named, "image_id").sort(key)
        for name, sources, ids in found.select("name", "source", "image_id").iter_rows():
            yield unit, f"{name} ({sources})", tuple(sorted(ids))


def leak_counts(leaks: Iterable[Leak]) -> dict[str, Any]:
    """Count leaks by unit and by pair of sides (`matrix`: `train|val` → units that lie in both)."""
    found = list(leaks)
    units = Counter(leak.unit for leak in found)
    matrix = Counter("|".join(pair) for leak in found for pair in combinations(leak.sides, 2))
    images = len({image for leak in found for image in leak.images})
    return {
        "n": len(found),
        "images": images,
        "units": dict(sorted(units.items())),
        "matrix": dict(sorted(matrix.items())),
    }
