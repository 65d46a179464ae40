"""Whether the network of a training has a location head."""

from __future__ import annotations

import polars as pl

from colles.core.errors import RecipeError
from colles.core.progress import say
from colles.core.recipe import NAMED_WEIGHTS, Recipe
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.learning.models import can_locate
from colles.learning.models.location import COARSEST
from colles.learning.models.second_look import LEAST_SIZE


def decide_location(recipe: Recipe, catalog: Catalog, split: Split, *, quiet: bool = False) -> Recipe:
    """Return the recipe with `model.location` on or off: `auto` asks whether train has boxes and the network can.

    Raise `RecipeError` for a location head on a canvas that its cells do not tile: its map would be displaced, and for
    a second look without a network that proposes places.
    """
    if recipe.model.location == "auto":
        recipe = _decided(recipe, catalog, split, quiet=quiet)
    if recipe.model.location == "on":
        _assert_whole_cells(recipe)
    if recipe.model.second_look == "on":
        _assert_second_look(recipe)
    return recipe


def _decided(recipe: Recipe, catalog: Catalog, split: Split, *, quiet: bool) -> Recipe:
    train = split.frame.filter(pl.col("subset") == "train").join(catalog.frame, on="image_id", how="inner")
    boxes = train.filter(pl.col("boxes").list.len() > 0).height
    on = boxes > 0 and can_locate(recipe.model.name)
    if on and not quiet:
        say(f"  location head: {boxes} training images have boxes (model.location=off leaves it out)")
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"location": "on" if on else "off"})})


def _assert_second_look(recipe: Recipe) -> None:
    if recipe.model.location != "on" or recipe.model.weights in NAMED_WEIGHTS:
        raise RecipeError(
            "a second look needs a finished network with a location head, and images with boxes",
            field="model.second_look",
            repair="Name its run or bundle in model.weights, or set model.second_look=off",
        )
    for field, least in (
        ("preprocess.size", recipe.preprocess.size),
        ("train.progressive", min(recipe.train.progressive, default=LEAST_SIZE)),
    ):
        if least < LEAST_SIZE:
            raise RecipeError(
                f"a second look needs images of {LEAST_SIZE} pixels or more, not {least}",
                field=field,
                repair="Enlarge them, or set model.second_look=off",
            )
    train = recipe.train
    for setting, used in (("teachers", train.teachers), ("mixup", train.mixup), ("part_weight", train.part_weight)):
        if used:
            raise RecipeError(
                f"a second look learns places, for which there is no {setting}",
                field=f"train.{setting}",
                repair="Leave it out, or set model.second_look=off",
            )


def _assert_whole_cells(recipe: Recipe) -> None:
    size = recipe.preprocess.size
    if size % COARSEST:
        near = size // COARSEST * COARSEST
        raise RecipeError(
            f"a location head needs a multiple of {COARSEST} pixels, not {size}",
            field="preprocess.size",
            repair=f"Set it to {max(near, COARSEST)} or {near + COARSEST}, or model.location=off",
        )
