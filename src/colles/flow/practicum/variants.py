"""The same data divided otherwise: a small part of it, or carelessly, to show what that does to the scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from colles.datasets.catalog import Catalog
from colles.datasets.split import Split, split_digest
from colles.flow.practicum.walk import Practicum
from colles.flow.workspace import Workspace

PART: Mapping[str, int] = {"train": 600, "val": 200, "test": 400}
"""Images at most in each subset of a part; the phantoms are fewer."""


def draw_part(practicum: Practicum, most: Mapping[str, int] = PART, seed: int = 0) -> Practicum:
    """Return the same data with at most so many images in each subset: whole groups, drawn by seed."""
    frame = practicum.split.frame
    rng = np.random.default_rng(seed)
    kept = [_draw(frame.filter(pl.col("subset") == name), count, rng) for name, count in most.items()]
    return with_split(practicum, pl.concat(kept), "part")


def _draw(rows: pl.DataFrame, most: int, rng: np.random.Generator) -> pl.DataFrame:
    sizes = rows.group_by("group_id").len().sort("group_id")
    drawn = sizes[rng.permutation(sizes.height).tolist()].filter(pl.col("len").cum_sum() <= most)
    return rows.filter(pl.col("group_id").is_in(drawn["group_id"].to_list()))


def with_split(practicum: Practicum, frame: pl.DataFrame, name: str) -> Practicum:
    """Return the same data under another division (image_id, group_id, subset), however careless it is."""
    return _variant(practicum, practicum.catalog, frame, name)


def with_test_copies(practicum: Practicum, name: str) -> Practicum:
    """Return the same data with every test image in train as well, as copies made before a split would be."""
    catalog, split = practicum.catalog, practicum.split.frame
    copies = split.filter(pl.col("subset") == "test").with_columns(
        original=pl.col("image_id"), image_id=pl.col("image_id") + " (copy)", subset=pl.lit("train")
    )
    rows = catalog.frame.join(copies.select("original", copy="image_id"), left_on="image_id", right_on="original")
    rows = rows.with_columns(image_id="copy").drop("copy")
    both = pl.concat([catalog.frame, rows.select(catalog.frame.columns)])
    return _variant(practicum, Catalog(both), pl.concat([split, copies.select(split.columns)]), name)


def _variant(practicum: Practicum, catalog: Catalog, frame: pl.DataFrame, name: str) -> Practicum:
    space = Workspace(practicum.space.out / "variants" / name)
    ordered = frame.sort("image_id")
    summary = {"catalog_digest": catalog.digest, "split_digest": split_digest(ordered), "excluded": []}
    catalog.save(space.catalog)
    Split(ordered, summary).save(space.split)
    return replace(practicum, space=space)
