"""Nearest neighbours among descriptions: which pairs of pictures are worth aligning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Kin = Callable[[int, int], bool]
"""Tells whether two pictures are known to belong together already."""

_FEW = 1000  # pictures up to which every picture's nearest neighbours are looked at, however far they are
_LARGE = 50_000  # pictures from which the index is searched by cells
_FLOOR = 0.01  # directions weaker than this share of the strongest are not blown up


@dataclass(frozen=True)
class Whitening:
    """Directions in which descriptions differ, weighed so that common ones count less."""

    mean: Floats
    weights: Floats
    """(D, k)."""

    @classmethod
    def learn(cls, values: Floats, *, size: int, power: float, centred: bool = True, most: int = 5000) -> Whitening:
        """Learn from descriptions (N, D), of which every n-th is taken; keep at most `size` directions."""
        some = values[:: max(1, len(values) // most)]
        mean = some.mean(0) if centred else np.zeros(values.shape[1], np.float32)
        _, strength, directions = np.linalg.svd(some - mean, full_matrices=False)
        kept = min(size, int((strength > 1e-6 * max(float(strength[0]), 1e-12)).sum()) or 1)
        share = np.square(strength[:kept] / max(float(strength[0]), 1e-12))
        weights = directions[:kept] / ((share + _FLOOR**2) ** (power / 2))[:, None]
        return cls(np.asarray(mean, np.float32), np.ascontiguousarray(weights.T, dtype=np.float32))

    def apply(self, values: Floats) -> Floats:
        """Return unit vectors (N, k)."""
        turned = (values - self.mean) @ self.weights
        length = np.linalg.norm(turned, axis=1, keepdims=True)
        return np.ascontiguousarray(turned / np.maximum(length, 1e-12), dtype=np.float32)


def nearest(
    stored: Floats, queries: Sequence[Floats], kin: Kin, *, count: int, least: float, spare: int = 0
) -> Iterator[tuple[int, int, int, float]]:
    """Yield (picture, neighbour, query set, cosine) for the `count` nearest of every picture that are not kin.

    `stored` (N, k) and each of `queries` (N, k) are unit vectors; a pair may appear twice. Neighbours under the cosine
    `least` are left out where there are many pictures. `spare` of the neighbours may be kin.
    """
    index = _index(stored)
    floor = least if len(stored) > _FEW else -1.0
    best: list[dict[int, tuple[float, int]]] = [{} for _ in range(len(stored))]
    for number, vectors in enumerate(queries):
        values, places = index.search(vectors, min(len(stored), count + 1 + spare))
        rows, columns = np.nonzero((places >= 0) & (values >= floor))
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            other, value = int(places[row, column]), float(values[row, column])
            if other != row and value > best[row].get(other, (-2.0, 0))[0]:
                best[row][other] = value, number
    for row, found in enumerate(best):
        strangers = sorted((-value, other, number) for other, (value, number) in found.items() if not kin(row, other))
        for value, other, number in strangers[:count]:
            yield row, other, number, -value


def _index(stored: Floats):  # type: ignore[no-untyped-def]  # FAISS has no types
    import faiss

    faiss.omp_set_num_threads(max(1, min(faiss.omp_get_max_threads(), 8)))
    flat = faiss.IndexFlatIP(stored.shape[1])
    if len(stored) < _LARGE:
        flat.add(stored)
        return flat
    cells = faiss.IndexIVFFlat(flat, stored.shape[1], int(4 * np.sqrt(len(stored))), faiss.METRIC_INNER_PRODUCT)
    cells.train(stored[:: max(1, len(stored) // 200_000)])
    cells.add(stored)
    cells.nprobe = 16
    return cells
