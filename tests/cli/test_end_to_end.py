"""Every verb, one after the other, on a few simulated radiographs: the artefacts that other programs rely on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import polars as pl
import pytest

from colles.core.recipe import RobustnessRecipe
from colles.core.recipe_text import recipe_from, save_recipe
from colles.flow.robustness import write_robustness

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, phantoms: Path, colles) -> Path:
    """Return a folder with the artefacts of every verb up to export."""
    work = tmp_path_factory.mktemp("work")
    tiny = {
        "preprocess": {"size": 64},
        "model": {"name": "timm:test_efficientnet", "weights": "none"},
        "train": {"head_epochs": 1, "epochs": 1, "batch_size": 8, "allocator": False},
    }
    save_recipe(recipe_from(tiny), work / "tiny.yaml")
    commands = [
        ["catalog", "--source", f"fracatlas={phantoms / 'FracAtlas'}", "--source",
         f"yolo:bonefractureyolo={phantoms / 'bonefractureyolo'}", "--out", work / "catalog.parquet"],
        ["audit", work / "catalog.parquet", "--out", work / "audit"],
        ["split", work / "catalog.parquet", "--groups", work / "audit" / "clusters.csv", "--out", work / "split.csv",
         "--val", "0.2", "--test", "0.25"],
        ["organize", work / "catalog.parquet", work / "split.csv", "--out", work / "data"],
        ["train", work / "tiny.yaml", "--catalog", work / "catalog.parquet", "--split", work / "split.csv", "--out",
         work / "run"],
        ["evaluate", work / "run" / "predictions.parquet", "--catalog", work / "catalog.parquet", "--out",
         work / "evaluation"],
        ["export", work / "run", "--catalog", work / "catalog.parquet", "--out", work / "bundle"],
    ]  # fmt: skip
    for command in commands:
        done = colles(*command)
        assert done.returncode == 0, f"{command[0]}: {done.stderr}"
    return work


def test_the_catalog_has_the_columns_that_others_rely_on(work: Path) -> None:
    frame = pl.read_parquet(work / "catalog.parquet")
    needed = {"image_id", "source", "path", "label", "boxes", "sha256", "phash", "group_id", "status", "given_split"}
    assert needed <= set(frame.columns)
    assert frame["image_id"].n_unique() == frame.height
    assert set(frame["label"].unique()) == {0, 1, None}


def test_the_audit_names_planted_problems(work: Path) -> None:
    issues = json.loads((work / "audit" / "audit.json").read_text())["issues"]
    kinds = {issue["kind"] for issue in issues}
    assert {"truncated", "exact_duplicate", "split_leak", "mislabelled_metadata"} <= kinds
    assert all(set(issue) >= {"kind", "severity", "images", "detail"} for issue in issues)


def test_the_split_is_by_group(work: Path) -> None:
    split = pl.read_csv(work / "split.csv")
    assert set(split["subset"]) == {"train", "val", "test"}
    assert split.group_by("group_id").agg(pl.col("subset").n_unique())["subset"].max() == 1


def test_organised_folders_hold_every_image_of_the_split(work: Path) -> None:
    split = pl.read_csv(work / "split.csv")
    files = [path for path in (work / "data" / "combined_organized").glob("*/*/*") if path.is_file()]
    assert len(files) == split.height
    assert {path.parent.name for path in files} <= {"fractured", "non_fractured"}


def test_the_run_folder_has_scores_of_val_and_test(work: Path) -> None:
    frame = pl.read_parquet(work / "run" / "predictions.parquet")
    assert frame.columns[:5] == ["image_id", "group_id", "subset", "y_true", "y_score"]
    assert set(frame["subset"]) == {"val", "test"}
    assert frame["y_score"].is_between(0, 1).all()
    for name in ("recipe.yaml", "provenance.json", "metrics.csv", "bad_files.csv"):
        assert (work / "run" / name).is_file()


def test_every_figure_carries_its_interval(work: Path) -> None:
    evaluation = json.loads((work / "evaluation" / "evaluation.json").read_text())
    figures = evaluation["subsets"]["test"]["figures"]
    for name in ("auroc", "average_precision", "brier", "ece"):
        assert set(figures[name]) == {"value", "low", "high", "level", "method", "n", "n_groups"}
    point = evaluation["subsets"]["test"]["operating_points"]["f1"]["figures"]
    assert {"sensitivity", "specificity", "accuracy", "balanced_accuracy", "f1", "ppv", "npv", "mcc"} <= set(point)


def test_the_trained_model_scores_its_test_images_made_worse(work: Path, tmp_path: Path) -> None:
    recipe = RobustnessRecipe(kinds=("noise", "inversion"), strengths=(2,))
    catalog, predictions = pl.read_parquet(work / "catalog.parquet"), work / "run" / "predictions.parquet"
    out = write_robustness(work / "run", predictions, catalog, recipe, tmp_path / "worse.parquet")
    found = pl.read_parquet(out)
    test = pl.read_parquet(predictions).filter(pl.col("subset") == "test")
    assert found.height == 2 * test.height
    assert set(found["condition"]) == {"noise 2", "inversion"}
    assert found.join(test, on=["image_id", "group_id", "y_true"]).height == found.height
    assert found["y_score"].is_between(0, 1).all()


def test_predictions_of_the_bundle_are_the_scores_of_the_run(work: Path, colles, tmp_path: Path) -> None:
    catalog = pl.read_parquet(work / "catalog.parquet").select("image_id", "path")
    scores = pl.read_parquet(work / "run" / "predictions.parquet").join(catalog, on="image_id")
    paths = scores["path"].to_list()[:12]
    out = tmp_path / "predictions.csv"
    done = colles("predict", *paths, "--bundle", work / "bundle", "--out", out)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(out.open()))
    assert list(rows[0]) == ["path", "status", "reason", "score", "probability", "decision", "bundle", "seconds"]
    assert [row["path"] for row in rows] == paths
    for row, expected in zip(rows, scores["y_score"].to_list(), strict=False):
        assert float(row["score"]) == pytest.approx(expected, abs=1e-4)


def test_explain_and_report_and_compare(work: Path, colles, tmp_path: Path) -> None:
    image = next((work / "data" / "combined_organized" / "test" / "fractured").iterdir())
    done = colles("explain", work / "bundle", image, "--out", tmp_path / "maps", "--method", "gradcam", "--json")
    assert done.returncode == 0, done.stderr
    entry = json.loads((tmp_path / "maps" / "explanations.json").read_text())[0]
    assert {"path", "method", "score", "peak", "map"} <= set(entry)
    done = colles("report", work / "run", "--out", tmp_path / "report.html")
    assert done.returncode == 0, done.stderr
    assert "<html" in (tmp_path / "report.html").read_text()
    one = pl.read_parquet(work / "run" / "predictions.parquet")
    one.with_columns(y_score=1 - pl.col("y_score")).write_parquet(tmp_path / "other.parquet")
    tables = [work / "run" / "predictions.parquet", tmp_path / "other.parquet"]
    done = colles("compare", *tables, "--out", tmp_path / "comparison", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pairs"]


def test_existing_results_are_kept_unless_asked(work: Path, colles) -> None:
    before = (work / "catalog.parquet").stat().st_mtime_ns
    for command in (
        ["catalog", "--source", f"folder={work}", "--out", work / "catalog.parquet"],
        ["split", work / "catalog.parquet", "--out", work / "split.csv"],
        ["train", work / "tiny.yaml", "--out", work / "run"],
        ["export", work / "run", "--out", work / "bundle"],
    ):
        done = colles(*command)
        assert done.returncode == 2
        assert "already exists" in done.stderr
        assert "Traceback" not in done.stderr
    assert (work / "catalog.parquet").stat().st_mtime_ns == before
