"""Nearest neighbours among descriptions: which pairs of pictures are worth aligning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]

_FEW = 150  # pictures up to which every picture's nearest neighbours are looked at, however far they are
_LARGE = 50_000  # pictures from which the index is searched by cells
_COMMON = 60  # the neighbour whose cosine is what strangers of a picture reach
_ROWS = 256  # pictures compared with all at once: 256 × 50,000 cosines are 50 MB
_LEARNED = 5000  # descriptions that directions are learned from
_FLOOR = 0.01  # directions weaker than this share of the strongest are not blown up


@dataclass(frozen=True)
class Whitening:
    """Directions in which descriptions differ, weighed so that common ones count less."""

    mean: Floats
    weights: Floats
    """(D, k)."""

    @classmethod
    def learn(cls, values: Floats, *, size: int, power: float, centred: bool = True) -> Whitening:
        """Learn from descriptions (N, D), of which every n-th is taken; keep at most `size` directions."""
        some = values[:: max(1, len(values) // _LEARNED)]
        mean = some.mean(0) if centred else np.zeros(values.shape[1], np.float32)
        strength, directions = _main_directions(some - mean)
        kept = min(size, int((strength > 1e-4 * max(float(strength[0]), 1e-12)).sum()) or 1)
        share = np.square(strength[:kept] / max(float(strength[0]), 1e-12))
        weights = directions[:kept] / ((share + _FLOOR**2) ** (power / 2))[:, None]
        return cls(np.asarray(mean, np.float32), np.ascontiguousarray(weights.T, dtype=np.float32))

    def apply(self, values: Floats) -> Floats:
        """Return unit vectors (N, k)."""
        turned = (values - self.mean) @ self.weights
        length = np.linalg.norm(turned, axis=1, keepdims=True)
        return np.ascontiguousarray(turned / np.maximum(length, 1e-12), dtype=np.float32)


@dataclass(frozen=True)
class Search:
    """How far neighbours may be and still be looked at; planted copies lie within (docs/experiments.md)."""

    count: int
    """Neighbours of each picture."""
    least: float
    """Cosine."""
    margin: float = 0.0
    """By how much a neighbour is nearer than strangers usually are to this picture."""


def nearest(
    stored: Floats, queries: Sequence[Floats], kin: Numbers, search: Search, *, negatives: bool = False
) -> Iterator[tuple[int, int, int, float]]:
    """Yield (picture, neighbour, query set, cosine) for the nearest of every picture that are not kin.

    `stored` (N, k) and each of `queries` (N, k) are unit vectors, `kin` (N,) numbers the sets that belong together
    already. A pair may appear twice, once from either side. With `negatives` an opposite vector counts as near too;
    query set 2i is then set i, and 2i + 1 its negative. Limits hold where there are more than a few pictures.
    """
    index = _cells(stored, kin) if len(stored) >= _LARGE else None
    for start in range(0, len(stored), _ROWS):
        rows = np.arange(start, min(len(stored), start + _ROWS))
        some = [query[rows] for query in queries]
        found = _all_strangers(stored, some, kin, rows, negatives) if index is None else index(some, rows, negatives)
        order = np.argsort(-found[0], axis=1, kind="stable")[:, :_COMMON]
        values, places, sets = (np.take_along_axis(each, order, 1) for each in found)
        near = values > -1.5
        if len(stored) > _FEW:
            near &= (values >= search.least) & (values - values[:, -1:] >= search.margin)
        for row, column in zip(*(each.tolist() for each in np.nonzero(near[:, : search.count])), strict=True):
            yield int(rows[row]), int(places[row, column]), int(sets[row, column]), float(values[row, column])


def _main_directions(values: Floats) -> tuple[Floats, Floats]:
    # As a singular value decomposition, by way of the smaller matrix of products.
    strength, directions = np.linalg.eigh(values.T.astype(np.float64) @ values)
    return np.sqrt(np.maximum(strength[::-1], 0.0)), np.ascontiguousarray(directions[:, ::-1].T)


def _all_strangers(
    stored: Floats, queries: Sequence[Floats], kin: Numbers, rows: Numbers, negatives: bool
) -> tuple[Floats, Numbers, Numbers]:
    # The nearest of all pictures that are not kin: cosines (R, m), places and query sets, in no order.
    best, sets = _strongest(queries[0] @ stored.T, 0, negatives)
    for number, vectors in enumerate(queries[1:], 1):
        values, signed = _strongest(vectors @ stored.T, number, negatives)
        better = values > best
        np.copyto(sets, signed, where=better)
        np.copyto(best, values, where=better)
    best[kin[rows][:, None] == kin[None, :]] = -2.0
    kept = min(len(stored), _COMMON)
    places = np.argpartition(-best, kept - 1, axis=1)[:, :kept]
    return np.take_along_axis(best, places, 1), places, np.take_along_axis(sets, places, 1).astype(np.int64)


def _strongest(values: Floats, number: int, negatives: bool) -> tuple[Floats, npt.NDArray[np.uint8]]:
    if not negatives:
        return values, np.full(values.shape, number, np.uint8)
    return np.abs(values), (2 * number + (values < 0)).astype(np.uint8)


def _cells(stored: Floats, kin: Numbers):  # type: ignore[no-untyped-def]  # FAISS has no types
    import faiss

    faiss.omp_set_num_threads(max(1, min(faiss.omp_get_max_threads(), 8)))
    flat = faiss.IndexFlatIP(stored.shape[1])
    cells = faiss.IndexIVFFlat(flat, stored.shape[1], int(4 * np.sqrt(len(stored))), faiss.METRIC_INNER_PRODUCT)
    cells.train(stored[:: max(1, len(stored) // 200_000)])
    cells.add(stored)
    cells.nprobe = 16
    asked = _COMMON + min(_COMMON, int(np.bincount(kin).max()))

    def search(queries: Sequence[Floats], rows: Numbers, negatives: bool) -> tuple[Floats, Numbers, Numbers]:
        signed = [sign * query for query in queries for sign in ((1, -1) if negatives else (1,))]
        found = [cells.search(np.ascontiguousarray(query), asked) for query in signed]
        values = np.concatenate([value for value, _ in found], axis=1)
        places = np.concatenate([place for _, place in found], axis=1)
        sets = np.repeat(np.arange(len(signed)), asked)[None, :].repeat(len(rows), 0)
        order = np.argsort(-values, axis=1, kind="stable")
        values, places, sets = (np.take_along_axis(each, order, 1) for each in (values, places, sets))
        values[(places < 0) | (kin[np.maximum(places, 0)] == kin[rows][:, None]) | _repeated(places)] = -2.0
        return values, places, sets

    return search


def _repeated(places: Numbers) -> npt.NDArray[np.bool_]:
    # Marks every place of a row but its first.
    order = np.argsort(places, axis=1, kind="stable")
    ordered = np.take_along_axis(places, order, 1)
    again = np.zeros(places.shape, bool)
    np.put_along_axis(again, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], 1)
    return again
