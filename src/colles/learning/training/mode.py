"""`train.mode`: train in full, have a quick look, or keep the weights that are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colles.core.errors import StaleInputError
from colles.core.files import existing_file
from colles.core.recipe import Recipe
from colles.core.recipe_text import load_recipe
from colles.learning.checkpoint import load_classifier
from colles.learning.training.inputs import read_inputs

_QUICK = {"head_epochs": 1, "epochs": 2}


def shorten(recipe: Recipe) -> Recipe:
    """Return the recipe of a quick look: at most one epoch of the head and two of all layers. Others stay as they are.

    The loader draws a quarter of each epoch's images in this mode.
    """
    if recipe.train.mode != "quick":
        return recipe
    fewer = {name: min(most, getattr(recipe.train, name)) for name, most in _QUICK.items()}
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=fewer)})


def assert_trained(recipe: Recipe, out: Path, inputs: dict[str, Any]) -> None:
    """Raise where `out` holds no weights to keep, or those of another network, other pixels or another division.

    `inputs` are what the training would depend on now. Another catalog or split is a `StaleInputError`: images that the
    weights learned from could be in its test.
    """
    weights = existing_file(
        out / "checkpoints" / "best.safetensors", repair="train.mode=skip needs a trained run; set train.mode=full"
    )
    model, preprocess = load_classifier(out)
    for field, kept, wanted in (
        ("model.name", model.name, recipe.model.name),
        ("preprocess", preprocess, recipe.preprocess),
    ):
        if kept != wanted:
            raise StaleInputError(
                f"the kept weights belong to another {field} ({kept})",
                path=weights,
                field=field,
                repair="Train with train.mode=full into another folder",
            )
    before = read_inputs(out / "checkpoints")
    for field in ("catalog", "split"):
        if before is not None and before.get(field) != inputs[field]:
            raise StaleInputError(
                f"the kept weights were trained with another {field}: images that they learned from could be in test",
                path=weights,
                field=field,
                repair="Train anew with train.mode=full, or show other images to them with `colles predict`",
            )


def keep_training(recipe: Recipe, file: Path) -> Recipe:
    """Return the recipe with what made the kept weights, from the run's `file` where it has one."""
    if not file.is_file():
        return recipe
    made = load_recipe(file)
    return recipe.model_copy(update={"seed": made.seed, "model": made.model, "train": made.train})
