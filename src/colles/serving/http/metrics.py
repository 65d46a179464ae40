"""Counts of a server in the text form that Prometheus reads: no names, no addresses, only how many and how long."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate

_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds


class Metrics:
    """Belongs to one event loop, which alone counts."""

    def __init__(self) -> None:
        self._answers: Counter[tuple[str, str]] = Counter()
        self._responses: Counter[tuple[str, int]] = Counter()
        self._buckets = [0] * (len(_BOUNDS) + 1)
        self._seconds = 0.0

    def answered(self, status: str, decision: str | None, seconds: float) -> None:
        """Count an answer, and the seconds from the last byte of its file to it."""
        self._answers[status, decision or "none"] += 1
        self._buckets[bisect_left(_BOUNDS, seconds)] += 1
        self._seconds += seconds

    def responded(self, route: str, code: int) -> None:
        """Count a response by route and HTTP status."""
        self._responses[route, code] += 1

    def text(self, held: int) -> str:
        """Return all counts; `held` is how many requests are being read or answered now."""
        below = list(accumulate(self._buckets))
        limits = [f"{bound:g}" for bound in _BOUNDS] + ["+Inf"]
        blocks = (
            ("answers_total", "counter", "Answers by status and decision.",
             [f'_total{{status="{status}",decision="{decision}"}} {count}'
              for (status, decision), count in sorted(self._answers.items())]),
            ("responses_total", "counter", "Responses by route and HTTP status.",
             [f'_total{{route="{route}",code="{code}"}} {count}'
              for (route, code), count in sorted(self._responses.items())]),
            ("answer_seconds", "histogram", "From the last byte of a file to its answer, waiting included.",
             [*(f'_bucket{{le="{limit}"}} {count}' for limit, count in zip(limits, below, strict=True)),
              f"_sum {self._seconds:.6f}", f"_count {below[-1]}"]),
            ("requests_held", "gauge", "Requests being read or answered.", [f" {held}"]),
        )  # fmt: skip
        return "".join(
            f"# HELP colles_{name} {told}\n# TYPE colles_{name} {kind}\n"
            + "".join(f"colles_{name.removesuffix('_total')}{line}\n" for line in lines)
            for name, kind, told, lines in blocks
        )
