"""Scores of a whole run, with maps that are known: a map of the truth scores one, an even map the boxes' share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from colles.core.errors import MissingInputError, UsageError
from colles.core.recipe import ExplainRecipe, PreprocessRecipe
from colles.core.records import Box
from colles.core.schema import CATALOG_SCHEMA
from colles.datasets.catalog import Catalog
from colles.evaluation.sanity import (
    NO_LABELS,
    NO_TWIN,
    judge_labels,
    judge_randomisation,
    judge_repeatability,
    judge_trainings,
)
from colles.flow.agreement import Twin
from colles.flow.checks import Curves, check_methods
from colles.flow.explain import Item, look
from colles.flow.export import find_catalog
from colles.flow.judge_run import draw, judge_run, subsets_of_run
from colles.flow.known import items_of_subset
from colles.flow.localise import Judge, judge_all, scores_of
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
    assert bright["iou_threshold"]["n"] == 8  # the fractures of val
    assert [row["recall"]["value"] for row in bright["froc"]] == [1] * 5 and bright["froc_images"] == 31
    assert bright["froc"][0]["recall"]["n_groups"] == scores["n_groups"] == 11
    assert scores["methods"]["silhouette"]["role"] == "chance"  # here the brightest place is the body
    for name in ("centre", "box_share"):
        chance = scores["methods"][name]
        assert chance["role"] == "chance" and chance["figures"]["pointing"]["value"] < 0.4
    assert all(scores["methods"][name]["figures"]["pointing"]["n_groups"] == 11 for name in ("centre", "box_share"))
    share = scores["methods"]["box_share"]["figures"]["pointing"]["value"]
    assert share == pytest.approx((12 / SIZE) ** 2)
    assert 2 * share < scores["methods"]["box_share"]["figures"]["pointing_margin"]["value"] <= (20 / SIZE) ** 2
    parts = {(part["column"], part["value"]): part["n"] for part in bright["subgroups"]}
    assert parts[("source", "drawn")] == 15 and ("body_part", "hand") in parts and len(parts) == 5
    assert parts[("image_size", "under 500 px")] == 15
    assert "1 fractured image of test: no reference box" in scores["notes"]


def test_slow_methods_are_judged_on_a_sample_and_say_so(drawn: Catalog) -> None:
    scores = judge_run(Truth(), drawn, table(drawn), ExplainRecipe(sample=5, check_images=0, probe_images=0))
    even = scores["methods"]["even"]
    assert 0 < even["n"] < 15 and even["sample"] == {"n": even["n"], "of": 15, "seed": 0} and even["froc"] == []
    assert even["figures"]["share_of_mass"]["value"] == pytest.approx((12 / SIZE) ** 2)


def test_a_sample_is_grouped_and_divided_by_its_own_images(tmp_path: Path) -> None:
    """Twelve images of five patients of which the last eight, of the last one, are hands."""
    judge, items = Judge(Truth()), []
    Image.new("L", (SIZE, SIZE), 90).save(tmp_path / "a.png")
    for number in range(12):
        part = {"group": f"p{min(number, 4)}", "columns": {"body_part": "hand" if number >= 4 else "hip"}}
        items.append(Item(tmp_path / "a.png", label=1, boxes=(Box(x1=0, y1=0, x2=64, y2=4 * number + 4),), **part))
    shown = list(look(Truth(), items, sample=12))
    for number in range(3):
        shown[number].maps.pop("even")
    even = scores_of(judge_all(shown, judge), "test")["methods"]["even"]
    assert even["figures"]["pointing"]["n_groups"] == 2 and even["sample"] == {"n": 9, "of": 12, "seed": 0}
    [hands] = [part for part in even["subgroups"] if part["column"] == "body_part"]
    assert (hands["value"], hands["n"]) == ("hand", 8)
    assert hands["figures"]["share_of_mass"]["value"] == pytest.approx(np.mean(np.arange(20, 52, 4)) / SIZE)


def test_the_middle_of_a_picture_larger_than_the_grid_is_the_middle_of_its_cell(tmp_path: Path) -> None:
    Image.new("L", (1024, 512), 90).save(tmp_path / "a.png")
    item = Item(tmp_path / "a.png", label=1, boxes=(Box(x1=509, y1=253, x2=515, y2=259),))
    scores = scores_of(judge_all(look(Truth(), [item]), Judge(Truth())), "test")
    assert scores["methods"]["centre"]["figures"]["pointing"]["value"] == 1


def test_candidates_of_an_image_without_suspicion_count_less_than_those_of_a_fracture(tmp_path: Path) -> None:
    """A map without a scale of its own is as high on a sound image as on a fracture; the score tells them apart."""

    class Relative(Truth):
        def explain(self, batch: np.ndarray, names: Sequence[str]) -> Maps:
            maps = (batch[:, 0] > 0.3).astype(np.float32)
            return Maps(self.score(batch), dict.fromkeys(names, maps), {})

    source, items = Relative(), []
    source.methods = (Method("bright", "bright places"),)
    for name, grey in (("fracture", 255), ("sound", 120)):
        pixels = np.zeros((SIZE, SIZE), np.uint8)
        pixels[20:30, 20:30] = grey
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        boxes = (Box(x1=20, y1=20, x2=30, y2=30),) if name == "fracture" else ()
        items.append(Item(tmp_path / f"{name}.png", label=int(bool(boxes)), boxes=boxes))
    froc = scores_of(judge_all(look(source, items), Judge(source)), "test")["methods"]["bright"]["froc"]
    assert froc[0]["recall"]["value"] == 1


class SlowFirst(Truth):
    """The slow method is the default, and a network without training is asked beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.methods = self.methods[::-1]
        self.asked = 0

    def explain(self, batch: np.ndarray, names: Sequence[str]) -> Maps:
        self.asked += len(batch) * ("even" in names)
        return super().explain(batch, names)

    def untrained(self, seed: int) -> Truth:
        self.twin = SlowFirst()
        return self.twin


