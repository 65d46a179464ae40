"""Whether the network of a training has a location head."""

from __future__ import annotations

import polars as pl

from colles.core.errors import RecipeError
from colles.core.progress import say
from colles.core.recipe import Recipe
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.learning.models import can_locate
from colles.learning.models.location import COARSEST


def decide_location(recipe: Recipe, catalog: Catalog, split: Split, *, quiet: bool = False) -> Recipe:
    """Return the recipe with `model.location` on or off: `auto` asks whether train has boxes and the network can.

    Raise `RecipeError` for a location head on a canvas that its cells do not tile: its map would be displaced.
    """
    if recipe.model.location == "auto":
        recipe = _decided(recipe, catalog, split, quiet=quiet)
    if recipe.model.location == "on":
        _assert_whole_cells(recipe)
    return recipe


def _decided(recipe: Recipe, catalog: Catalog, split: Split, *, quiet: bool) -> Recipe:
    train = split.frame.filter(pl.col("subset") == "train").join(catalog.frame, on="image_id", how="inner")
    boxes = train.filter(pl.col("boxes").list.len() > 0).height
    on = boxes > 0 and can_locate(recipe.model.name)
    if on and not quiet:
        say(f"  location head: {boxes} training images have boxes (model.location=off leaves it out)")
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"location": "on" if on else "off"})})


def _assert_whole_cells(recipe: Recipe) -> None:
    size = recipe.preprocess.size
    if size % COARSEST:
        near = size // COARSEST * COARSEST
        raise RecipeError(
            f"a location head needs a multiple of {COARSEST} pixels, not {size}",
            field="preprocess.size",
            repair=f"Set it to {max(near, COARSEST)} or {near + COARSEST}, or model.location=off",
        )
