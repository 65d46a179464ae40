"""The same space on a cluster: one node lost on the way, no trial lost."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sweep_trials import sweep_recipe
from tiny_training import Data

from colles.core.recipe_text import save_recipe
from colles.learning.sweep.logs import SweepLogs

SCRIPT = Path(__file__).with_name("ray_cluster.py")


def alone() -> list[str]:
    """Return the start of a command without a network, since Ray listens on all interfaces; or skip."""
    command = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("needs unshare and ip, to run Ray without a network")
    if subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("needs the right to make a network namespace, to run Ray without a network")
    return command


@pytest.mark.slow
def test_a_lost_node_loses_no_trial(data: Data, tmp_path: Path) -> None:
    pytest.importorskip("ray.tune", reason="needs pip install 'colles[ray]'")
    catalog, split = data[0].save(tmp_path / "catalog.parquet"), data[1].save(tmp_path / "split.csv")
    settings = ["sweep.engine=ray", "sweep.trials=2", "sweep.prune=false", "train.epochs=12", "train.patience=12"]
    recipe = save_recipe(sweep_recipe(*settings), tmp_path / "recipe.yaml")
    arguments = [sys.executable, SCRIPT, catalog, split, recipe, tmp_path / "sweep"]
    # short paths: Ray's sockets lie in its temporary folder, and a socket's path has at most 107 characters
    environment = {**os.environ, "RAY_TMPDIR": "/tmp", "RAY_DEDUP_LOGS": "0", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*alone(), *map(str, arguments)], capture_output=True, text=True, timeout=540, env=environment
    )
    if done.returncode == 77:
        pytest.skip(f"Ray did not start two nodes here in its time: {done.stdout[-200:]}")
    assert done.returncode == 0, done.stderr[-3000:]
    found = re.search(r"trials (\d+) complete (\d+) lost (\d+)", done.stdout)
    assert found is not None, done.stdout
    assert [int(number) for number in found.groups()] == [2, 2, 1]
    entries = SweepLogs.read(tmp_path / "sweep").entries
    assert [(entry.config_id, entry.epochs, entry.error) for entry in entries] == [(n, 12, None) for n in range(2)]
