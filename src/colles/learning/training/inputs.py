"""What a training depends on, kept beside its checkpoints so that only the same training goes on from them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from colles.core.dotted import dotted
from colles.core.errors import CollesError, StaleInputError
from colles.core.files import read_json, sha256_file, write_json
from colles.core.recipe import Recipe
from colles.core.recipe_train import FREE
from colles.learning.weights_file import find_weights

NAME = "inputs.json"
BEST = ("best.safetensors", "best.json")
"""What a finished training leaves beside them."""
RETRAIN = "Copy it back, or train into another folder"
MEMBERS = "members.json"
"""In a run folder: it holds several trainings, whose mean is its model."""


def describe_inputs(recipe: Recipe, catalog_digest: str, split_digest: str) -> dict[str, Any]:
    """Return the settings and digests that decide a training's result."""
    return {
        "catalog": catalog_digest,
        "split": split_digest,
        "seed": recipe.seed,
        "preprocess": recipe.preprocess.model_dump(mode="json"),
        "model": recipe.model.model_dump(mode="json"),
        "train": recipe.train.deciding(),
        "contents": describe_contents(recipe),
    }


def describe_contents(recipe: Recipe) -> dict[str, str]:
    """Return digests of the local networks that a training starts from and learns from; gone ones are left out."""
    found = {}
    for name, path in recipe.networks().items():
        with suppress(CollesError):
            found[name] = sha256_file(find_weights(Path(path)))
    return found


def save_inputs(folder: Path, inputs: dict[str, Any]) -> None:
    """Write the inputs beside the checkpoints, before the first of them; networks that are gone since stay known."""
    known = (read_inputs(folder) or {}).get("contents", {})
    write_json(folder / NAME, {**inputs, "contents": {**known, **inputs["contents"]}})


def read_inputs(folder: Path) -> dict[str, Any] | None:
    """Return what the training begun in `folder` depends on; None where that was not kept.

    Raise `StaleInputError` for a file that says something else.
    """
    file = folder / NAME
    if not file.is_file():
        return None
    inputs = read_json(file)
    if not isinstance(inputs, dict) or not all(isinstance(inputs.get(key, {}), dict) for key in ("contents", "train")):
        raise StaleInputError("does not say what was trained", path=file, repair=RETRAIN)
    return inputs


def assert_same_inputs(folder: Path, inputs: dict[str, Any]) -> None:
    """Raise `StaleInputError` naming what differs from the training begun in `folder`; nothing begun is fine."""
    kept = read_inputs(folder)
    changed = [] if kept is None else _changed(kept, inputs)
    if changed:
        raise StaleInputError(
            f"the begun training had another {', '.join(changed)}",
            path=folder,
            repair="Resume with what it began with, or train into another folder",
        )


def same_inputs(folder: Path, inputs: dict[str, Any]) -> bool | None:
    """Tell whether the training begun in `folder` had these inputs; None where that was not kept."""
    kept = read_inputs(folder)
    return None if kept is None else not _changed(kept, inputs)


def assert_same_division(recipe: Recipe, catalog_digest: str, split_digest: str) -> None:
    """Raise `StaleInputError` for a network of the recipe that was trained on another division of the same catalog.

    What it learned from could be in val or test here, the folds of a cross-validation among them.
    """
    for name, path in recipe.networks().items():
        known = _division(Path(path))
        if known.get("catalog") == catalog_digest and known.get("split") != split_digest:
            raise StaleInputError(
                "it was trained on another division of these images: val or test may hold what it learned from",
                path=Path(path),
                field=name,
                repair="Train it on this split, or start from weights of other images",
            )


def _division(path: Path) -> dict[str, Any]:
    """Return the digests of catalog and split that a run or a bundle was trained on, as far as it tells them.

    The folds of a cross-validation have learned from val too, so theirs is no split of any training.
    """
    try:
        folder = find_weights(path).parent
    except CollesError:  # weights that are not there are refused where they are loaded
        return {}
    if (inputs := read_inputs(folder)) is not None:
        return {**inputs, "split": None} if inputs.get("train", {}).get("folds") else inputs
    try:
        told = read_json(folder / "metadata.json").get("training", {})
        split = None if told.get("out_of_fold") else told.get("split_digest")
        return {"catalog": told.get("catalog_digest"), "split": split}
    except (CollesError, AttributeError):  # weights of elsewhere say nothing
        return {}


def _changed(kept: dict[str, Any], inputs: dict[str, Any]) -> list[str]:
    # a network that is gone cannot be compared; a begun training that knew no digests neither
    old, new = kept.get("contents", {}), inputs["contents"]
    other = sorted(name for name in old.keys() & new.keys() if old[name] != new[name])
    before, now = (dotted({**each, "contents": {}}) for each in (kept, inputs))
    # a setting that is newer than the begun training had its default then
    defaults = dotted(Recipe().model_dump(mode="json"))
    before = {**{key: defaults[key] for key in now.keys() - before.keys() if key in defaults}, **before}
    known = (before.keys() | now.keys()) - {f"train.{name}" for name in FREE}  # an earlier version may have kept one
    changed = sorted(key for key in known if before.get(key) != now.get(key))
    return changed + [f"network at {name}" for name in other]
