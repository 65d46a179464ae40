"""The images of a split as arrays: the same as a join of the tables, in the order of the ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.learning.loaders import listing
from colles.learning.loaders.listing import Listing

ROWS = [  # image_id, source, base name, group, label, subset
    ("b/3.png", "b", "x", "b:x", 1, "val"),
    ("a/1.png", "a", "x", "a:x", 1, "train"),
    ("a/0.png", "a", "x", "a:x", 0, "train"),
    ("b/2.png", "b", "own", "b/2.png", 0, "test"),
    ("a/9.png", "a", "own", "a/9.png", 0, None),  # not in the split
    ("a/2.png", "a", None, "a/2.png", 0, "external"),
]


def made() -> Listing:
    names = ("image_id", "source", "base_name", "group_id", "label", "subset")
    rows = pl.DataFrame(ROWS, schema=list(names), orient="row")
    given = rows.with_columns(path="image_id", status=pl.lit("ok")).drop("subset")
    chosen = rows.filter(pl.col("subset").is_not_null()).select("image_id", "group_id", "subset").sort("image_id")
    return Listing(Catalog.of(given), Split(chosen, {}))


def test_a_listing_is_in_the_order_of_the_ids() -> None:
    found = made()
    assert [row.image_id for row in found.rows] == ["a/0.png", "a/1.png", "a/2.png", "b/2.png", "b/3.png"]
    assert found.labels.tolist() == [0, 1, 0, 0, 1]
    assert [found.sources[number] for number in found.source] == ["a", "a", "a", "b", "b"]
    assert {name: found.of(name).tolist() for name in ("train", "val", "test", "external", "none")} == {
        "train": [0, 1],
        "val": [4],
        "test": [3],
        "external": [2],
        "none": [],
    }


def test_long_tables_are_joined_part_by_part_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million rows took 200 MB for a moment, joined as they were."""
    monkeypatch.setattr(listing, "PART", 3)
    rng = np.random.default_rng(0)
    ids = [f"s/é{number:02}.png" for number in rng.permutation(40)]
    given = pl.DataFrame({"image_id": ids, "group_id": ids, "label": [len(name) % 2 for name in ids]})
    given = given.with_columns(source=pl.lit("s"), path="image_id", status=pl.lit("ok"))
    chosen = given.sample(25, seed=1, shuffle=True).select("image_id", "group_id", subset=pl.lit("train"))
    found = Listing(Catalog.of(given), Split(chosen, {}))
    assert [row.image_id for row in found.rows] == sorted(chosen["image_id"])
    assert found.table(np.arange(25))["image_id"].to_list() == sorted(chosen["image_id"])


def test_copies_of_one_name_in_one_source_are_one_radiograph() -> None:
    found = made().radiograph.tolist()  # the name "own" was not grouped by, so it means nothing
    assert found[0] == found[1] and len(set(found)) == 4


def test_the_table_of_some_images_joins_both_files() -> None:
    rows = made().table(np.array([4, 0]))
    assert rows.rows() == [("b/3.png", "b:x", "val", 1), ("a/0.png", "a:x", "train", 0)]


def test_a_group_of_digits_keeps_its_zeros(tmp_path: Path) -> None:
    table = pl.DataFrame({"image_id": ["s/1", "s/2"], "group_id": ["007", "7"], "subset": ["train", "val"]})
    Split(table, {"split_digest": Split(table, {}).digest}).save(tmp_path / "split.csv")
    loaded = Split.load(tmp_path / "split.csv")
    assert loaded.frame.equals(table) and "edited" not in loaded.summary