def test_a_slow_default_sees_its_sample_of_every_kind_of_image(drawn: Catalog) -> None:
    """It saw fifty images without fracture whatever the sample, and its untrained twin saw every fracture."""
    source = SlowFirst()
    judge_run(source, drawn, table(drawn), ExplainRecipe(sample=4, check_images=0, probe_images=0))
    assert source.asked == 4 + 4 + 2 and source.twin.asked == 4 + 2


def test_copies_of_a_radiograph_are_no_further_evidence(drawn: Catalog) -> None:
    """Probes and curves took each image of a patient for a patient."""
    items = items_of_subset(drawn, table(drawn), "test")
    alone = [replace(item, group=None) for item in items]
    found, apart = (check_methods(Truth(), each)["bright"]["checks"]["faithfulness"] for each in (items, alone))
    gain, gain_apart = found["insertion_gain"], apart["insertion_gain"]
    assert gain["n_groups"] < gain["n"] == gain_apart["n_groups"] and gain["method"] == "student_groups"


def test_an_image_that_cannot_be_read_takes_no_place_in_the_groups(drawn: Catalog, tmp_path: Path) -> None:
    items = items_of_subset(drawn, table(drawn), "test")[:6]
    lost = replace(items[0], path=tmp_path / "missing.png", group="alone")
    found = check_methods(Truth(), [lost, *items])["bright"]["checks"]["faithfulness"]
    assert found["images"] == found["insertion_gain"]["n"] == 6
    assert found["insertion_gain"]["n_groups"] == len({item.cluster for item in items}) < 6
    assert check_methods(Truth(), [lost]) == {}


class Detail(Truth):
    """The score is how much detail is left; the map is noise wherever the image is, and nothing in its padding."""

    def __init__(self) -> None:
        super().__init__()
        self.methods = (Method("noise", "noise"),)

    def explain(self, batch: np.ndarray, names: Sequence[str]) -> Maps:
        noise = np.random.default_rng(7).random(batch[:, 0].shape, dtype=np.float32) * (batch[:, 0] > 0)
        return Maps(self.score(batch), {"noise": noise}, {"noise": 0.01})

    def score(self, batch: np.ndarray) -> np.ndarray:
        return np.abs(np.diff(batch[:, 0], axis=2)).mean(axis=(1, 2)).astype(np.float64)


