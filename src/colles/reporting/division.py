"""How the images of a run were divided, and where those that were judged come from, as far as its files tell."""

from __future__ import annotations

from typing import Literal

import polars as pl

from colles.datasets.split_table import COLUMNS, split_digest
from colles.reporting.artefacts import Artefacts
from colles.reporting.formats import subset_name
from colles.reporting.tables import with_subset

Made = Literal["made", "edited", "adopted"]


def how_divided(run: Artefacts) -> Made | None:
    """Tell whether colles made the split, a person edited it since, or it is a table of their own; None: not known."""
    split, summary = run.split, run.split_summary
    if split is None or summary is None or not set(COLUMNS) <= set(split.columns):
        return None
    if split_digest(split) != summary.get("split_digest"):
        return "edited"
    return "adopted" if summary.get("adopted") else "made"


def origin(run: Artefacts, subset: str) -> str:
    """Say in a clause whether a subset's images come from the sources of the training images."""
    judged, trained = (_sources(run, name) for name in (subset, "train"))
    images = f"the {subset_name(subset)} images"
    if not judged or not trained:
        return f"nothing in the run tells whether {images} come from the sources of the training images"
    if judged <= trained:
        return f"{images} come from the sources of the training images"
    others = ", ".join(sorted(judged - trained))
    return f"{images} come, in part or all, from sources that no training image comes from ({others})"


def _sources(run: Artefacts, subset: str) -> set[str]:
    if run.catalog is None or run.split is None:
        return set()
    return set(with_subset(run.catalog, run.split).filter(pl.col("subset") == subset)["source"].to_list())
