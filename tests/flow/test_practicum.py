"""What the notebooks call: data chosen, careless variants, tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colles.core.recipe import Recipe
from colles.datasets.catalog import Catalog, build_catalog
from colles.datasets.sources import create_source
from colles.datasets.split import Split, split_digest
from colles.flow import practicum as weeks
from colles.flow.stage import Stage
from colles.flow.workspace import Ledger
from colles.serving.bundle import bundles_here, load_bundle
from colles.serving.known import default_bundle


@pytest.fixture
def walk(tmp_path: Path, fracatlas: Path, monkeypatch: pytest.MonkeyPatch) -> weeks.Practicum:
    """Return a practicum over five images whose catalog and split are there."""
    monkeypatch.delenv("COLLES_DATA", raising=False)
    made = weeks.open_practicum(tmp_path / "work")
    catalog = build_catalog([create_source("fracatlas", fracatlas)], workers=1)
    catalog.save(made.space.catalog)
    subsets = ["train", "train", "val", "test", "test"]
    frame = catalog.frame.select("image_id", "group_id").with_columns(subset=pl.Series(subsets)).sort("image_id")
    summary = {"catalog_digest": catalog.digest, "split_digest": split_digest(frame), "excluded": []}
    Split(frame, summary).save(made.space.split)
    return made


def test_real_sets_are_taken_only_where_both_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLES_DATA", str(tmp_path))
    (tmp_path / "FracAtlas").mkdir()
    assert not weeks.open_practicum(tmp_path / "work").real
    (tmp_path / "bonefractureyolo").mkdir()
    found = weeks.open_practicum(tmp_path / "work")
    assert found.real and "Real radiographs" in found.found
    assert [source.kind for source in found.recipe.data.sources] == ["fracatlas", "yolo"]


def test_a_careless_split_has_its_own_place_and_is_accepted(walk: weeks.Practicum) -> None:
    frame = walk.split.frame
    other = weeks.with_split(walk, frame.with_columns(subset=frame["subset"].reverse()), "careless")
    assert other.space.out != walk.space.out
    other.split.assert_matches(other.catalog)
    assert walk.split.frame.equals(frame)


def test_test_copies_stand_in_train_as_well(walk: weeks.Practicum) -> None:
    copied = weeks.with_test_copies(walk, "copies")
    copied.split.assert_matches(copied.catalog)
    assert len(copied.catalog) == 7
    originals = set(walk.split.subset("test"))
    assert {name.removesuffix(" (copy)") for name in copied.split.subset("train")} >= originals
    assert copied.split.subset("test") == walk.split.subset("test")
    paths = {row.image_id: row.path for row in copied.catalog.rows()}
    assert all(paths[f"{name} (copy)"] == paths[name] for name in originals)


def test_a_part_holds_whole_groups_and_no_more_images_than_asked(walk: weeks.Practicum) -> None:
    whole = walk.split.frame
    part = weeks.draw_part(walk, {"train": 1, "val": 9, "test": 1}).split.frame
    assert part.filter(pl.col("subset") == "train").height <= 1
    assert part.filter(pl.col("subset") == "val").height == 1
    for group, count in part.group_by("group_id").len().iter_rows():
        assert count == whole.filter(pl.col("group_id") == group).height
    assert part.equals(weeks.draw_part(walk, {"train": 1, "val": 9, "test": 1}).split.frame)


def test_a_training_is_kept_until_data_or_settings_change(
    walk: weeks.Practicum, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[tuple[str, float]] = []

    def fake(catalog: Catalog, split: Split, recipe: Recipe, out: Path) -> None:
        trained.append((out.name, recipe.train.lr))
        out.mkdir(parents=True)

    monkeypatch.setattr("colles.learning.training.fit.train", fake)
    for overrides, again in (((), False), ((), False), ((), True), (("train.lr=0.5",), False)):
        weeks.train_model(walk, "net", *overrides, again=again)
    assert trained == [("net", 0.001), ("net", 0.001), ("net", 0.5)]
    run = weeks.fine_tune(walk, walk.space.out / "runs" / "net")
    assert run.name == "net_tuned"


def test_rebuilding_makes_the_data_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLLES_DATA", raising=False)
    walk = weeks.open_practicum(tmp_path / "work")
    made: list[bool] = []

    def fake(stages: list[Stage], ledger: Ledger) -> None:
        made.append(walk.space.out.exists())
        walk.space.out.mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr("colles.flow.practicum.walk.run_stages", fake)
    for rebuild in (False, False, True):
        weeks.prepare(walk, rebuild=rebuild)
    assert made == [False, True, False]


def test_the_merged_folders_kept_an_older_split(walk: weeks.Practicum, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colles.flow.stages.Stages.data", [])
    for subsets in (["train", "train", "val", "test", "test"], ["test", "val", "train", "train", "train"]):
        frame = walk.split.frame.with_columns(subset=pl.Series(subsets))
        Split(frame, walk.split.summary | {"split_digest": split_digest(frame)}).save(walk.space.split)
        manifest = pl.read_csv(weeks.prepare(walk) / "manifest.csv")
        assert manifest.sort("image_id")["subset"].to_list() == subsets


def test_tables_count_what_is_there(walk: weeks.Practicum) -> None:
    table = weeks.images_table(walk)
    assert table["subset"].to_list() == ["train", "val", "test"]
    assert table["images"].sum() == len(walk.catalog)
    assert table["fractured"].sum() == int((Catalog.load(walk.space.catalog).frame["label"] == 1).sum())
    assert weeks.excluded_table(walk).is_empty()


def test_models_and_points_are_tables_of_intervals(walk: weeks.Practicum, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y_true = np.tile([0, 1], 60)
    ids = [*walk.catalog.frame["image_id"], *(str(n) for n in range(115))]
    rows = {"image_id": ids, "subset": ["val"] * 60 + ["test"] * 60, "y_true": y_true}
    for name, noise in (("good", 0.2), ("poor", 2.0)):
        (tmp_path / name).mkdir()
        score = 1 / (1 + np.exp(-(y_true - 0.5 + rng.normal(0, noise, 120))))
        pl.DataFrame({**rows, "y_score": score}).write_parquet(tmp_path / name / "predictions.parquet")
    judged = weeks.judge(walk, {name: tmp_path / name for name in ("good", "poor")})
    table = weeks.models_table(judged)
    assert table["model"].to_list() == ["good", "poor"]
    assert all("(" in text and "–" in text for text in table["auroc"])
    assert set(weeks.points_table(judged["good"])["chosen on"]) == {"val"}


def test_progress_stays_off_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    with weeks.quiet():
        print("12.3 s")
    assert capsys.readouterr().out == ""


def test_the_published_scores_give_the_figures_of_the_bundle() -> None:
    shipped = weeks.shipped()
    assert next(iter(shipped)) == default_bundle()
    assert set(shipped) == {folder.name for folder in bundles_here()}
    for name, evaluation in shipped.items():
        told = load_bundle(name, to_answer=False).metadata.evaluation
        assert told is not None
        assert evaluation.subsets["test"].figures["auroc"].value == pytest.approx(told["figures"]["auroc"]["value"])