def test_curves_of_a_score_that_falls_with_every_patch_are_its_mean() -> None:
    """Detail is lost in proportion to the deleted share, so any order of patches has the area of a straight line."""
    noise = np.random.default_rng(0).integers(0, 255, (2, SIZE, SIZE)).astype(np.uint8)
    curves = Curves(Detail(), noise)
    order = np.random.default_rng(1).permutation(256)
    deletion, insertion = curves.areas([order, order[::-1]])
    half = (curves.whole + curves.gone) / 2
    assert (curves.gone < curves.whole / 5).all()
    assert deletion == pytest.approx(half, rel=0.06) and insertion == pytest.approx(half, rel=0.06)


def test_what_is_deleted_first_is_shown_first() -> None:
    """Half of the picture holds all detail: it is gone, or back, after half of the patches."""
    canvas = np.full((1, SIZE, SIZE), 128, np.uint8)
    canvas[0, : SIZE // 2] = np.random.default_rng(0).integers(0, 255, (SIZE // 2, SIZE))
    curves = Curves(Detail(), canvas)
    for order, deletion, insertion in ((np.arange(256), 0.25, 0.75), (np.arange(256)[::-1], 0.75, 0.25)):
        found = [float(area[0] - curves.gone[0]) for area in curves.areas([order])]
        assert found == pytest.approx(np.array([deletion, insertion]) * (curves.whole - curves.gone)[0], rel=0.25)
    # Where the other half is padding, the curve runs over the patches of the image alone.
    half = [float(area[0] - curves.gone[0]) for area in curves.areas([np.arange(128)])]
    assert half == pytest.approx(np.full(2, 0.5) * (curves.whole - curves.gone)[0], rel=0.1)


class Fixed(Truth):
    """A map that stays where it is, whatever the image shows."""

    def explain(self, batch: np.ndarray, names: Sequence[str]) -> Maps:
        noise = np.random.default_rng(7).random((SIZE, SIZE), dtype=np.float32)
        return Maps(self.score(batch), dict.fromkeys(names, np.stack([noise] * len(batch))), {})


def test_a_map_moves_with_its_image(drawn: Catalog) -> None:
    items = items_of_subset(drawn, table(drawn), "test")[:6]
    moving, still = (check_methods(source, items)["bright"]["checks"]["repeatability"] for source in (Truth(), Fixed()))
    assert moving["correlation"] > 0.95 and moving["peak_shift"] == 0
    assert not still["passed"] and still["correlation"] < 0.3


def test_maps_that_agree_in_the_padding_alone_do_not_repeat(tmp_path: Path) -> None:
    class Padding(Truth):
        seed = 0

        def explain(self, batch: np.ndarray, names: Sequence[str]) -> Maps:
            self.seed += 1
            noise = np.random.default_rng(self.seed).random(batch[:, 0].shape, dtype=np.float32)
            return Maps(self.score(batch), dict.fromkeys(names, noise + 9 * (batch[:, 0] == 0)), {})

    items = []
    for number in range(4):
        pixels = np.random.default_rng(number).integers(1, 200, (SIZE, SIZE // 2)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        items.append(Item(tmp_path / f"{number}.png", label=1))
    assert check_methods(Padding(), items)["bright"]["checks"]["repeatability"]["correlation"] < 0.3


def test_a_map_of_noise_beats_no_random_order_by_leaving_out_the_padding(tmp_path: Path) -> None:
    """Random places were drawn from the padding too, where nothing can be deleted, so that any map beat them."""
    items = []
    for number in range(8):
        pixels = np.random.default_rng(number).integers(1, 255, (SIZE, SIZE // 2)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        items.append(Item(tmp_path / f"{number}.png", label=1))
    found = check_methods(Detail(), items)["noise"]["checks"]["faithfulness"]
    assert not found["passed"], found["sentence"]


def test_boxes_of_images_without_fracture_mark_something_else(drawn: Catalog) -> None:
    judge = Judge(Truth())
    item = next(item for item in items_of_subset(drawn, table(drawn), "test") if item.label == 0)
    judge_all(look(Truth(), [replace(item, boxes=(Box(x1=1, y1=1, x2=9, y2=9),))]), judge)
    assert judge.table == [] and len(judge.judged["bright"].detections) == 1


def test_the_deepest_place_of_a_body_is_told_in_columns_and_rows(tmp_path: Path) -> None:
    pixels = np.full((64, 128), 5, np.uint8)
    pixels[20:50, 90:120] = 220
    Image.fromarray(pixels).save(tmp_path / "a.png")
    item = Item(tmp_path / "a.png", label=1, boxes=(Box(x1=98, y1=28, x2=112, y2=42),))
    scores = scores_of(judge_all(look(Truth(), [item]), Judge(Truth())), "test")
    assert scores["methods"]["silhouette"]["figures"]["pointing"]["value"] == 1


def test_what_speaks_against_a_fracture_is_deleted_to_make_one_likelier() -> None:
    against, canvas = Truth(), np.full((1, SIZE, SIZE), 255, np.uint8)
    against.target = "no_fracture"
    assert Curves(against, canvas).whole == pytest.approx(1 - Curves(Truth(), canvas).whole)


def test_parts_by_image_size_stood_in_the_order_of_the_alphabet(tmp_path: Path) -> None:
    items = []
    for number, side in enumerate([2100, 700, 450, 1500] * 5):
        Image.new("L", (side, 40), 90).save(tmp_path / f"{number}.png")
        items.append(Item(tmp_path / f"{number}.png", label=1, boxes=(Box(x1=1, y1=1, x2=9, y2=9),)))
    scores = scores_of(judge_all(look(Truth(), items), Judge(Truth())), "test")
    parts = [part["value"] for part in scores["methods"]["bright"]["subgroups"] if part["column"] == "image_size"]
    lesions = {
        part["value"]: part["n"] for part in scores["methods"]["bright"]["subgroups"] if "lesion" in part["column"]
    }
    assert lesions == {"small (< 0.5 % of the picture)": 20}  # widened by the margin they would be large
    assert parts == ["under 500 px", "500 px to 1,000 px", "1,000 px to 2,000 px", "2,000 px and more"]


def test_a_blank_map_passes_no_check() -> None:
    nan = np.full(3, np.nan)
    for check in (judge_randomisation(["a"], nan[None]), judge_repeatability(nan, nan), judge_labels(nan, 1),
                  judge_trainings(nan, nan, 0.1, 1)):  # fmt: skip
        assert not check["passed"] and check["images"] == 0 and "blank" in check["sentence"]
    some = np.array([0.1, np.nan])
    assert judge_labels(some, 1)["images"] == 1 and judge_randomisation(["a"], some[None])["passed"]


def test_checks_run_without_a_network_too(drawn: Catalog) -> None:
    scores = judge_run(Truth(), drawn, table(drawn), ExplainRecipe(sample=50, check_images=6))
    bright, even = (scores["methods"][name] for name in ("bright", "even"))
    assert set(bright["checks"]) == {"repeatability", "faithfulness"}  # weights cannot be drawn anew here
    assert bright["checks"]["repeatability"]["passed"] and bright["checks"]["faithfulness"]["passed"]
    assert even["warnings"] and not even["checks"]["repeatability"]["passed"]
    assert [probe["name"] for probe in scores["probes"]] == ["marker", "border", "hardware"]
    assert not scores["probes"][1]["found"]


def test_images_are_drawn_by_seed_and_stay_in_their_order() -> None:
    items = [Item(Path(f"{number:03d}.png")) for number in range(200)]
    first, again, other = (draw(items, 20, seed) for seed in (1, 1, 2))
    assert first == again == sorted(first, key=lambda item: item.path) and len(first) == 20
    assert first != other and draw(items, 500, 1) == items


def test_a_recipe_bounds_what_is_judged(drawn: Catalog) -> None:
    recipe = ExplainRecipe(score_images=6, check_images=4, probe_images=3)
    scores = judge_run(Truth(), drawn, table(drawn), recipe)
    bright = scores["methods"]["bright"]
    assert (scores["n"], bright["froc_images"], bright["iou_threshold"]["n"]) == (6, 12, 3)
    assert bright["checks"]["repeatability"]["images"] == bright["checks"]["faithfulness"]["images"] == 4
    assert bright["checks"]["repeatability"]["correlation"] > 0.9  # of fractures: a blank map has none
    assert scores["probes"][1]["n"] == 6


def test_val_tunes_no_threshold_for_itself_and_a_missing_twin_is_named(drawn: Catalog) -> None:
    recipe = ExplainRecipe(sample=4, check_images=0, probe_images=0)
    val = judge_run(Truth(), drawn, table(drawn), recipe, subset="val")
    assert "no overlap is stated: its threshold is fitted on val itself" in val["notes"]
    assert val["methods"]["bright"]["iou_threshold"] is None and "iou" not in val["methods"]["bright"]["figures"]
    left_out = "the untrained network was left out: it needs torch (judge the run, or install it)"
    beside = judge_run(SlowFirst(), drawn, table(drawn), recipe)
    assert left_out in val["notes"] and left_out not in beside["notes"]
    assert not any("overlap" in note for note in beside["notes"])
    assert beside["methods"]["untrained"]["role"] == "chance"


def test_other_trainings_are_checked_against_and_warned_of(drawn: Catalog) -> None:
    """A network of shuffled labels that shows the same, one of another seed that does too, and one of other methods."""
    other = Truth()
    other.methods = (Method("contours", "contours"),)
    other.explain = lambda batch, names: Maps(other.score(batch), dict.fromkeys(names, batch[:, 0]), {})
    twins = [Twin(Truth(), True), Twin(Truth(), False), Twin(other, False)]
    recipe = ExplainRecipe(sample=3, check_images=5, probe_images=0)
    scores = judge_run(Truth(), drawn, table(drawn), recipe, twins=twins)
    bright = scores["methods"]["bright"]
    assert not bright["checks"]["labels"]["passed"] and bright["checks"]["trainings"]["passed"]
    assert bright["checks"]["labels"]["images"] == 5 and "repeatability" in bright["checks"]
    assert NO_LABELS in bright["warnings"] and NO_TWIN not in bright["warnings"]
    assert [note for note in scores["notes"] if "another training" in note] == [
        "another training was not compared: it has no bright or even"
    ]


def test_what_cannot_be_judged_says_why(drawn: Catalog, tmp_path: Path) -> None:
    bare = drawn.with_columns(boxes=pl.lit(None, dtype=CATALOG_SCHEMA["boxes"]))
    with pytest.raises(MissingInputError, match="no fractured image of test has a reference box"):
        judge_run(Truth(), bare, table(bare), ExplainRecipe())
    with pytest.raises(UsageError, match="unknown subset"):
        judge_run(Truth(), drawn, table(drawn), ExplainRecipe(), subset="tset")
    other = table(drawn).with_columns(image_id=pl.lit("elsewhere/") + pl.col("image_id"))
    with pytest.raises(MissingInputError, match="holds no image of test"):
        judge_run(Truth(), drawn, other, ExplainRecipe())
    with pytest.raises(MissingInputError, match="--split"):
        subsets_of_run(tmp_path)
    only = table(drawn).filter(pl.col("subset") == "test")
    scores = judge_run(Truth(), drawn, only, ExplainRecipe(check_images=0, probe_images=0))
    assert "iou" not in scores["methods"]["bright"]["figures"] and any("no overlap" in note for note in scores["notes"])


def test_a_training_is_judged_on_its_own_catalog_and_not_on_its_neighbours(drawn: Catalog, tmp_path: Path) -> None:
    """The catalog beside the run came before the one that `colles train` had made inside it, which export took."""
    run = tmp_path / "run"
    (run / "data").mkdir(parents=True)
    drawn.save(tmp_path / "catalog.parquet")
    drawn.save(run / "data" / "catalog.parquet")
    for folder in (tmp_path, run / "data"):
        table(drawn).write_csv(folder / "split.csv")
    assert find_catalog(run) == run / "data" / "catalog.parquet"
    assert subsets_of_run(run) == run / "data" / "split.csv"
    table(drawn).write_parquet(run / "predictions.parquet")
    assert subsets_of_run(run) == run / "predictions.parquet"
