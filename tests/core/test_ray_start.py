"""A cluster that does not come up is answered with a next step."""

from __future__ import annotations

from typing import Any

import pytest

from colles.core.errors import ClusterError
from colles.core.ray_start import start_ray


class Slow:
    """A Ray whose node is too slow."""

    @staticmethod
    def init(**settings: Any) -> None:
        raise Exception("The current node timed out during startup.\nThis could happen")


def test_a_cluster_that_does_not_start_is_no_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(ClusterError, match=r"^Ray did not start \(The current node timed out .*try again"):
        start_ray(Slow)


def test_a_cluster_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with pytest.raises(ClusterError, match=r"^RAY_ADDRESS: Ray did not start .*Is the cluster up"):
        start_ray(Slow)
