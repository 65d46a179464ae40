"""What of a machine may be used."""

from __future__ import annotations

import os

import pytest

from colles.core import machine


@pytest.mark.parametrize(("quota", "cores"), [("max 100000", None), ("150000 100000", 2), ("20000 100000", 1)])
def test_cores_respect_the_control_group(monkeypatch: pytest.MonkeyPatch, quota: str, cores: int | None) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(machine, "kernel_text", lambda path: quota if path.endswith("cpu.max") else "")
    assert machine.usable_cpus() == (cores or 8)
