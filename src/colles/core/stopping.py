"""Stop between two answers when asked to: Ctrl-C, or the signal that a machine sends before it shuts down."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopOnSignal:
    """While it is entered, the first signal asks to stop and the second one interrupts at once."""

    def __init__(self) -> None:
        self.number: int | None = None
        """Which signal asked."""
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def asked(self) -> bool:
        """Whether a signal came."""
        return self.number is not None

    def each(self, items: Iterable[T]) -> Iterator[T]:
        """Yield items; raise `KeyboardInterrupt` after the one that was under way when the signal came."""
        for item in items:
            yield item
            if self.asked:
                raise KeyboardInterrupt

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.number = number
