"""The public names are what they say, and importing them is cheap."""

from __future__ import annotations

import subprocess
import sys

import pytest

import colles


@pytest.mark.parametrize("name", colles.__all__)
def test_every_public_name_can_be_loaded(name: str) -> None:
    assert getattr(colles, name) is not None


def test_public_names_and_their_homes_agree() -> None:
    assert sorted(colles.__all__) == sorted([*colles._HOMES, "__version__"])
    assert dir(colles) == colles.__all__
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = colles.nonsense


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import colles", ["numpy", "polars", "torch", "pydantic"]),
        ("import colles.cli.app", ["polars", "torch", "cv2", "matplotlib", "sklearn", "onnxruntime"]),
    ],
)
def test_heavy_libraries_are_loaded_late(statement: str, absent: list[str]) -> None:
    code = f"import sys\n{statement}\nprint([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
