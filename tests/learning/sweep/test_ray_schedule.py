"""What Ray's scheduler counts."""

from __future__ import annotations

import pytest
from sweep_trials import sweep_recipe

from colles.learning.sweep.ray_engine import create_schedule


@pytest.mark.slow
def test_trials_are_compared_by_epochs_and_not_by_seconds() -> None:
    """Ray counts seconds unless it is told, so five epochs of grace were five seconds."""
    pytest.importorskip("ray.tune", reason="needs pip install 'colles[ray]'")
    schedule = create_schedule(sweep_recipe("sweep.warmup_epochs=5").sweep)
    assert schedule._time_attr == "training_iteration" and schedule._grace_period == 5
