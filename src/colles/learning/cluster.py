"""The Ray cluster that searches and trainings are shared out on."""

from __future__ import annotations

import os
from pathlib import Path

from colles.core.extras import require
from colles.core.ray_start import start_ray
from colles.core.recipe import Recipe


def connect() -> None:
    """Enter the cluster of RAY_ADDRESS, or start one on this machine; raise `MissingExtraError` without Ray, and
    `ClusterError` where it does not start.

    Ray itself opens ports on all interfaces; run it in a network that you trust.
    """
    ray = require("ray", "ray")
    if not ray.is_initialized():
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        start_ray(ray, address=os.environ.get("RAY_ADDRESS"), include_dashboard=False, log_to_driver=False)


def placed(recipe: Recipe) -> Recipe:
    """Return the recipe with the networks that it names at absolute paths: a worker has another working folder."""
    found = {path: str(Path(path).resolve()) for path in recipe.networks().values()}
    model = recipe.model.model_copy(update={"weights": found.get(recipe.model.weights, recipe.model.weights)})
    train = recipe.train.model_copy(update={"teachers": tuple(found[path] for path in recipe.train.teachers)})
    return recipe.model_copy(update={"model": model, "train": train})
