"""The split as a file: split.csv (image_id, group_id, subset) with split.json beside it.

Made once, by group, and digested; every loader refuses a catalog that it was not made for. A person may edit the table:
it is then checked again whenever it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from colles.core.errors import LeakError, StaleInputError, TableError, UsageError
from colles.core.files import existing_file, read_json, sha256_json_list, write_json
from colles.core.names import SUBSET_WORDS, suggest
from colles.core.records import SUBSETS
from colles.core.tables import read_table, write_table
from colles.datasets.audit.audit import cluster_table
from colles.datasets.audit.leaks import find_leaks, joined_leaks
from colles.datasets.catalog import Catalog
from colles.datasets.exact import exact_copies
from colles.datasets.naming import trust_names
from colles.datasets.rows import PART

COLUMNS = ("image_id", "group_id", "subset")
COPIES_UNKNOWN = "changed copies of one radiograph were not looked for"
"""How a warning begins of a split that was made without an audit's groups."""
_AGAIN = "Run `colles split` again"
_TAKE_IN = "Take the table in: colles split CATALOG --check TABLE --out FILE"
_BESIDE = (
    "Run `colles split` again, or take a table of your own in with `colles split CATALOG --check TABLE --out FILE`"
)


@dataclass(frozen=True)
class Split:
    """Which subset each radiograph belongs to; images left out are not in it."""

    frame: pl.DataFrame
    """image_id, group_id, subset; sorted by image_id."""
    summary: dict[str, Any]
    """catalog_digest, split_digest, recipe, region, balance, groups, excluded, warnings."""
    path: Path | None = field(default=None, compare=False)
    """Where it was read; None of one that was just made."""

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def digest(self) -> str:
        """Digest of the table."""
        return split_digest(self.frame)

    def subset(self, name: str) -> list[str]:
        """Return the image_ids of a subset, sorted; raise `UsageError` for a name that none has."""
        word = SUBSET_WORDS.get(name.strip().lower(), name.strip().lower())
        if word not in SUBSETS:
            raise UsageError(f"no subset {name!r}", repair=suggest(word, SUBSETS, f"Use {', '.join(SUBSETS)}"))
        return sorted(self.frame.filter(pl.col("subset") == word)["image_id"].to_list())

    def assert_matches(self, catalog: Catalog) -> None:
        """Raise `StaleInputError` where the catalog is not the one that was split.

        A table that was edited is checked as well: `TableError` for images that cannot be used, `LeakError`.
        """
        if self.summary.get("catalog_digest") != catalog.digest:
            text = "the split was made from another catalog (digests differ)"
            raise StaleInputError(text, path=self.path, field="catalog_digest", repair=_AGAIN)
        if self.summary.get("edited"):
            assert_usable(self.frame, catalog)
            # One that keeps an older split may have equal files on two sides, as it told when it was made.
            equal = [] if self.summary.get("kept") else exact_copies(catalog.frame.filter(pl.col("status") == "ok"))
            assert_no_leak(self, catalog, cluster_table(catalog.frame, equal))

    def save(self, path: str | Path) -> Path:
        """Write the table and, beside it, the summary as JSON; raise `UsageError` for a table that ends in .json."""
        file, beside = Path(path), summary_file(path)
        write_table(self.frame, file)
        write_json(beside, self.summary)
        return file

    @classmethod
    def load(cls, path: str | Path) -> Split:
        """Read what `save` wrote; a table edited since then is marked `edited` in the summary.

        Raise `MissingInputError` or `TableError`.
        """
        file, frame = Path(path), read_split_table(path)
        beside = existing_file(summary_file(file), repair=_BESIDE)
        summary = read_json(beside)
        if not isinstance(summary, dict):
            raise TableError("not the summary of a split", path=beside, repair=_AGAIN)
        digest = split_digest(frame)
        if digest != summary.get("split_digest"):
            summary = {**summary, "split_digest": digest, "edited": True}
        return cls(frame, summary, file)


def left_out(summary: Mapping[str, Any], path: str | Path) -> str:
    """Say how many images the split at `path`, described by `summary`, leaves out, and where the reasons are."""
    return f"{len(summary['excluded'])} left out; the reasons are in {summary_file(path)}"


def summary_file(path: str | Path) -> Path:
    """Return where the summary of a split lies, beside its table; raise `UsageError` where both would be one file."""
    file = Path(path)
    if file.suffix.lower() == ".json":
        repair = "Let the table end in .csv, .parquet or .jsonl"
        raise UsageError("is where the summary of a split goes, not its table", path=file, repair=repair)
    return file.with_suffix(".json")


