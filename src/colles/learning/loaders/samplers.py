"""Which images an epoch shows, and in which order: a function of seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

Draw = tuple[int, int, int]
"""Epoch, position in the epoch, index of the image."""
Kind = Literal["plain", "weighted", "oversample", "balanced_batches"]


def epoch_seed(seed: int, *parts: int) -> int:
    """Mix numbers into one seed of 63 bits."""
    return int(np.random.SeedSequence([seed, *parts]).generate_state(1, np.uint64)[0] >> 1)


def draw_epoch(
    labels: NDArray[np.int64],
    copies: Sequence[str] | NDArray[np.int64] | None,
    kind: Kind,
    *,
    seed: int,
    epoch: int,
    sources: Sequence[str] | NDArray[np.int16] | None = None,
    negatives: float | None = None,
) -> NDArray[np.int64]:
    """Return the indices of one epoch.

    `copies` names or numbers each image's radiograph: one copy of each name is drawn first (None keeps all).
    `plain` shows each once, `weighted` draws as many with replacement so that the classes are even in expectation,
    `oversample` shows each once and repeats the rarer class until the classes are even, `balanced_batches` besides
    puts them in turn, so that every batch of an even size holds as many of each.

    Before that, `negatives` keeps at random no more than so many non-fractured images a fractured one of the same
    source; a source without fractured images stays whole.
    """
    rng = np.random.default_rng([seed, epoch])
    pool = np.arange(len(labels)) if copies is None else _one_copy(copies, rng)
    if negatives is not None:
        names = np.zeros(len(labels), int) if sources is None else np.asarray(sources)
        pool = np.concatenate([_fewer(pool[names[pool] == name], labels, negatives, rng) for name in np.unique(names)])
    if kind == "plain":
        return rng.permutation(pool)
    classes = [pool[labels[pool] == value] for value in (0, 1)]
    if kind == "weighted":
        share = np.zeros(len(labels))
        for members in classes:
            share[members] = 0.5 / max(1, len(members))
        return rng.choice(pool, size=len(pool), replace=True, p=share[pool] / share[pool].sum())
    few, many = sorted(classes, key=len)
    repeats = [rng.permutation(few) for _ in range(max(1, -(-len(many) // max(1, len(few)))))]
    repeated = np.concatenate(repeats)[: max(len(many), len(few))]
    if kind == "oversample":
        return rng.permutation(np.concatenate([many, repeated]))
    # a, b, b, a, b, a, a, b: in turn for every second, fourth, … image too, as processes share them out (Thue–Morse)
    turns = np.stack([rng.permutation(many), rng.permutation(repeated)], axis=1)
    other = np.bitwise_count(np.arange(len(turns))) % 2 == 1
    turns[other] = turns[other, ::-1]
    return turns.reshape(-1)


def _fewer(
    pool: NDArray[np.int64], labels: NDArray[np.int64], negatives: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    fractured, others = pool[labels[pool] == 1], pool[labels[pool] == 0]
    if not len(fractured):
        return pool
    most = max(1, round(negatives * len(fractured)))  # of one class alone nothing is learned
    return np.concatenate([fractured, rng.permutation(others)[:most]])


def _one_copy(copies: Sequence[str] | NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    shuffled = rng.permutation(len(copies))
    _, first = np.unique(np.asarray(copies)[shuffled], return_index=True)
    return np.asarray(shuffled[first])


class EpochSampler(Sampler[Draw]):
    """Yield the draws of one epoch, or one process's share of them.

    Of `world` processes each takes every `world`-th draw, all equally many, so that together their batches are those of
    one process; an image keeps its position, and with it its augmentation.
    """

    def __init__(self, indices: NDArray[np.int64], epoch: int, *, rank: int = 0, world: int = 1) -> None:
        self.indices, self.epoch, self.rank, self.world = indices, epoch, rank, world

    def __len__(self) -> int:
        return len(self.indices) // self.world

    def __iter__(self) -> Iterator[Draw]:
        last = len(self) * self.world
        for position in range(self.rank, last, self.world):
            yield self.epoch, position, int(self.indices[position])
