"""When `train` starts itself again with the allocator's settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from colles.cli import relaunch
from colles.core.recipe import TrainRecipe


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the programs that were started, on a Linux without settings or GPU."""
    found: list[str] = []
    monkeypatch.setattr(os, "execve", lambda program, arguments, environment: found.append(program))
    monkeypatch.setattr(relaunch, "GPU_DRIVERS", ())
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("sys.argv", ["/bin/colles", "train"])
    for name in ("MALLOC_MMAP_MAX_", "COLLES_RELAUNCHED"):
        monkeypatch.delenv(name, raising=False)
    return found


def test_a_training_on_a_processor_is_started_again_with_the_settings(started: list[str]) -> None:
    relaunch.relaunch_with_allocator(TrainRecipe())
    assert len(started) == 1


def test_one_with_a_gpu_is_not(started: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It said that it would train on a CPU, and then trained on the GPU."""
    monkeypatch.setattr(relaunch, "GPU_DRIVERS", (tmp_path,))
    relaunch.relaunch_with_allocator(TrainRecipe())
    assert started == []
    relaunch.relaunch_with_allocator(TrainRecipe(device="cpu"))
    assert len(started) == 1


def test_one_that_is_told_not_to_is_not(started: list[str]) -> None:
    relaunch.relaunch_with_allocator(TrainRecipe(allocator=False))
    assert started == []
