"""The proof on phantoms, whose truth is known: no planted copy and no patient lies on two sides of a split."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from colles.core.recipe import AuditRecipe, PhantomRecipe, SplitRecipe
from colles.datasets.audit import Audit, audit_catalog
from colles.datasets.catalog import Catalog, build_catalog
from colles.datasets.phantom import write_phantoms
from colles.datasets.sources import create_source
from colles.datasets.split import assert_no_leak, make_split

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalog, Audit, pl.DataFrame]:
    """Catalog, audit, and the truth with the image_ids of each file and of what it copies."""
    out = write_phantoms(tmp_path_factory.mktemp("phantom") / "set", PhantomRecipe(images=400, size=256, seed=3))
    sources = [create_source("fracatlas", out / "FracAtlas"), create_source("yolo", out / "bonefractureyolo")]
    catalog = build_catalog(sources)
    ids = {Path(os.path.relpath(row.path, out)).as_posix(): row.image_id for row in catalog.rows()}
    truth = pl.read_csv(out / "truth.csv").with_columns(
        pl.col("path").replace_strict(ids).alias("image_id"),
        pl.col("copy_of").replace_strict(ids, default=None).alias("original"),
    )
    # stricter than the default: simulated bones of different people are more alike (up to 0.97) than real ones; their
    # copies agree at 0.986 and more
    return catalog, audit_catalog(catalog, AuditRecipe(min_correlation=0.97)), truth


def test_every_planted_copy_is_found(made: tuple[Catalog, Audit, pl.DataFrame]) -> None:
    catalog, audit, truth = made
    ok = catalog.frame.filter(pl.col("status") == "ok")["image_id"].to_list()
    copy = dict(audit.clusters.select("image_id", "copy_id").iter_rows())
    planted = truth.filter(
        pl.col("planted").is_in(["exact", "near", "rotated"])
        & pl.col("original").is_in(ok)
        & pl.col("image_id").is_in(ok)
    )
    assert len(planted) >= 15
    pairs = list(planted.select("image_id", "original").iter_rows())
    missed = [pair for pair in pairs if copy[pair[0]] is None or copy[pair[0]] != copy[pair[1]]]
    assert missed == []


def test_strangers_are_hardly_ever_merged(made: tuple[Catalog, Audit, pl.DataFrame]) -> None:
    _, audit, truth = made
    joined = audit.clusters.drop_nulls("copy_id").join(truth.select("image_id", "patient_id"), on="image_id")
    people = joined.group_by("copy_id").agg(pl.col("patient_id").n_unique())["patient_id"]
    # Phantoms without a fracture are more alike than radiographs are.
    assert (people > 1).sum() <= 1


def test_every_broken_file_is_reported(made: tuple[Catalog, Audit, pl.DataFrame]) -> None:
    _, audit, truth = made
    broken = truth.filter(pl.col("planted").is_in(["truncated", "zero_byte"]))["image_id"].to_list()
    found = [image for issue in audit.issues if issue.kind in ("truncated", "empty") for image in issue.images]
    assert broken and sorted(found) == sorted(broken)


@pytest.mark.parametrize("seed", range(6))
def test_no_planted_copy_or_patient_crosses_the_split(made: tuple[Catalog, Audit, pl.DataFrame], seed: int) -> None:
    catalog, audit, truth = made
    split = make_split(catalog, SplitRecipe(val=0.2, test=0.2, seed=seed), clusters=audit.clusters)
    assert_no_leak(split, catalog, audit.clusters)
    sides = split.frame.join(truth, on="image_id")
    assert len(sides) == len(split)
    assert sides.group_by("patient_id").agg(pl.col("subset").n_unique())["subset"].max() == 1
    assert set(sides["subset"]) == {"train", "val", "test"}


def test_without_the_audit_the_same_split_leaks(made: tuple[Catalog, Audit, pl.DataFrame]) -> None:
    catalog, _, truth = made
    crossing = 0
    for seed in range(6):
        split = make_split(catalog, SplitRecipe(val=0.2, test=0.2, seed=seed))
        sides = split.frame.join(truth, on="image_id").group_by("patient_id").agg(pl.col("subset").n_unique())["subset"]
        crossing += int((sides > 1).sum())
    assert crossing > 0
