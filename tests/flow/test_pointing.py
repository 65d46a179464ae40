"""The demo's network, smaller: its map points at planted fractures far more often than chance does."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from colles.core.recipe import ExplainRecipe
from colles.core.recipe_text import load_recipe
from colles.datasets.catalog import Catalog
from colles.flow.explain import open_maps
from colles.flow.judge_run import judge_run
from colles.flow.run import run_stages
from colles.flow.stages import Stages
from colles.flow.workspace import Ledger, Workspace

DEMO = Path(__file__).parents[2] / "recipes" / "demo.yaml"
SMALLER = (
    "data.phantom.images=300",
    "data.phantom.size=256",
    "preprocess.size=160",
    "train.threads=1",
    "train.allocator=false",
)


@pytest.mark.slow
def test_the_map_of_the_demos_network_points_far_above_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLES_CACHE", str(tmp_path / "cache"))
    space = Workspace(tmp_path / "run")
    stages = Stages(load_recipe(DEMO, SMALLER), space, DEMO.parent).all
    run_stages([stage for stage in stages if stage.name in ("phantom", "catalog", "audit", "split", "train")],
               Ledger(space.state))  # fmt: skip
    judged = ExplainRecipe(check_images=0, probe_images=0)
    # Few test images hold a planted fracture, so val, which chose nothing of the map but the epoch, is judged too.
    frame = pl.read_csv(space.split).with_columns(subset=pl.col("subset").replace("val", "test"))
    found = judge_run(open_maps(space.train, ["auto"]), Catalog.load(space.catalog), frame, judged)
    figures = {name: method["figures"]["pointing"] for name, method in found["methods"].items()}
    chance = max(figures[name]["value"] for name in ("centre", "silhouette", "untrained", "box_share"))
    assert found["default"] == "location" and found["n"] >= 20
    assert figures["location"]["low"] > chance and figures["location"]["value"] > 1.5 * chance, figures
