"""Intervals hold the truth about as often as they say, in a few simulated studies of lone images and of patients.

`python benchmarks/coverage.py` is the same simulation with 1,000 studies a design; its result lies beside it as JSON.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from scipy.stats import binom

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "coverage.py"
STUDIES = 120


def load_script() -> ModuleType:
    """Import the benchmark, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("coverage_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1, 4, 5])
def test_coverage(number):
    benchmark = load_script()
    found = benchmark.measure(benchmark.DESIGNS[number], STUDIES, 300)["coverage"]
    # Bounds that a true coverage of 93-97 % keeps in 99.8 % of tries.
    low, high = (binom.ppf(q, STUDIES, p) / STUDIES for q, p in ((0.001, 0.93), (0.999, 0.97)))
    for name in benchmark.REQUIRED:
        assert low <= found[name] <= high, f"{name}: {found[name]:.3f}"


def test_the_committed_simulation_is_whole_and_within_its_bounds():
    benchmark, found = load_script(), json.loads(SCRIPT.with_suffix(".json").read_text())
    assert list(found["designs"]) == [design.name for design in benchmark.DESIGNS]
    for result in found["designs"].values():
        assert result["studies"] >= 1000
        assert result["required_within_93_97"]
