"""Which rows take part in a split, and which of them may be evaluated on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Set

import polars as pl

from colles.core.errors import UsageError
from colles.core.recipe import SplitRecipe

_JUDGED = ("val", "test", "external")
_COPY_KEY = ("source", "base_name", "label")  # one base name with both labels: two radiographs share the name


def usable(frame: pl.DataFrame, region: str) -> tuple[pl.DataFrame, list[tuple[str, str]]]:
    """Return the labelled, readable rows of a region sorted by image_id, and (image_id, reason) of all others."""
    if region not in ("all", "upper_limb"):
        raise UsageError(f"unknown region {region!r}", field="region", repair="Use all or upper_limb")
    reason = (
        pl.when(pl.col("status") == "dropped")
        .then(pl.lit("dropped by a reader"))
        .when(pl.col("status") != "ok")
        .then(pl.format("{} file", "status"))
        .when(pl.col("label").is_null())
        .then(pl.lit("label unknown"))
        .when((pl.col("upper_limb").fill_null(False).not_()) & pl.lit(region == "upper_limb"))
        .then(pl.lit("not of the upper limb"))
    )
    rows = frame.sort("image_id").with_columns(reason.alias("left_out"))
    others = list(rows.filter(pl.col("left_out").is_not_null()).select("image_id", "left_out").iter_rows())
    return rows.filter(pl.col("left_out").is_null()).drop("left_out"), others


def contradicting(rows: pl.DataFrame, copies: Mapping[str, str]) -> set[str]:
    """Return the image_ids whose duplicates carry the other label."""
    labels: dict[str, set[int]] = {}
    for image, label in rows.select("image_id", "label").iter_rows():
        if image in copies and label is not None:
            labels.setdefault(copies[image], set()).add(label)
    return {image for image in rows["image_id"].to_list() if len(labels.get(copies.get(image, ""), ())) > 1}


def _copy_keys(rows: pl.DataFrame) -> dict[str, tuple[str, ...]]:
    named = rows.filter(pl.col("base_name").is_not_null())
    return {image: tuple(map(str, key)) for image, *key in named.select("image_id", *_COPY_KEY).iter_rows()}


def evaluation_weight(rows: pl.DataFrame, doubtful: set[str], copies: str) -> dict[str, float]:
    """Return what an image counts for in val or test: one over its augmented copies, 0 where its label is in doubt."""
    keys = _copy_keys(rows) if copies == "one" else {}
    counts = Counter(key for image, key in keys.items() if image not in doubtful)
    images = rows["image_id"].to_list()
    share = {image: 1.0 / counts[keys[image]] if image in keys and image not in doubtful else 1.0 for image in images}
    return {image: 0.0 if image in doubtful else share[image] for image in images}


def evaluation_only(
    rows: pl.DataFrame,
    subset: Mapping[str, str],
    doubtful: set[str],
    recipe: SplitRecipe,
    *,
    kept: Set[str] = frozenset(),
) -> dict[str, str]:
    """Return image_id → reason of the images that val, test and external leave out; those in `kept` never."""
    judged = [image for image in subset if subset[image] in _JUDGED]
    left_out = {image: "contradicting labels of duplicates" for image in judged if image in doubtful - kept}
    keys = _copy_keys(rows) if recipe.evaluation_copies == "one" else {}
    taken: set[tuple[str, ...]] = set()
    for image in sorted(judged, key=lambda name: (name not in kept, _draw(name, recipe.seed))):
        if image in left_out or image not in keys:
            continue
        if keys[image] in taken and image not in kept:
            left_out[image] = "augmented copy"
        taken.add(keys[image])
    return left_out


def _draw(image: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{image}".encode()).hexdigest()
