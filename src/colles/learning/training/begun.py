"""Whether what lies in a run folder is a training that may go on."""

from __future__ import annotations

from pathlib import Path

from colles.core.recipe import Recipe
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.learning.training.inputs import BEST, describe_inputs, same_inputs
from colles.learning.training.location import decide_location
from colles.learning.training.mode import shorten
from colles.learning.training.several import joint_inputs, members_of


def is_begun(catalog: Catalog, split: Split, recipe: Recipe, out: Path) -> bool | None:
    """Tell whether `out` holds this very training, begun or finished; None where it does not say what it holds.

    Of several trainings those that are there count. A finished one whose weights are gone is none.
    """
    if recipe.train.folds or recipe.train.seeds > 1:
        members = members_of(catalog, split, recipe)
        joint = same_inputs(out / "checkpoints", joint_inputs(catalog, split, recipe))
        found = [joint] + [_is_begun(catalog, member.split, member.recipe, out / member.name) for member in members]
        known = [each for each in found if each is not None]
        return all(known) if known else None
    return _is_begun(catalog, split, recipe, out)


def _is_begun(catalog: Catalog, split: Split, recipe: Recipe, out: Path) -> bool | None:
    folder = out / "checkpoints"
    if (folder / "finished.json").is_file() and not all((folder / name).is_file() for name in BEST):
        return False  # nothing would ever write them again
    decided = shorten(decide_location(recipe, catalog, split, quiet=True))
    return same_inputs(folder, describe_inputs(decided, catalog.digest, split.digest))
