"""Where requests are taken in: a bounded number of places, and the threads that compute behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from colles.serving.http.refusal import Refusal

T = TypeVar("T")
_AGAIN = 1  # seconds


class Desk:
    """Belongs to one event loop, which alone takes and gives back places."""

    def __init__(self, threads: int, waiting: int) -> None:
        """`waiting` requests may wait while every thread computes."""
        self.places, self.taken = threads + waiting, 0
        self._pool = ThreadPoolExecutor(threads, "serve")

    @property
    def full(self) -> bool:
        """Whether the next request would be refused."""
        return self.taken >= self.places

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place while a request is read and answered; raise `Refusal` where none is free."""
        if self.full:
            raise self.busy()
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    def busy(self) -> Refusal:
        """Return what the one beyond the last place is told."""
        return Refusal(503, f"{self.taken} requests are before this one", "Send it again", retry_after=str(_AGAIN))

    async def run(self, work: Callable[[], T]) -> T:
        """Compute on a thread, in the order of asking."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Drop what waits; what is computed goes on to its end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
