"""Find copies of one radiograph: equal files, equal pixels, and pictures that look alike after a turn or a change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from colles.core.recipe import AuditRecipe
from colles.core.records import Issue
from colles.datasets.audit.canvases import Details, hash_files
from colles.datasets.audit.confirm import correlation
from colles.datasets.audit.groups import Groups
from colles.datasets.audit.hashes import ORIENTATIONS, Candidate, near_pairs


@dataclass(frozen=True)
class Pair:
    """Two image_ids that show one radiograph."""

    first: str
    second: str
    transform: str
    correlation: float


@dataclass(frozen=True)
class Duplicates:
    """Copies among the readable images of a catalog."""

    exact: tuple[tuple[str, ...], ...]
    """Sets of image_ids with equal bytes or equal pixels."""
    near: tuple[Pair, ...]
    """Confirmed pairs that are not exact copies."""
    candidates: int
    """Pairs whose hashes were near."""
    rejected: int
    """Candidates whose pixels did not agree."""
    flat: tuple[str, ...]
    """Blank images, compared by their digests alone."""

    @property
    def clusters(self) -> list[list[str]]:
        """Sets of at least two image_ids that show one radiograph, sorted."""
        joined: Groups[str] = Groups()
        for ids in self.exact:
            joined.join_all(ids)
        for pair in self.near:
            joined.join(pair.first, pair.second)
        return sorted(sorted(ids) for ids in joined.sets())

    def issues(self) -> Iterator[Issue]:
        """Describe every set of copies once for equal pixels and once for alike ones."""
        for ids in self.exact:
            detail = f"{len(ids)} files hold the same picture"
            yield Issue(kind="exact_duplicate", severity="warning", images=ids, detail=detail)
        alike: dict[str, list[Pair]] = {}
        home = {image: ids[0] for ids in self.clusters for image in ids}
        for pair in self.near:
            alike.setdefault(home[pair.first], []).append(pair)
        for pairs in alike.values():
            images = tuple(sorted({image for pair in pairs for image in (pair.first, pair.second)}))
            yield Issue(kind="near_duplicate", severity="warning", images=images, detail=_describe(pairs))


def _describe(pairs: list[Pair]) -> str:
    pair = min(pairs, key=lambda found: found.correlation)
    more = f" (the least alike of {len(pairs)} pairs)" if len(pairs) > 1 else ""
    return f"{pair.second}, {pair.transform}, agrees with {pair.first} at r = {pair.correlation:.3f}{more}"


def find_duplicates(frame: pl.DataFrame, recipe: AuditRecipe) -> Duplicates:
    """Compare every readable image with every other; pixels decide, hashes only propose.

    `frame` has the catalog's columns. Rows that share a base name are grouped by it and not compared.
    """
    rows = frame.filter(pl.col("status") == "ok").sort("image_id")
    ids = rows["image_id"].to_list()
    exact = _equal(rows)
    hashes = hash_files(rows["path"].to_list())
    seen = [index for index, value in enumerate(hashes) if value is not None]
    stacked = np.array([hashes[index] for index in seen], dtype=np.uint64).reshape(len(seen), len(ORIENTATIONS), 4)
    known = _known_copies(rows, exact)
    near, candidates, rejected = [], 0, 0
    details = Details([rows["path"][index] for index in seen])
    for candidate in near_pairs(stacked, recipe.hash_distance):
        first, second = ids[seen[candidate.first]], ids[seen[candidate.second]]
        if known.joined(first, second):
            continue
        candidates += 1
        value = _agreement(details, candidate)
        if value >= recipe.min_correlation:
            near.append(Pair(first, second, candidate.transform, value))
        else:
            rejected += 1
    flat = tuple(ids[index] for index in sorted(set(range(len(ids))) - set(seen)))
    return Duplicates(tuple(map(tuple, exact)), tuple(near), candidates, rejected, flat)


def _agreement(details: Details, candidate: Candidate) -> float:
    turned = details.turned(candidate.second, candidate.orientation, candidate.inverted)
    return correlation(details.upright(candidate.first), turned)


def _equal(rows: pl.DataFrame) -> list[list[str]]:
    joined: Groups[str] = Groups()
    for column in ("sha256", "pixel_sha256"):
        for ids in rows.filter(pl.col(column).is_not_null()).group_by(column).agg("image_id")["image_id"].to_list():
            joined.join_all(ids)
    return sorted(sorted(ids) for ids in joined.sets() if len(ids) > 1)


def _known_copies(rows: pl.DataFrame, exact: list[list[str]]) -> Groups[str]:
    known: Groups[str] = Groups()
    for ids in exact:
        known.join_all(ids)
    named = rows.filter(pl.col("base_name").is_not_null())
    for copies in named.group_by("source", "base_name").agg("image_id")["image_id"].to_list():
        known.join_all(copies)
    return known
