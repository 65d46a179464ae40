"""The audit of a catalog: catalog → issues, counts and groups → audit.json, clusters.csv."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from colles.core.errors import TableError
from colles.core.files import existing_file, read_json, write_json
from colles.core.recipe import AuditRecipe
from colles.core.records import SUBSETS, Issue
from colles.core.tables import read_table, require_columns, write_table
from colles.datasets.audit.conflicts import label_conflicts
from colles.datasets.audit.duplicates import Duplicates, Embeddings, find_duplicates
from colles.datasets.audit.integrity import (
    broken_files,
    correction_counts,
    corrections,
    mislabelled_metadata,
    missing_labels,
    notices,
    odd_pictures,
    wrong_endings,
)
from colles.datasets.audit.leaks import Leak, find_leaks, joined_leaks, leak_counts
from colles.datasets.audit.practices import leaking_practices
from colles.datasets.audit.shortcuts import find_shortcuts, shortcut_issues
from colles.datasets.catalog import Catalog
from colles.datasets.grouping import kin_of
from colles.datasets.naming import trust_names

CLUSTER_SCHEMA = {"image_id": pl.String, "group_id": pl.String, "copy_id": pl.String}


@dataclass(frozen=True)
class Audit:
    """What an audit found."""

    summary: dict[str, Any]
    issues: tuple[Issue, ...]
    clusters: pl.DataFrame
    """image_id, group_id (kin and duplicates joined), copy_id (null where there is no duplicate); readable images."""

    @property
    def has_leak(self) -> bool:
        """Tell whether a unit lies on several sides of the split that was looked at."""
        return any(issue.kind == "split_leak" for issue in self.issues)

    def save(self, folder: str | Path) -> Path:
        """Write audit.json and clusters.csv."""
        out = Path(folder)
        write_table(self.clusters, out / "clusters.csv")
        issues = [issue.model_dump(mode="json") for issue in self.issues]
        write_json(out / "audit.json", {"summary": self.summary, "issues": issues})
        return out

    @classmethod
    def load(cls, folder: str | Path) -> Audit:
        """Read what `save` wrote; raise `MissingInputError` or `TableError`."""
        file = existing_file(Path(folder) / "audit.json", repair="Run `colles audit` first")
        content = read_json(file)
        try:
            issues = tuple(Issue.model_validate(issue) for issue in content["issues"])
            summary = dict(content["summary"])
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            raise TableError("not an audit", path=file, repair="Run `colles audit` again") from error
        return cls(summary, issues, read_clusters(Path(folder) / "clusters.csv"))


def read_clusters(path: str | Path) -> pl.DataFrame:
    """Read the groups of an audit, as they are written: a group 007 stays 007; raise as `read_table` does."""
    return read_table(path, ("image_id", "group_id"), as_text=True)


def audit_catalog(
    catalog: Catalog,
    recipe: AuditRecipe,
    *,
    split: pl.DataFrame | None = None,
    embeddings: Embeddings | None = None,
) -> Audit:
    """Look for broken files, copies, contradicting labels, leaks and shortcuts.

    Leaks are looked for across `split` (image_id, subset) where it is given, else across the sources' own splits.
    `embeddings` (image_id → features of a network) propose more pairs of copies.
    Raise `TableError` where the split does not belong to the catalog or names an image twice, `MissingInputError` where
    a file is gone, `StaleInputError` where it has other bytes than it was catalogued with, `UnreadableImageError` where
    this machine cannot decode it.
    """
    frame = trust_names(catalog.frame)
    sides = _given_sides(frame) if split is None else _sides(frame, split)
    duplicates = find_duplicates(frame, recipe, embeddings)
    copies = duplicates.clusters
    clusters = cluster_table(frame, copies)
    leaks = list(find_leaks(frame, copies, sides))
    leaks += joined_leaks(clusters, sides, leaks)
    name = "the sources' own split" if split is None else "the split"
    shortcuts = find_shortcuts(frame, clusters)
    issues = (
        *broken_files(frame),
        *(leak.issue(name) for leak in leaks),
        *label_conflicts(frame, copies),
        *duplicates.issues(),
        *mislabelled_metadata(frame),
        *missing_labels(frame),
        *odd_pictures(frame),
        *wrong_endings(frame),
        *corrections(frame),
        *shortcut_issues(shortcuts),
    )
    summary = {
        **_summary(catalog, recipe, issues, duplicates, clusters),
        "leaks": _leak_summary(name, leaks),
        "practices": leaking_practices(frame, copies, sides, name),
        "shortcuts": [found.to_json() for found in shortcuts],
        "notices": notices(frame),
    }
    return Audit(summary, issues, clusters)


def cluster_table(frame: pl.DataFrame, copies: Iterable[Iterable[str]]) -> pl.DataFrame:
    """Join kin (catalog group, patient, study, base name) and the sets of copies, a row a readable image.

    A joined group takes the first name of its members' groups in alphabetical order, so it is the same on every run.
    """
    copy_of: dict[str, str] = {}
    for ids in map(sorted, copies):
        copy_of |= dict.fromkeys(ids, ids[0])
    kin = kin_of(trust_names(frame.filter(pl.col("status") == "ok")), copy_of)
    table = [(image, name, copy_of.get(image)) for image, name in kin.items()]
    return pl.DataFrame(table, schema=CLUSTER_SCHEMA, orient="row")


def _given_sides(frame: pl.DataFrame) -> dict[str, str | None]:
    rows = frame.filter(pl.col("status") == "ok").select("image_id", "given_split")
    return dict(rows.iter_rows())


def _sides(frame: pl.DataFrame, split: pl.DataFrame) -> dict[str, str | None]:
    require_columns(split, ("image_id", "subset"))
    strangers = set(split["image_id"]) - set(frame["image_id"])
    if strangers:
        text = f"{len(strangers)} images of the split are not in the catalog, such as {min(map(str, strangers))}"
        raise TableError(text, field="image_id", repair="Give the split that was made from this catalog")
    twice = set(split.filter(split["image_id"].is_duplicated())["image_id"])
    if twice:
        text = f"{len(twice)} images of the split appear twice, such as {min(map(str, twice))}"
        raise TableError(text, field="image_id", repair="Write one line an image")
    unknown = set(split["subset"].drop_nulls()) - set(SUBSETS)
    if unknown:
        raise TableError(f"unknown subset {min(unknown)!r}", field="subset", repair=f"Use {', '.join(SUBSETS)}")
    return dict(split.select("image_id", "subset").iter_rows())


def _leak_summary(name: str, leaks: list[Leak]) -> dict[str, Any]:
    return {"across": name, **leak_counts(leaks)}


def _summary(
    catalog: Catalog, recipe: AuditRecipe, issues: Iterable[Issue], duplicates: Duplicates, clusters: pl.DataFrame
) -> dict[str, Any]:
    frame = catalog.frame
    sizes = clusters.group_by("group_id").len()["len"]
    copies = duplicates.clusters
    return {
        "catalog_digest": catalog.digest,
        "recipe": recipe.model_dump(mode="json"),
        "images": len(frame),
        "status": dict(sorted(Counter(frame["status"].to_list()).items())),
        "issues": dict(sorted(Counter(issue.kind for issue in issues).items())),
        "duplicates": {
            "exact_sets": len(duplicates.exact),
            "near_pairs": len(duplicates.near),
            "clusters": len(copies),
            "images": sum(map(len, copies)),
            "largest": max(map(len, copies), default=0),
            "candidates": duplicates.candidates,
            "rejected": duplicates.rejected,
            "flat": len(duplicates.flat),
            "methods": list(duplicates.methods),
            "found_by": dict(sorted(Counter(by for pair in duplicates.near for by in pair.found_by).items())),
        },
        "groups": {"n": len(sizes), "largest": int(str(sizes.max() or 0))},
        "corrections": correction_counts(frame),
    }
