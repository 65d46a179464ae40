from __future__ import annotations

import polars as pl
import pytest
from frames import catalog_of, numbered

from colles.core.recipe import SplitRecipe
from colles.datasets.folds import validation_folds
from colles.datasets.split import adopt_split

RECIPE = SplitRecipe()


@pytest.mark.parametrize(("label", "judged"), [(1, 1), (0, 0)])
def test_equal_files_were_judged_twice_in_a_fold(label: int, judged: int) -> None:
    """In val and test of a split one of them is, and none where their labels contradict each other."""
    rows = numbered(60)
    rows[0]["sha256"] = "same"
    twin = {"image_id": "other/copy.jpg", "label": label, "sha256": "same"}
    catalog = catalog_of([*rows, twin])
    table = catalog.frame.select("image_id", group_id=pl.lit(None, pl.String), subset=pl.lit("train"))
    folds = validation_folds(adopt_split(catalog, table), catalog, 3, RECIPE, seed=0)
    pair = {rows[0]["image_id"], twin["image_id"]}
    assert sum(len(pair.intersection(fold.subset("val"))) for fold in folds) == judged
    assert [len(pair.intersection(fold.subset("train"))) for fold in folds].count(2) == 2
