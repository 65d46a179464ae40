"""Fracture detection on radiographs that says honestly how well it works.

The public names below are loaded when they are first used, so `import colles` is instant.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from colles.core.errors import CollesError
    from colles.core.recipe import Recipe
    from colles.core.recipe_text import load_recipe
    from colles.core.records import Box, Estimate, OperatingPoint, Radiograph
    from colles.datasets.catalog import Catalog
    from colles.datasets.split import Split
    from colles.evaluation.evaluate import evaluate_scores
    from colles.evaluation.results import Evaluation
    from colles.serving.bundle import Bundle, load_bundle
    from colles.serving.prediction import Prediction
    from colles.serving.predictor import Predictor

# ONNX Runtime 1.32 keeps a device id and events for its maker in ~/.cache, unless this is set before its import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"

_HOMES = {
    "Box": "colles.core.records",
    "Bundle": "colles.serving.bundle",
    "Catalog": "colles.datasets.catalog",
    "CollesError": "colles.core.errors",
    "Estimate": "colles.core.records",
    "Evaluation": "colles.evaluation.results",
    "OperatingPoint": "colles.core.records",
    "Prediction": "colles.serving.prediction",
    "Predictor": "colles.serving.predictor",
    "Radiograph": "colles.core.records",
    "Recipe": "colles.core.recipe",
    "Split": "colles.datasets.split",
    "evaluate_scores": "colles.evaluation.evaluate",
    "load_bundle": "colles.serving.bundle",
    "load_recipe": "colles.core.recipe_text",
}
__all__ = [
    "Box",
    "Bundle",
    "Catalog",
    "CollesError",
    "Estimate",
    "Evaluation",
    "OperatingPoint",
    "Prediction",
    "Predictor",
    "Radiograph",
    "Recipe",
    "Split",
    "__version__",
    "evaluate_scores",
    "load_bundle",
    "load_recipe",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'colles' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
