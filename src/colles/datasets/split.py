"""Make a split: by group and recipe, in folds, from an old split that is kept, or from a table of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from colles.core.errors import InputError, LeakError, StaleInputError, TableError, UsageError
from colles.core.recipe import SplitRecipe
from colles.core.tables import require_columns
from colles.datasets.audit.audit import CLUSTER_SCHEMA
from colles.datasets.balance import balance, deviation, doubts, group_summary
from colles.datasets.catalog import Catalog
from colles.datasets.extending import TOO_LARGE, Extension, extend_groups
from colles.datasets.grouping import Grouping, copy_sets, group_images, kin_of
from colles.datasets.naming import trust_names
from colles.datasets.selection import contradicting, evaluation_only, evaluation_weight, usable
from colles.datasets.split_table import COLUMNS, Split, assert_no_leak, assert_usable, split_digest
from colles.datasets.stratify import Member, allocate

__all__ = ["COLUMNS", "Split", "adopt_split", "assert_no_leak", "make_folds", "make_split", "split_digest"]
_EXTERNAL = "external"
_KIN = "kin or copy of an image of another source"


def make_split(
    catalog: Catalog,
    recipe: SplitRecipe,
    *,
    clusters: pl.DataFrame | None = None,
    region: str = "all",
    keep: Split | None = None,
) -> Split:
    """Divide the usable images into train, val and test by group; sources in `recipe.external` are held out.

    Groups join the catalog's groups, blocks of neighbouring file numbers and the duplicates of `clusters` (image_id,
    group_id and, from the audit, copy_id). Images of `keep` stay where they are, and the sources that it holds out stay
    out; with `recipe.folds`, fold `recipe.fold` is test. Raise `InputError` where no split with both classes in every
    subset exists, `StaleInputError` where `clusters` or `keep` belongs to another catalog, `LeakError` where `keep` has
    a group on two sides, `UsageError` where images that it trained or judged on are to be held out.
    """
    if recipe.folds:
        if keep is not None:
            raise UsageError("folds cannot keep an old split", field="split.folds", repair="Leave one of the two out")
        return make_folds(catalog, recipe, clusters=clusters, region=region)[recipe.fold]
    images = _prepare(catalog, recipe, clusters, region, keep)
    shares = {"train": 1.0 - recipe.val - recipe.test, "val": recipe.val, "test": recipe.test}
    members = images.members(recipe)
    place = allocate(members, shares, recipe.seed, fixed=images.fixed)
    return _finish(catalog, images, recipe, place, deviation(members, place, shares))


def make_folds(
    catalog: Catalog, recipe: SplitRecipe, *, clusters: pl.DataFrame | None = None, region: str = "all"
) -> list[Split]:
    """Divide the usable images into `recipe.folds` parts by group: each is test once, the next one val, the rest train.

    Raises as `make_split` does.
    """
    images = _prepare(catalog, recipe, clusters, region, None)
    names = [str(index) for index in range(recipe.folds)]
    members = images.members(recipe)
    shares = dict.fromkeys(names, 1.0 / recipe.folds)
    fold_of = allocate(members, shares, recipe.seed)
    reached = deviation(members, fold_of, shares)
    made = []
    for fold in range(recipe.folds):
        role = {name: "train" for name in names}
        role |= {names[(fold + 1) % recipe.folds]: "val", names[fold]: "test"}
        place = {group: role[name] for group, name in fold_of.items()}
        found = {role[name]: reached[name] for name in (names[(fold + 1) % recipe.folds], names[fold])}
        made.append(_finish(catalog, images, recipe.model_copy(update={"fold": fold}), place, found))
    return made


def adopt_split(catalog: Catalog, table: pl.DataFrame, *, clusters: pl.DataFrame | None = None) -> Split:
    """Take a table (image_id, group_id, subset) made or edited by a person; raise `TableError` or `LeakError`.

    Where a group_id is null, it is that of the catalog, joined by the copies of `clusters`.
    """
    if table.is_empty():
        raise TableError("the table names no image", repair="Give it a line an image: image_id, subset")
    _assert_clusters(catalog, clusters)
    assert_usable(table, catalog)
    readable = trust_names(catalog.frame).filter(pl.col("status") == "ok")
    copies = copy_sets(readable, clusters)
    kin = kin_of(readable, copies)
    table = table.with_columns(pl.col("group_id").fill_null(pl.col("image_id").replace_strict(kin)))
    rows = catalog.frame.filter(pl.col("image_id").is_in(table["image_id"].to_list()))
    summary = {
        "catalog_digest": catalog.digest,
        "split_digest": split_digest(table),
        "adopted": True,
        "balance": balance(table, rows),
        "excluded": [
            {"image_id": image, "reason": "not in the table"}
            for image in sorted(set(catalog.frame["image_id"]) - set(table["image_id"]))
        ],
        "warnings": doubts(rows, dict(table.select("image_id", "group_id").iter_rows())),
    }
    made = Split(table.select(COLUMNS).sort("image_id"), summary)
    known = [(image, name, copies.get(image)) for image, name in kin.items()]
    assert_no_leak(made, catalog, pl.DataFrame(known, schema=CLUSTER_SCHEMA, orient="row"))
    return made


@dataclass
class _Images:
    # What is known of the usable images before they are placed.
    rows: pl.DataFrame
    grouping: Grouping
    doubtful: set[str]
    excluded: list[tuple[str, str]]
    region: str
    external: tuple[str, ...] = ()
    """Sources that are held out."""
    fixed: dict[str, str] = field(default_factory=dict)
    """group → subset, for groups that hold images of the kept split."""
    kept: set[str] = field(default_factory=set)
    """image_ids of the kept split."""
    outside: set[str] = field(default_factory=set)
    """Groups of the sources that are held out."""
    notes: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    copies: Mapping[str, str] = field(default_factory=dict)

    def members(self, recipe: SplitRecipe) -> list[Member]:
        """Return the images to be shared out, as the allocation sees them."""
        weight = evaluation_weight(self.rows, self.doubtful, self.copies, recipe)
        found = []
        for image, label, source, part in self.rows.select("image_id", "label", "source", "body_part").iter_rows():
            group, own = self.grouping.group[image], f"label {label}"
            if group not in self.outside:
                strata = (f"{own}|{source}|{part}", f"{own}|{source}", own, "all")
                found.append(Member(group, strata, int(label), weight[image]))
        return found


def _prepare(
    catalog: Catalog, recipe: SplitRecipe, clusters: pl.DataFrame | None, region: str, keep: Split | None
) -> _Images:
    _assert_clusters(catalog, clusters)
    readable = trust_names(catalog.frame).filter(pl.col("status") == "ok")
    rows, excluded = usable(trust_names(catalog.frame), region)
    if rows.is_empty():
        raise InputError("no usable image is left to split", repair="Check labels, region and broken files")
    copies = copy_sets(readable, clusters)
    wanted = set(rows["image_id"].to_list())
    doubtful = contradicting(readable, copies)
    if keep is None:
        grouping = group_images(
            readable,
            wanted,
            copies,
            block=recipe.block,
            persons=recipe.person_folders,
            max_share=recipe.max_group_share,
        )
        excluded += [(image, TOO_LARGE) for image in grouping.bridges]
        images = _Images(rows, grouping, doubtful, excluded, region, recipe.external)
    else:
        images = _kept(readable, rows, copies, keep, recipe)
        images.excluded, images.doubtful, images.region = [*excluded, *images.excluded], doubtful, region
        images.notes["kept"]["torn_clusters"] = _torn(clusters, keep)
    images.copies = copies
    images.rows = rows.filter(pl.col("image_id").is_in(list(images.grouping.group)))
    _hold_out(images, recipe)
    return images


def _kept(
    readable: pl.DataFrame, rows: pl.DataFrame, copies: Mapping[str, str], keep: Split, recipe: SplitRecipe
) -> _Images:
    wanted = set(rows["image_id"].to_list())
    old = {image: (group, subset) for image, group, subset in keep.frame.iter_rows() if image in wanted}
    _assert_keepable(keep, old)
    made_with = keep.summary.get("groups") or {}
    block = int(made_with.get("block") or recipe.block)
    persons = bool(made_with.get("person_folders", recipe.person_folders or "block" in made_with))
    found = extend_groups(readable, wanted, copies, old, block=block, persons=persons, max_share=recipe.max_group_share)
    notes = {
        "split_digest": keep.digest,
        "images": len(old),
        "gone": len(keep) - len(old),
        "left_out": len(found.left_out),
    }
    held = (keep.summary.get("recipe") or {}).get("external") or ()
    external = tuple(dict.fromkeys((*recipe.external, *held)))
    left_out = sorted(found.left_out.items())
    images = _Images(rows, found.grouping, set(), left_out, "", external, found.fixed, set(old))
    images.notes, images.warnings = {"kept": notes}, [*_gone(len(keep) - len(old)), *_contested(found)]
    return images


def _assert_keepable(keep: Split, old: Mapping[str, tuple[str, str]]) -> None:
    if not old:
        repair = "Keep a split of the same images under the same image_ids: a source keeps its name, and its --salt"
        raise StaleInputError(
            "the kept split shares no usable image with the catalog", field="split.keep", repair=repair
        )
    sides = keep.frame.group_by("group_id").agg(pl.col("subset").unique().sort().str.join(", "))
    torn = sides.filter(pl.col("subset").str.contains(",", literal=True)).sort("group_id").rows(named=True)
    if torn:
        text = f"group {torn[0]['group_id']} of the kept split lies in {torn[0]['subset']}"
        raise LeakError(text, field="split.keep", repair="Put its images on one side of that split first")


def _torn(clusters: pl.DataFrame | None, keep: Split) -> list[str]:
    # Clusters that lie on two sides of the kept split: an image that is left out joins them, or the split leaks.
    if clusters is None:
        return []
    sides = clusters.select("image_id", pl.col("group_id").alias("cluster")).join(keep.frame, on="image_id")
    counts = sides.group_by("cluster").agg(pl.col("subset").n_unique())
    return sorted(counts.filter(pl.col("subset") > 1)["cluster"].to_list())


def _gone(count: int) -> list[str]:
    if not count:
        return []
    text = f"{count} images of the kept split are gone or cannot be used"
    return [f"{text}; those with another name (a source renamed or moved, another --salt) are new, on whatever side"]


def _contested(found: Extension) -> list[str]:
    if not found.contested:
        return []
    text = "join images that the kept split has on two sides: its own leak, or the work of an image that is left out"
    return [f"{', '.join(found.contested[:5])} {text}"]


def _hold_out(images: _Images, recipe: SplitRecipe) -> None:
    unknown = set(recipe.external) - set(images.rows["source"].to_list())
    if unknown:
        known = ", ".join(sorted(set(images.rows["source"].to_list())))
        text = f"no usable image of the source {min(unknown)!r}, which is to be held out"
        raise UsageError(text, field="split.external", repair=f"Its sources: {known}")
    source = dict(images.rows.select("image_id", "source").iter_rows())
    held = {image for image, name in source.items() if name in images.external}
    group = images.grouping.group
    moved = sorted(image for image in held & images.kept if images.fixed[group[image]] != _EXTERNAL)
    if moved:
        text = f"the kept split trains, chooses or judges on {len(moved)} images of {source[moved[0]]}"
        raise UsageError(f"{text}, which cannot be held out", field="split.external", repair="Leave out one of the two")
    inside = {group[image] for image in group if image not in held}
    bridging = {image for image in held if group[image] in inside and image not in images.kept}
    images.excluded += [(image, _KIN) for image in sorted(bridging)]
    images.rows = images.rows.filter(~pl.col("image_id").is_in(list(bridging)))
    left = {image: name for image, name in group.items() if image not in bridging}
    images.grouping = replace(images.grouping, group=left)
    images.outside = {group[image] for image in held} - inside
    images.outside |= {name for name, subset in images.fixed.items() if subset == _EXTERNAL}
    images.fixed = {name: subset for name, subset in images.fixed.items() if name not in images.outside}


def _finish(
    catalog: Catalog, images: _Images, recipe: SplitRecipe, place: Mapping[str, str], reached: dict[str, Any]
) -> Split:
    group = images.grouping.group
    where = {**place, **dict.fromkeys(images.outside, _EXTERNAL)}
    subset = {image: where[name] for image, name in group.items()}
    left_out = evaluation_only(images.rows, subset, images.doubtful, images.copies, recipe, kept=images.kept)
    table = [(image, group[image], subset[image]) for image in sorted(subset) if image not in left_out]
    made = pl.DataFrame(table, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")
    groups, warnings = group_summary(images.grouping, images.rows, recipe)
    excluded = [*images.excluded, *sorted(left_out.items())]
    if images.kept:
        images.notes["kept"]["new"] = len(made) - len(images.kept)
    summary = {
        "catalog_digest": catalog.digest,
        "split_digest": split_digest(made),
        "recipe": recipe.model_copy(update={"external": images.external}).model_dump(mode="json"),
        "region": images.region,
        "balance": balance(made, images.rows),
        "deviation": reached,
        "groups": groups,
        **images.notes,
        "warnings": [*images.warnings, *warnings, *doubts(images.rows, group)],
        "excluded": [{"image_id": image, "reason": reason} for image, reason in excluded],
    }
    return Split(made, summary)


def _assert_clusters(catalog: Catalog, clusters: pl.DataFrame | None) -> None:
    if clusters is None:
        return
    require_columns(clusters, ("image_id", "group_id"))
    readable = catalog.frame.filter(pl.col("status") == "ok")["image_id"].to_list()
    strangers = set(clusters["image_id"].to_list()) ^ set(readable)
    if strangers:
        text = f"the clusters do not belong to the catalog ({len(strangers)} images differ, such as {min(strangers)})"
        raise StaleInputError(text, field="image_id", repair="Run `colles audit` on this catalog again")
