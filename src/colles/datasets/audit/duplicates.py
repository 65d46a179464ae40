"""Find copies of one radiograph: equal files, equal pixels, and pictures that look alike after a turn or a change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from colles.core.machine import usable_cpus
from colles.core.progress import track
from colles.core.recipe import AuditRecipe
from colles.core.records import Issue
from colles.datasets.audit.candidates import Suspicion, chosen_embeddings, suspect
from colles.datasets.audit.canvases import Pictures, describe_files
from colles.datasets.audit.pairing import Verdict, judge
from colles.datasets.exact import exact_copies
from colles.datasets.naming import joined_copies
from colles.datasets.union_find import Groups

_BATCH = 64  # pairs judged side by side; a pair whose pictures were joined meanwhile is not looked at

Embeddings = Mapping[str, npt.NDArray[np.float32]]
"""image_id → features of a network, all of one length."""


@dataclass(frozen=True)
class Pair:
    """Two image_ids that show one radiograph, in the order of the files' digests."""

    first: str
    second: str
    transform: str
    """What was done to the second, in words."""
    correlation: float
    """Of the fine structure of the median block, once one lies on the other."""
    found_by: tuple[str, ...] = ()
    """Which of hash, layout, spectrum and embedding proposed the pair."""


@dataclass(frozen=True)
class Duplicates:
    """Copies among the readable images of a catalog."""

    exact: tuple[tuple[str, ...], ...]
    """Sets of image_ids with equal bytes or equal pixels."""
    near: tuple[Pair, ...]
    """Confirmed pairs that are not exact copies."""
    candidates: int
    """Pairs that looked alike and were laid on each other."""
    rejected: int
    """Candidates whose pixels did not agree."""
    flat: tuple[str, ...]
    """Blank images and those of a few pixels, compared by their digests alone."""
    methods: tuple[str, ...] = ()
    """What proposed pairs."""

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


def find_duplicates(frame: pl.DataFrame, recipe: AuditRecipe, embeddings: Embeddings | None = None) -> Duplicates:
    """Compare every readable image with every other; pixels decide, descriptions only propose.

    `frame` has the catalog's columns. Rows that share a base name are grouped by it and not compared. `embeddings`
    help to find copies changed in several ways at once.
    """
    # By content, so that what is learned from every n-th picture does not hang on names and places.
    rows = frame.filter(pl.col("status") == "ok").sort("sha256", "image_id")
    ids, paths = rows["image_id"].to_list(), rows["path"].to_list()
    exact = exact_copies(rows)
    seen = describe_files(paths, rows["sha256"])
    shown = [ids[index] for index in seen.index.tolist()]
    vectors = None if embeddings is None else chosen_embeddings(shown, embeddings)
    kin = _kin_numbers(shown, joined_copies(rows, exact))
    suspicions = suspect(seen, kin, hash_distance=recipe.hash_distance, embeddings=vectors).ordered()
    near, looked_at = _confirm(suspicions, Pictures(paths, seen), shown, kin, recipe.min_correlation)
    flat = tuple(sorted(ids[index] for index in set(range(len(ids))) - set(seen.index.tolist())))
    methods = ("hash", "layout", "spectrum", *(() if vectors is None else ("embedding",)))
    exact_sets = tuple(map(tuple, exact))
    return Duplicates(exact_sets, tuple(near), looked_at, looked_at - len(near), flat, methods)


def _confirm(
    suspicions: list[Suspicion], pictures: Pictures, ids: list[str], kin: npt.NDArray[np.int64], least: float
) -> tuple[list[Pair], int]:
    # Pairs in order of suspicion; what is joined already needs no second proof.
    joined: Groups[int] = Groups(kin.tolist())
    near: list[Pair] = []
    looked_at = 0
    with ThreadPoolExecutor(usable_cpus()) as pool:
        for start in track(range(0, len(suspicions), _BATCH), "Comparing"):
            batch = [
                pair
                for pair in suspicions[start : start + _BATCH]
                if not joined.joined(int(kin[pair.first]), int(kin[pair.second]))
            ]
            looked_at += len(batch)
            judged = pool.map(lambda pair: judge(pair, pictures, least), batch)
            for pair, verdict in zip(batch, judged, strict=True):
                if verdict is not None:
                    joined.join(int(kin[pair.first]), int(kin[pair.second]))
                    near.append(_pair(pair, verdict, ids))
    return near, looked_at


def _pair(pair: Suspicion, verdict: Verdict, ids: list[str]) -> Pair:
    found_by = tuple(sorted(pair.found_by))
    return Pair(ids[pair.first], ids[pair.second], verdict.words, verdict.agreement.median, found_by)


def _kin_numbers(shown: list[str], known: Groups[str]) -> npt.NDArray[np.int64]:
    # A number for each set of images that belong together already.
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(known.find(image), len(numbers)) for image in shown], np.int64)
