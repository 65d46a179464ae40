"""Scores of a whole run, with maps that are known: a map of the truth scores one, an even map the boxes' share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from colles.core.errors import MissingInputError, UsageError
from colles.core.recipe import ExplainRecipe, PreprocessRecipe
from colles.core.schema import CATALOG_SCHEMA
from colles.datasets.catalog import Catalog
from colles.flow.judge_run import judge_run, sources_of_run
from colles.serving.maps import Maps, MapSource, Method

SIZE = 64


class Truth(MapSource):
    """Brightness above 200 is the fracture; `even` shows the same everywhere."""

    batch = 4

    def __init__(self) -> None:
        self.recipe = PreprocessRecipe(size=SIZE, channels=1, mean=(0.0,), std=(1.0,))
        self.methods = (Method("bright", "bright places", absolute=True), Method("even", "even", slow=True))
        self.spent = {}

    def explain(self, batch: np.ndarray, names: Sequence[str]) -> Maps:
        found = (batch[:, 0] > 0.8).astype(np.float32)
        maps = {"bright": found, "even": np.ones_like(found)}
        return Maps(self.score(batch), {name: maps[name] for name in names}, dict.fromkeys(names, 0.01))

    def score(self, batch: np.ndarray) -> np.ndarray:
        return 0.1 + 0.8 * (batch > 0.8).any(axis=(1, 2, 3)).astype(np.float64)


@pytest.fixture
def drawn(tmp_path: Path) -> Catalog:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(48):
        pixels = rng.integers(20, 60, (SIZE, SIZE)).astype(np.uint8)
        boxes = []
        if number % 2 == 0:
            x, y = (int(value) for value in rng.integers(2, 48, 2))
            pixels[y : y + 12, x : x + 12] = 255
            boxes = [{"x1": x, "y1": y, "x2": x + 12, "y2": y + 12, "name": None}]
        path = tmp_path / f"{number:02d}.png"
        Image.fromarray(pixels).save(path)
        if number == 4:
            boxes = []  # a fracture that nobody has drawn
        rows.append({"image_id": f"drawn/{number:02d}", "source": "drawn", "path": str(path), "boxes": boxes,
                     "label": int(number % 2 == 0), "group_id": f"g{number // 4}", "status": "ok",
                     "body_part": "hand" if number < 24 else "hip"})  # fmt: skip
    frame = pl.DataFrame(rows, schema_overrides=CATALOG_SCHEMA)
    return Catalog(frame.select(pl.col(name).cast(CATALOG_SCHEMA[name]) for name in frame.columns))


def table(catalog: Catalog) -> pl.DataFrame:
    subset = pl.Series(["val" if number % 3 == 0 else "test" for number in range(len(catalog))])
    return catalog.frame.select("image_id", "group_id").with_columns(subset=subset)


def test_a_map_of_the_truth_scores_one_and_chance_stands_beside_it(drawn: Catalog) -> None:
    scores = judge_run(Truth(), drawn, table(drawn), ExplainRecipe(sample=5, check_images=0, probe_images=0))
    bright = scores["methods"]["bright"]
    assert {name: figure["value"] for name, figure in bright["figures"].items()} == pytest.approx(
        {"pointing": 1, "pointing_margin": 1, "share_of_mass": 1, "energy_pointing": 1, "auprc": 1, "iou": 1}
    )
    assert bright["role"] == "method" and scores["default"] == "bright" and scores["n_boxes"] == scores["n"] == 15
    assert bright["figures"]["pointing"]["method"] == "wilson_groups" and bright["iou_threshold"]["chosen_on"] == "val"
    assert [row["recall"]["value"] for row in bright["froc"]] == [1] * 5 and bright["froc_images"] == 31
    assert scores["methods"]["silhouette"]["role"] == "chance"  # here the brightest place is the body
    for name in ("centre", "box_share"):
        chance = scores["methods"][name]
        assert chance["role"] == "chance" and chance["figures"]["pointing"]["value"] < 0.4
    share = scores["methods"]["box_share"]["figures"]["pointing"]["value"]
    assert share == pytest.approx((12 / SIZE) ** 2)
    parts = {(part["column"], part["value"]): part["n"] for part in bright["subgroups"]}
    assert parts[("source", "drawn")] == 15 and ("body_part", "hand") in parts and len(parts) == 4
    assert "1 fractured image of test: no reference box" in scores["notes"]


def test_slow_methods_are_judged_on_a_sample_and_say_so(drawn: Catalog) -> None:
    scores = judge_run(Truth(), drawn, table(drawn), ExplainRecipe(sample=5, check_images=0, probe_images=0))
    even = scores["methods"]["even"]
    assert 0 < even["n"] < 15 and even["sample"] == {"n": even["n"], "of": 15} and even["froc"] == []
    assert even["figures"]["share_of_mass"]["value"] == pytest.approx((12 / SIZE) ** 2)


def test_checks_run_without_a_network_too(drawn: Catalog) -> None:
    scores = judge_run(Truth(), drawn, table(drawn), ExplainRecipe(sample=50, check_images=6))
    bright, even = (scores["methods"][name] for name in ("bright", "even"))
    assert set(bright["checks"]) == {"repeatability", "faithfulness"}  # weights cannot be drawn anew here
    assert bright["checks"]["repeatability"]["passed"] and bright["checks"]["faithfulness"]["passed"]
    assert even["warnings"] and not even["checks"]["repeatability"]["passed"]
    assert [probe["name"] for probe in scores["probes"]] == ["marker", "border", "hardware"]
    assert not scores["probes"][1]["found"]


def test_what_cannot_be_judged_says_why(drawn: Catalog, tmp_path: Path) -> None:
    bare = drawn.with_columns(boxes=pl.lit(None, dtype=CATALOG_SCHEMA["boxes"]))
    with pytest.raises(MissingInputError, match="no fractured image of test has a reference box"):
        judge_run(Truth(), bare, table(bare), ExplainRecipe())
    with pytest.raises(UsageError, match="unknown subset"):
        judge_run(Truth(), drawn, table(drawn), ExplainRecipe(), subset="tset")
    other = table(drawn).with_columns(image_id=pl.lit("elsewhere/") + pl.col("image_id"))
    with pytest.raises(MissingInputError, match="holds no image of test"):
        judge_run(Truth(), drawn, other, ExplainRecipe())
    with pytest.raises(MissingInputError, match="--catalog"):
        sources_of_run(tmp_path)
    only = table(drawn).filter(pl.col("subset") == "test")
    scores = judge_run(Truth(), drawn, only, ExplainRecipe(check_images=0, probe_images=0))
    assert "iou" not in scores["methods"]["bright"]["figures"] and any("no overlap" in note for note in scores["notes"])
