"""Chunks of images through a few threads, each reading and computing on its own, with answers in input order."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from statistics import median
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
_AHEAD = 2  # chunks a worker, so that none waits for the reader of the answers
_TRIALS = 2  # of each size by every worker; the first of all is left out, since it warms the network up
_PIXELS = 1 << 21  # of one chunk's canvases at most: an answer should not wait long for the images beside it


class BatchSizes:
    """How many images a thread takes at once: a given number, or the fastest one found while working."""

    def __init__(self, fixed: int | None = None, *, side: int = 256) -> None:
        """`side` is the canvas' in pixels; larger canvases allow fewer at a time."""
        most = max(1, _PIXELS // (side * side))
        self._sizes = [fixed] if fixed else [size for size in (1, 2, 4, 8, 16) if size <= most]
        self._trials = list(self._sizes) * _TRIALS if len(self._sizes) > 1 else []
        self._seconds: dict[int, list[float]] = defaultdict(list)
        self._lock = threading.Lock()
        self._warm = False

    def next(self) -> int:
        """Return the size of the next chunk."""
        with self._lock:
            return self._trials.pop() if self._trials else self._best()

    def record(self, size: int, seconds: float) -> None:
        """Tell how long a chunk took."""
        with self._lock:
            if self._warm and size in self._sizes:
                self._seconds[size].append(seconds / size)
            self._warm = True

    def _best(self) -> int:
        tried = [size for size in self._sizes if self._seconds[size]]
        return min(tried, key=lambda size: median(self._seconds[size]), default=self._sizes[0])


def in_order(
    items: Iterable[T], work: Callable[[list[T]], list[R]], sizes: BatchSizes, workers: int
) -> Generator[R, None, None]:
    """Yield `work`'s answers on chunks of `items`, in their order.

    Closing it early stops reading and drops waiting work; nobody waits for the chunks under way, which end by
    themselves. A bounded number of chunks is under way, so memory does not grow with the number of items.
    """
    chunks, waiting = _chunks(iter(items), sizes, workers), deque[Future[list[R]]]()
    pool = ThreadPoolExecutor(workers, "predict")

    def timed(chunk: list[T]) -> list[R]:
        started = time.perf_counter()
        answers = work(chunk)
        sizes.record(len(chunk), time.perf_counter() - started)
        return answers

    try:
        while True:
            while len(waiting) < _AHEAD * workers and (chunk := next(chunks, None)):
                waiting.append(pool.submit(timed, chunk))
            if not waiting:
                return
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _chunks(source: Iterator[T], sizes: BatchSizes, workers: int) -> Iterator[list[T]]:
    # As many images as fill every worker once; the last ones are shared out, so that no worker ends long after others.
    while block := list(islice(source, sizes.next() * workers)):
        share = -(-len(block) // workers)
        yield from (block[start : start + share] for start in range(0, len(block), share))
