"""Pairs of pictures whose hashes are near: all of them, without comparing all with all.

Few hashes are compared one with all. Many are cut into bands: of two hashes that differ in at most `d` bits, cut into
more than `d / 2` bands, some band differs in at most one bit, so every pair lies in one list or in a neighbouring one
of some band (pigeonhole; Norouzi M, Punjani A, Fleet DJ, CVPR 2012). Nothing is missed either way.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from colles.datasets.audit.hashes import BITS, Candidate, Framed, Words
from colles.datasets.audit.orientations import MATRICES, orientation_of

_FEW = 30_000  # hashes up to which comparing all is faster: 5 s on one core
_ROWS = 256  # compared at once: 256 × 30,000 distances are 15 MB
_CHUNK = 4_000_000  # pairs checked at once: 400 MB
_MAX_BAND = 22  # bits of a band: its table has 2^22 places

Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Rows, rows and the bits that differ."""


def near_pairs(hashes: Framed, max_distance: int, kin: npt.NDArray[np.int64]) -> list[Candidate]:
    """Find pictures whose hashes differ in at most `max_distance` bits, nearest first; a pair appears once.

    Pictures with the same number in `kin` (N,) are known to be copies, and no pair.
    """
    best: dict[tuple[int, int], tuple[int, int, int]] = {}
    for one, other, apart in near_rows(hashes.words, max_distance):
        first, second = hashes.owner[one], hashes.owner[other]
        swap = first > second
        one, other = np.where(swap, other, one), np.where(swap, one, other)
        kept = np.flatnonzero(kin[first] != kin[second])  # before the loop: equal files make millions of pairs
        for row, col, bits in zip(one[kept].tolist(), other[kept].tolist(), apart[kept].tolist(), strict=True):
            pair = (int(hashes.owner[row]), int(hashes.owner[col]))
            if pair not in best or (bits, row, col) < best[pair]:
                best[pair] = (bits, row, col)
    found = [_candidate(hashes, pair, bits, row, col) for pair, (bits, row, col) in best.items()]
    return sorted(found, key=lambda each: (each.distance, each.first, each.second))


def _candidate(hashes: Framed, pair: tuple[int, int], bits: int, row: int, col: int) -> Candidate:
    turn = MATRICES[hashes.frame[row]].T @ MATRICES[hashes.frame[col]]
    inverted = bool(hashes.inverted[row] != hashes.inverted[col])
    return Candidate(*pair, orientation_of(turn), inverted, bits)


def near_rows(words: Words, max_distance: int) -> Iterator[Found]:
    """Yield pairs of rows (first before second) that differ in at most `max_distance` bits; a pair may repeat."""
    bands = max_distance // 2 + 1
    if len(words) <= _FEW or BITS // bands < 12:  # narrower bands hold too many strangers to be worth it
        yield from _all_rows(words, max_distance)
        return
    for key, width in _bands(words, bands):
        for one, other in _same_or_next(key, width):
            apart = _apart(words, one, other)
            near = apart <= max_distance
            yield np.minimum(one, other)[near], np.maximum(one, other)[near], apart[near]


def _all_rows(words: Words, max_distance: int) -> Iterator[Found]:
    for start in range(0, len(words), _ROWS):
        some, others = words[start : start + _ROWS], words[start:]
        total = np.zeros((len(some), len(others)), dtype=np.int16)
        for word in range(words.shape[1]):
            total += np.bitwise_count(some[:, word][:, None] ^ others[:, word][None, :])
        rows, cols = np.nonzero(total <= max_distance)
        later = rows < cols
        rows, cols = rows[later], cols[later]
        yield rows + start, cols + start, total[rows, cols].astype(np.int64)


def _bands(words: Words, count: int) -> Iterator[tuple[npt.NDArray[np.int64], int]]:
    # Bits are dealt out in turn, so that each band holds coarse and fine waves alike.
    bits = np.unpackbits(words.view(np.uint8), axis=1)[:, 1:]
    for band in range(count):
        columns = np.arange(band, BITS, count)[:_MAX_BAND]
        yield bits[:, columns].astype(np.int64) @ (1 << np.arange(len(columns))), len(columns)


def _same_or_next(key: npt.NDArray[np.int64], width: int) -> Iterator[tuple[npt.NDArray[np.int64], ...]]:
    # A table of lists, a list a key: rows of one list, then of lists whose keys differ in one bit.
    order = np.argsort(key, kind="stable")
    ends = np.cumsum(np.bincount(key, minlength=1 << width))
    starts = np.concatenate([[0], ends[:-1]])
    place = np.empty(len(key), np.int64)
    place[order] = np.arange(len(key))
    yield from _expand(order, place, place + 1, ends[key])
    for bit in range(width):
        rows = np.flatnonzero(key & (1 << bit) == 0)
        other = key[rows] | (1 << bit)
        yield from _expand(order, place[rows], starts[other], ends[other])


def _expand(
    order: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
) -> Iterator[tuple[npt.NDArray[np.int64], ...]]:
    # Pairs every place with the places from its start to its end, some millions at a time.
    lengths = ends - starts
    busy = np.flatnonzero(lengths > 0)
    places, starts, lengths = places[busy], starts[busy], lengths[busy]
    total = np.cumsum(lengths)
    last = int(total[-1]) if len(total) else 0
    cuts = (np.searchsorted(total, np.arange(_CHUNK, last + _CHUNK, _CHUNK)) + 1).tolist() if last else []
    begin = 0
    for cut in cuts:
        part = slice(begin, cut)
        begin = cut
        if not len(lengths[part]):
            continue
        sizes = lengths[part]
        offset = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        yield order[np.repeat(places[part], sizes)], order[np.repeat(starts[part], sizes) + offset]


def _apart(words: Words, one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    total = np.zeros(len(one), dtype=np.int64)
    for word in range(words.shape[1]):
        column = words[:, word]
        total += np.bitwise_count(column[one] ^ column[other])
    return total
