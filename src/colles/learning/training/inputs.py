"""What a training depends on, kept beside its checkpoints so that only the same training goes on from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from colles.core.errors import StaleInputError
from colles.core.files import read_json, write_json
from colles.core.recipe import Recipe

NAME = "inputs.json"
# These change how fast a training runs and how long it may, not what the next epoch does.
_FREE = {"device", "threads", "workers", "allocator", "strict", "max_bad_share", "prior_correction"}


def describe_inputs(recipe: Recipe, catalog_digest: str, split_digest: str) -> dict[str, Any]:
    """Return the settings and digests that decide a training's result."""
    return {
        "catalog": catalog_digest,
        "split": split_digest,
        "seed": recipe.seed,
        "preprocess": recipe.preprocess.model_dump(mode="json"),
        "model": recipe.model.model_dump(mode="json"),
        "train": recipe.train.model_dump(mode="json", exclude=_FREE),
    }


def save_inputs(folder: Path, inputs: dict[str, Any]) -> None:
    """Write the inputs beside the checkpoints, before the first of them."""
    write_json(folder / NAME, inputs)


def assert_same_inputs(folder: Path, inputs: dict[str, Any]) -> None:
    """Raise `StaleInputError` naming what differs from the training begun in `folder`; nothing begun is fine."""
    if not (folder / NAME).is_file():
        return
    before, now = dict(_flat(read_json(folder / NAME))), dict(_flat(inputs))
    # a setting that is newer than the begun training had its default then
    defaults = dict(_flat(Recipe().model_dump(mode="json")))
    before = {**{key: defaults[key] for key in now.keys() - before.keys() if key in defaults}, **before}
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if changed:
        raise StaleInputError(
            f"the begun training had another {', '.join(changed)}",
            path=folder,
            repair="Resume with what it began with, or train into another folder",
        )


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
