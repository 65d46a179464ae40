"""A real PACS: Orthanc pushes a study to a node, and shows the report and the captures in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ray_alone import alone


@pytest.mark.slow
def test_orthanc_gets_its_results(drawn_bundle: Path, tmp_path: Path) -> None:
    orthanc = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")
    if orthanc is None:
        pytest.skip("Orthanc is not installed")
    script = Path(__file__).with_name("orthanc_round.py")
    command = alone(sys.executable, script, tmp_path, drawn_bundle, orthanc)  # Orthanc listens on all interfaces
    tests = str(Path(__file__).parents[2])  # where what draws its files is
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": tests}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout) == [["DX", True], ["OT", True], ["SR", True]]
