"""One walk through the weeks: the data that were found, prepared as far as the split and the merged folders."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colles.core.files import remove
from colles.core.recipe import Recipe
from colles.core.recipe_text import recipe_from
from colles.datasets.audit.audit import Audit
from colles.datasets.catalog import Catalog
from colles.datasets.registry import DATA_VARIABLE, named_root
from colles.datasets.split import Split
from colles.flow.run import run_stages
from colles.flow.stages import Stages
from colles.flow.workspace import Ledger, Workspace

SETS = {"FracAtlas": "fracatlas", "bonefractureyolo": "yolo"}
"""Folder of each real set → kind of source; its name is the folder's, in small letters."""
_SMALL: dict[str, Any] = {
    "name": "notebook",
    "preprocess": {"size": 96, "mean": [0.5] * 3, "std": [0.5] * 3},
    "model": {"name": "efficientnet_lite0", "location": "off"},
    "train": {"head_epochs": 1, "epochs": 2, "batch_size": 16, "optimizer": "adamw", "lr": 1e-3,
              "scheduler": "onecycle", "allocator": False, "threads": 1},
    "evaluate": {"replicates": 500},
    "explain": {"methods": ["location", "gradcam", "input_gradient"], "per_outcome": 2, "worst": 1},
}  # fmt: skip
"""Small enough for a few minutes on two cores; its networks are worth little."""
_PHANTOMS: dict[str, Any] = {
    "data": {"phantom": {"images": 160, "size": 256, "seed": 0}},
    "split": {"val": 0.25, "test": 0.25},
}


@dataclass(frozen=True)
class Practicum:
    """Where the files of a walk lie and on which data it goes."""

    recipe: Recipe
    space: Workspace
    real: bool

    @property
    def catalog(self) -> Catalog:
        """One row a radiograph."""
        return Catalog.load(self.space.catalog)

    @property
    def audit(self) -> Audit:
        """What is wrong with the data."""
        return Audit.load(self.space.audit)

    @property
    def split(self) -> Split:
        """Who stands where."""
        return Split.load(self.space.split)

    @property
    def found(self) -> str:
        """Say which data were found and what that means."""
        if self.real:
            return f"Real radiographs: {' and '.join(SETS)}, under {DATA_VARIABLE}."
        phantom = self.recipe.data.phantom
        assert phantom is not None
        return (
            f"Simulated radiographs ({phantom.images} files of {phantom.size} px): the software is shown at work, and "
            f"no score says anything about patients. For the real sets name their folder in {DATA_VARIABLE}."
        )


def open_practicum(work: str | Path = "out/notebook") -> Practicum:
    """Choose the data: the real sets where COLLES_DATA holds both, else phantoms; files go under `work`."""
    root = named_root()
    if root is not None and all((root / name).is_dir() for name in SETS):
        sources = [{"kind": kind, "name": name.lower(), "path": name} for name, kind in SETS.items()]
        recipe = recipe_from({**_SMALL, "data": {"sources": sources}, "split": {"val": 0.15, "test": 0.2}})
        return Practicum(recipe, Workspace(Path(work) / "real"), real=True)
    return Practicum(recipe_from({**_SMALL, **_PHANTOMS}), Workspace(Path(work) / "phantom"), real=False)


def prepare(practicum: Practicum, *, rebuild: bool = False) -> Path:
    """Run catalog, audit, split and the merged folders, or skip what is current; return the folder of the merge."""
    with quiet():
        if rebuild:
            remove(practicum.space.out)
        stages = Stages(practicum.recipe, practicum.space, Path())
        run_stages([*stages.data, stages.organize], Ledger(practicum.space.state))
    return practicum.space.organized


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep progress off the page: what a stage says depends on the machine's speed, its results do not."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield
