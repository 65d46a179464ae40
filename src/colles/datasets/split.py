"""The split: catalog and recipe → split.csv (image_id, group_id, subset) with split.json beside it.

Made once, by group, and digested; every loader refuses a catalog that it was not made for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from colles.core.errors import InputError, LeakError, StaleInputError, TableError
from colles.core.files import existing_file, read_json, sha256_json, write_json
from colles.core.recipe import SplitRecipe
from colles.core.records import SUBSETS
from colles.core.tables import read_table, require_columns, write_table
from colles.datasets.audit.leaks import find_leaks
from colles.datasets.balance import balance, group_summary
from colles.datasets.catalog import Catalog
from colles.datasets.grouping import copy_sets, group_images
from colles.datasets.naming import trust_names
from colles.datasets.selection import contradicting, evaluation_only, evaluation_weight, usable
from colles.datasets.stratify import Member, allocate

COLUMNS = ("image_id", "group_id", "subset")
_AGAIN = "Run `colles split` again"


@dataclass(frozen=True)
class Split:
    """Which subset each radiograph belongs to; images left out are not in it."""

    frame: pl.DataFrame
    """image_id, group_id, subset; sorted by image_id."""
    summary: dict[str, Any]
    """catalog_digest, split_digest, recipe, region, balance, groups, excluded, warnings."""

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def digest(self) -> str:
        """Digest of the table."""
        return split_digest(self.frame)

    def subset(self, name: str) -> list[str]:
        """Return the image_ids of a subset, sorted."""
        return sorted(self.frame.filter(pl.col("subset") == name)["image_id"].to_list())

    def assert_matches(self, catalog: Catalog) -> None:
        """Raise `StaleInputError` where the catalog is not the one that was split."""
        if self.summary.get("catalog_digest") != catalog.digest:
            text = "the split was made from another catalog (digests differ)"
            raise StaleInputError(text, field="catalog_digest", repair=_AGAIN)

    def save(self, path: str | Path) -> Path:
        """Write the table and, beside it, the summary as JSON."""
        file = Path(path)
        write_table(self.frame, file)
        write_json(file.with_suffix(".json"), self.summary)
        return file

    @classmethod
    def load(cls, path: str | Path) -> Split:
        """Read what `save` wrote; a table edited since then is marked `edited` in the summary.

        Raise `MissingInputError` or `TableError`.
        """
        file = existing_file(path, repair="Make it with `colles split`")
        frame = read_table(file, COLUMNS).select(pl.col(*COLUMNS).cast(pl.String)).sort("image_id")
        _assert_table(frame, file)
        beside = existing_file(file.with_suffix(".json"), repair=f"It lies beside {file.name}. {_AGAIN}")
        summary = read_json(beside)
        if not isinstance(summary, dict):
            raise TableError("not the summary of a split", path=beside, repair=_AGAIN)
        digest = split_digest(frame)
        if digest != summary.get("split_digest"):
            summary = {**summary, "split_digest": digest, "edited": True}
        return cls(frame, summary)


def split_digest(frame: pl.DataFrame) -> str:
    """Digest a split's table, whatever the order of its rows."""
    return sha256_json(frame.sort("image_id").select(COLUMNS).rows())


def _assert_table(frame: pl.DataFrame, path: Path) -> None:
    unknown = set(frame["subset"].to_list()) - set(SUBSETS)
    if unknown:
        text = f"unknown subset {min(map(str, unknown))!r}"
        raise TableError(text, path=path, field="subset", repair=f"Use {', '.join(SUBSETS)}")
    if frame["image_id"].null_count() or frame["image_id"].is_duplicated().any():
        raise TableError("an image_id is empty or appears twice", path=path, field="image_id", repair=_AGAIN)


def make_split(
    catalog: Catalog, recipe: SplitRecipe, *, clusters: pl.DataFrame | None = None, region: str = "all"
) -> Split:
    """Divide the usable images into train, val and test by group.

    Groups join the catalog's groups, blocks of neighbouring file numbers and the duplicates of `clusters` (image_id,
    group_id and, from the audit, copy_id). Raise `InputError` where no split with both classes in every subset exists,
    `StaleInputError` where `clusters` belongs to another catalog.
    """
    _assert_clusters(catalog, clusters)
    readable = trust_names(catalog.frame).filter(pl.col("status") == "ok")
    rows, excluded = usable(trust_names(catalog.frame), region)
    if rows.is_empty():
        raise InputError("no usable image is left to split", repair="Check labels, region and broken files")
    copies = copy_sets(readable, clusters)
    wanted = set(rows["image_id"].to_list())
    grouping = group_images(readable, wanted, copies, block=recipe.block, max_share=recipe.max_group_share)
    excluded += [(image, "copy that would join groups into one too large") for image in grouping.bridges]
    rows = rows.filter(pl.col("image_id").is_in(list(grouping.group)))
    doubtful = contradicting(readable, copies)
    weight = evaluation_weight(rows, doubtful, recipe.evaluation_copies)
    place = allocate(_members(rows, grouping.group, weight), _shares(recipe), recipe.seed)
    subset = {image: place[group] for image, group in grouping.group.items()}
    left_out = evaluation_only(rows, subset, doubtful, recipe)
    excluded += sorted(left_out.items())
    table = [(image, grouping.group[image], subset[image]) for image in sorted(subset) if image not in left_out]
    made = pl.DataFrame(table, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")
    groups, warnings = group_summary(grouping, recipe)
    summary = {
        "catalog_digest": catalog.digest,
        "split_digest": split_digest(made),
        "recipe": recipe.model_dump(mode="json"),
        "region": region,
        "balance": balance(made, rows),
        "groups": groups,
        "warnings": warnings,
        "excluded": [{"image_id": image, "reason": reason} for image, reason in excluded],
    }
    return Split(made, summary)


def _shares(recipe: SplitRecipe) -> dict[str, float]:
    return {"train": 1.0 - recipe.val - recipe.test, "val": recipe.val, "test": recipe.test}


def _members(rows: pl.DataFrame, group: Mapping[str, str], weight: Mapping[str, float]) -> list[Member]:
    found = []
    for image, label, source, part in rows.select("image_id", "label", "source", "body_part").iter_rows():
        own = f"label {label}"
        strata = (f"{own}|{source}|{part}", f"{own}|{source}", own, "all")
        found.append(Member(group[image], strata, int(label), weight[image]))
    return found


def _assert_clusters(catalog: Catalog, clusters: pl.DataFrame | None) -> None:
    if clusters is None:
        return
    require_columns(clusters, ("image_id", "group_id"))
    readable = catalog.frame.filter(pl.col("status") == "ok")["image_id"].to_list()
    strangers = set(clusters["image_id"].to_list()) ^ set(readable)
    if strangers:
        text = f"the clusters do not belong to the catalog ({len(strangers)} images differ, such as {min(strangers)})"
        raise StaleInputError(text, field="image_id", repair="Run `colles audit` on this catalog again")


def assert_no_leak(split: Split, catalog: Catalog, clusters: pl.DataFrame | None = None) -> None:
    """Raise `LeakError` where a group, patient, study, base name or cluster lies in several subsets."""
    sides: dict[str, str | None] = dict(split.frame.select("image_id", "subset").iter_rows())
    rows = trust_names(catalog.frame).filter(pl.col("image_id").is_in(list(sides)))
    units: dict[str, list[str]] = {}
    for kind, table in (("group", split.frame), ("cluster", clusters)):
        for image, name in () if table is None else table.select("image_id", "group_id").iter_rows():
            units.setdefault(f"{kind} {name}", []).append(image)
    leaks = list(find_leaks(rows, units.values(), sides))
    if leaks:
        text = f"{len(leaks)} units lie on several sides of the split; first: {leaks[0].detail}"
        raise LeakError(text, field="subset", repair=_AGAIN)
