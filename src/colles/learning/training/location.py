"""Whether the network of a training has a location head."""

from __future__ import annotations

import polars as pl

from colles.core.progress import say
from colles.core.recipe import Recipe
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.learning.models import can_locate


def decide_location(recipe: Recipe, catalog: Catalog, split: Split, *, quiet: bool = False) -> Recipe:
    """Return the recipe with `model.location` on or off: `auto` asks whether train has boxes and the network can."""
    if recipe.model.location != "auto":
        return recipe
    train = split.frame.filter(pl.col("subset") == "train").join(catalog.frame, on="image_id", how="inner")
    boxes = train.filter(pl.col("boxes").list.len() > 0).height
    on = boxes > 0 and can_locate(recipe.model.name)
    if on and not quiet:
        say(f"  location head: {boxes} training images have boxes (model.location=off leaves it out)")
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"location": "on" if on else "off"})})
