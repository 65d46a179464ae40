"""Folds for cross-validation: train and val of a split divided anew by group; test stays where it is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import polars as pl

from colles.core.errors import InputError
from colles.core.recipe import SplitRecipe
from colles.datasets.catalog import Catalog
from colles.datasets.grouping import copy_sets
from colles.datasets.naming import trust_names
from colles.datasets.selection import contradicting, evaluation_only, evaluation_weight
from colles.datasets.split import Split, split_digest
from colles.datasets.stratify import Member, allocate


def validation_folds(split: Split, catalog: Catalog, folds: int, recipe: SplitRecipe, *, seed: int) -> list[Split]:
    """Return `folds` splits: each image of train and val is in val of one of them and in train of the others.

    As in any val, one of several copies (augmented, or equal files) is judged, and none that equal files contradict.
    Raise `InputError` where a fold cannot hold both classes.
    """
    split.assert_matches(catalog)
    pool = split.frame.filter(pl.col("subset").is_in(["train", "val"]))
    rows = trust_names(catalog.frame).drop("group_id").join(pool, on="image_id", how="inner").sort("image_id")
    copies = copy_sets(rows, None)
    doubtful = contradicting(rows, copies)
    weight = evaluation_weight(rows, doubtful, copies, recipe)
    members = [
        Member(group, (f"label {label}|{source}", f"label {label}", "all"), int(label), weight[image])
        for image, group, label, source in rows.select("image_id", "group_id", "label", "source").iter_rows()
    ]
    shares = {f"fold {number}": 1.0 / folds for number in range(1, folds + 1)}
    try:
        place = allocate(members, shares, seed)
    except InputError as error:
        repair = "Choose fewer folds, or add images"
        reason = error.message.replace(", ".join(shares), f"{folds} folds")
        raise InputError(reason, field="train.folds", repair=repair) from error
    made = []
    for name in shares:
        groups = rows.select("image_id", "group_id").iter_rows()
        subset = {image: "val" if place[group] == name else "train" for image, group in groups}
        made.append(_fold(split, name, subset, evaluation_only(rows, subset, doubtful, copies, recipe)))
    return made


def _fold(split: Split, name: str, subset: dict[str, str], left_out: Collection[str]) -> Split:
    pool = split.frame.filter(pl.col("subset").is_in(["train", "val"]) & ~pl.col("image_id").is_in(list(left_out)))
    moved = pool.with_columns(subset=pl.col("image_id").replace_strict(subset))
    kept = split.frame.filter(~pl.col("subset").is_in(["train", "val"]))
    frame = pl.concat([moved, kept]).sort("image_id")
    return replace(split, frame=frame, summary={**split.summary, "split_digest": split_digest(frame), "fold": name})
