"""Train a classifier: a recipe, a catalog and its split to a run folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from colles.learning.training.fit import train

__all__ = ["train"]


def __getattr__(name: str) -> Any:
    # torch is loaded with `train`, not with the package: the allocator's settings are read before it
    if name == "train":
        from importlib import import_module

        return import_module("colles.learning.training.fit").train
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
