"""Which rows take part in a split, and which of them may be evaluated on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Set

import polars as pl

from colles.core.errors import UsageError
from colles.core.recipe import SplitRecipe
from colles.datasets.union_find import Groups

_JUDGED = ("val", "test", "external")


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


def radiographs(rows: pl.DataFrame, copies: Mapping[str, str]) -> dict[str, str]:
    """Return image_id → its radiograph, named by its first image: augmented copies of one name, and copies found.

    Copies with the other label, whose radiographs share no more than a name or are left out, stay apart.
    """
    joined: Groups[tuple[str, ...]] = Groups()
    for image, label, *name in rows.sort("image_id").select("image_id", "label", "source", "base_name").iter_rows():
        joined.find(("image", image))
        if name[1] is not None:
            joined.join(("image", image), ("name", str(label), *name))
        if image in copies:
            joined.join(("image", image), ("copies", str(label), copies[image]))
    found: dict[str, str] = {}
    for members in joined.sets():
        images = [member[1] for member in members if member[0] == "image"]
        found |= dict.fromkeys(images, min(images))
    return found


def evaluation_weight(
    rows: pl.DataFrame, doubtful: set[str], copies: Mapping[str, str], recipe: SplitRecipe
) -> dict[str, float]:
    """Return what an image counts for in val or test: one over its copies, 0 where its label is in doubt."""
    sure = rows.filter(~pl.col("image_id").is_in(list(doubtful)))
    of = radiographs(sure, copies) if recipe.evaluation_copies == "one" else {}
    counts = Counter(of.values())
    images = rows["image_id"].to_list()
    return {image: 0.0 if image in doubtful else 1.0 / counts.get(of.get(image, ""), 1) for image in images}


def evaluation_only(
    rows: pl.DataFrame,
    subset: Mapping[str, str],
    doubtful: set[str],
    copies: Mapping[str, str],
    recipe: SplitRecipe,
    *,
    kept: Set[str] = frozenset(),
) -> dict[str, str]:
    """Return image_id → reason of the images that val, test and external leave out; those in `kept` never."""
    judged = [image for image in subset if subset[image] in _JUDGED]
    left_out = {image: "contradicting labels of duplicates" for image in judged if image in doubtful - kept}
    of = radiographs(rows, copies) if recipe.evaluation_copies == "one" else {}
    names = dict(rows.select("image_id", "base_name").iter_rows())
    taken: dict[str, set[str | None]] = {}
    for image in sorted(judged, key=lambda name: (name not in kept, _draw(name, recipe.seed))):
        if image in left_out or image not in of:
            continue
        known = taken.setdefault(of[image], set())
        if known and image not in kept:
            augmented = names[image] is not None and names[image] in known
            left_out[image] = "augmented copy" if augmented else "copy of an image that is judged"
        known.add(names[image])
    return left_out


def _draw(image: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{image}".encode()).hexdigest()
