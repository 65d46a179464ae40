"""A search of seconds, and entries as the practicum wrote them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tiny_training import recipe

from colles.core.recipe import Recipe
from colles.core.recipe_text import recipe_from

SPACE = {"train.lr": {"low": 1e-4, "high": 1e-2, "log": True}, "train.sampler": ["plain", "weighted"]}


def sweep_recipe(*overrides: str, space: dict[str, Any] | None = None) -> Recipe:
    values = recipe().model_dump(mode="json")
    values["train"] |= {"head_epochs": 0, "epochs": 3}
    values["sweep"] = {"trials": 3, "startup_trials": 2, "space": SPACE if space is None else space}
    return recipe_from(values, overrides)


def write_log(folder: Path, config_id: int, values: Any, time: str = "20240101_120000") -> Path:
    path = folder / f"results_config_{config_id}_{time}.json"
    path.write_text(values if isinstance(values, str) else json.dumps(values))
    return path


def old_entry(config_id: int, sensitivity: float, f1: float, **more: Any) -> dict[str, Any]:
    scores = {"best_score": f1, "best_sensitivity": sensitivity, "best_f1_score": f1}
    return {"config_id": config_id, **scores, "error": None, **more}