def read_split_table(path: str | Path, *, grouped: bool = True) -> pl.DataFrame:
    """Read the table alone (image_id, group_id, subset); raise `MissingInputError` or `TableError`.

    Without `grouped`, a table made by a person may lack the column group_id, or values of it: they are null then. Its
    lines without a subset are left out.
    """
    file = existing_file(path, repair="Make it with `colles split`")
    frame = read_table(file, ("image_id", "subset"), as_text=True, mapped=True)
    if "group_id" not in frame.columns:
        if grouped:
            raise TableError("lacks the column 'group_id'", path=file, repair=_TAKE_IN)
        frame = frame.with_columns(group_id=pl.lit(None, pl.String))
    frame = frame.select(pl.col(*COLUMNS).cast(pl.String))
    frame = frame if grouped else frame.filter(pl.col("subset").is_not_null())
    frame = frame if frame["image_id"].is_sorted() else frame.sort("image_id")
    _assert_table(frame, file, grouped=grouped)
    return frame


def split_digest(frame: pl.DataFrame) -> str:
    """Digest a split's table, whatever the order of its rows."""
    order = frame["image_id"].arg_sort()
    parts = (frame[order.slice(start, PART)].select(COLUMNS).rows() for start in range(0, len(order), PART))
    return sha256_json_list(parts)


def _assert_table(frame: pl.DataFrame, path: Path, *, grouped: bool) -> None:
    # `frame` is in the order of image_id.
    if frame["subset"].null_count():
        raise TableError("a subset is empty", path=path, field="subset", repair="Fill it in or take the line out")
    unknown = set(frame["subset"].unique().to_list()) - set(SUBSETS)
    if unknown:
        text = f"unknown subset {min(unknown)!r}"
        raise TableError(text, path=path, field="subset", repair=f"Use {', '.join(SUBSETS)}")
    if grouped and frame["group_id"].null_count():
        repair = "Write the image_id where there is no group"
        raise TableError("a group_id is empty", path=path, field="group_id", repair=repair)
    ids = frame["image_id"]
    if ids.null_count() or (ids == ids.shift()).any():  # in order, so equal ones are neighbours
        raise TableError("an image_id is empty or appears twice", path=path, field="image_id", repair=_AGAIN)


def assert_usable(frame: pl.DataFrame, catalog: Catalog) -> None:
    """Raise `TableError` where a split names images that the catalog lacks, or that have no label or no pixels."""
    rows = frame.join(catalog.frame.select("image_id", "label", "status"), on="image_id", how="left")
    takes_out = "Take the lines out of the split"
    [example] = catalog.frame["image_id"].head(1).to_list() or [""]
    named = f"Name images as the catalog does, such as {example}, or take the lines out"
    for condition, text, repair in (
        (pl.col("status").is_null(), "is not in the catalog", named),
        (pl.col("status") != "ok", "cannot be read", takes_out),
        (pl.col("label").is_null(), "has no label", takes_out),
    ):
        found = rows.filter(condition)["image_id"].to_list()
        if found:
            more = f", and {len(found) - 1} more" if len(found) > 1 else ""
            raise TableError(f"{found[0]!r} {text}{more}", field="image_id", repair=repair)


def assert_no_leak(split: Split, catalog: Catalog, clusters: pl.DataFrame | None = None) -> None:
    """Raise `LeakError` where a group, patient, study, base name or cluster lies in several subsets.

    Clusters that an older split already tore apart, and that this one keeps on purpose, are passed over.
    """
    torn = set((split.summary.get("kept") or {}).get("torn_clusters") or ())
    if clusters is not None and torn:
        clusters = clusters.filter(~pl.col("group_id").is_in(list(torn)))
    sides: dict[str, str | None] = dict(split.frame.select("image_id", "subset").iter_rows())
    leaks = list(find_leaks(trust_names(catalog.frame), _copies(clusters), sides))
    for groups in (split.frame, clusters):
        leaks += [] if groups is None else list(joined_leaks(groups, sides, leaks))
    if leaks:
        units_lie = "1 unit lies" if len(leaks) == 1 else f"{len(leaks)} units lie"
        text = f"{units_lie} on several sides of the split; first: {leaks[0].detail}"
        raise LeakError(text, field="subset", repair=_one_side(split))


def _copies(clusters: pl.DataFrame | None) -> list[list[str]]:
    if clusters is None or "copy_id" not in clusters.columns:
        return []
    known = clusters.filter(pl.col("copy_id").is_not_null())
    return list(known.group_by("copy_id", maintain_order=True).agg("image_id")["image_id"].to_list())


def _one_side(split: Split) -> str:
    if split.summary.get("adopted"):
        return "Put its images on one side of your table"
    if split.summary.get("kept"):
        return "Put its images on one side of the kept split, or split without it"
    return _AGAIN
