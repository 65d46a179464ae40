"""The same space on a cluster: one node lost on the way, no trial lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sweep_trials import sweep_recipe
from tiny_training import Data

from colles.core.recipe_text import save_recipe
from colles.learning.sweep.logs import SweepLogs
from ray_alone import run_alone

SCRIPT = Path(__file__).with_name("ray_cluster.py")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_lost_node_loses_no_trial(data: Data, tmp_path: Path) -> None:
    pytest.importorskip("ray.tune", reason="needs pip install 'colles[ray]'")
    catalog, split = data[0].save(tmp_path / "catalog.parquet"), data[1].save(tmp_path / "split.csv")
    settings = ["sweep.engine=ray", "sweep.trials=2", "sweep.prune=false", "train.epochs=12", "train.patience=12"]
    recipe = save_recipe(sweep_recipe(*settings), tmp_path / "recipe.yaml")
    told = run_alone(SCRIPT, catalog, split, recipe, tmp_path / "sweep")
    found = re.search(r"trials (\d+) complete (\d+) lost (\d+)", told)
    assert found is not None, told
    assert [int(number) for number in found.groups()] == [2, 2, 1]
    entries = SweepLogs.read(tmp_path / "sweep").entries
    assert [(entry.config_id, entry.epochs, entry.error) for entry in entries] == [(n, 12, None) for n in range(2)]
