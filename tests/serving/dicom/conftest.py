"""A bundle with a location map that calls a small white place on black a fracture."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from colles.core.records import OperatingPoint
from colles.serving.bundle import Bundle, load_bundle
from colles.serving.predictor import Predictor

if importlib.util.find_spec("highdicom") is None:
    collect_ignore_glob = ["test_*.py"]  # DICOM comes with colles[dicom]


def points(rule_out: float, rule_in: float) -> dict[str, OperatingPoint]:
    """Return operating points of a drawn bundle."""
    return {
        name: OperatingPoint(name=name, threshold=threshold, criterion="drawn", chosen_on="val", digest="0" * 64)
        for name, threshold in (("rule_out", rule_out), ("rule_in", rule_in))
    }


@pytest.fixture(scope="session")
def locating_bundle(tmp_path_factory: pytest.TempPathFactory, make_drawn: Callable[..., Path]) -> Bundle:
    """Score of black 0.018, of a spot of 16 × 16 pixels on 64 × 64 0.029: fracture from 0.025 on, none below 0.02."""
    model = {"name": "drawn", "parameters": 1, "has_cam": True, "map": "location"}
    folder = tmp_path_factory.mktemp("locating") / "drawn"
    return load_bundle(make_drawn(folder, model=model, operating_points=points(0.02, 0.025)))


@pytest.fixture(scope="session")
def predictor(locating_bundle: Bundle) -> Predictor:
    """Answers without the look at pictures, which drawn ones would not pass."""
    return Predictor(locating_bundle, threads=1, gate=False)


@pytest.fixture(scope="session")
def judge(predictor: Predictor) -> Callable[..., Any]:
    """Return a function that judges the file of a data set."""
    from colles.serving.dicom.answers import judge_file
    from drawn_dicom import encoded

    return lambda ds: judge_file(encoded(ds), predictor)
