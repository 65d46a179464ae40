"""`train.mode`: train in full, have a quick look, or keep the weights that are there."""

from __future__ import annotations

from pathlib import Path

from colles.core.errors import StaleInputError
from colles.core.files import existing_file
from colles.core.recipe import Recipe
from colles.learning.checkpoint import load_classifier

_QUICK = {"head_epochs": 1, "epochs": 2}


def shorten(recipe: Recipe) -> Recipe:
    """Return the recipe of a quick look: at most one epoch of the head and two of all layers. Others stay as they are.

    The loader draws a quarter of each epoch's images in this mode.
    """
    if recipe.train.mode != "quick":
        return recipe
    fewer = {name: min(most, getattr(recipe.train, name)) for name, most in _QUICK.items()}
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=fewer)})


def assert_trained(recipe: Recipe, out: Path) -> None:
    """Raise where `out` holds no weights to keep, or those of another network or other pixels (`StaleInputError`)."""
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
