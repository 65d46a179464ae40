"""What `colles explain` says of inputs that it cannot use, and of images that a catalog knows."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import polars as pl
import pytest
from tiny_run import TinyRun, make_run
from typer.testing import CliRunner

from colles.cli.app import app
from colles.cli.explain import _cell
from colles.core.errors import CollesError
from colles.core.records import Box
from colles.core.schema import CATALOG_SCHEMA
from colles.datasets.catalog import Catalog
from colles.flow.known import items_of_paths


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    made = make_run(tmp_path_factory.mktemp("tiny"), images=12)
    box = {"x1": 2.0, "y1": 2.0, "x2": 12.0, "y2": 12.0, "name": None}
    boxes = [[box] if label else [] for label in made.catalog.frame["label"]]
    frame = made.catalog.frame.with_columns(boxes=pl.Series(boxes, dtype=CATALOG_SCHEMA["boxes"]))
    Catalog(frame).save(made.folder / "catalog.parquet")
    return TinyRun(made.folder, Catalog(frame), made.recipe, made.model, made.table)


def call(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["explain", *(str(argument) for argument in arguments)])
    if isinstance(result.exception, CollesError):
        assert result.exception.exit_code == 2
        return str(result.exception)
    assert result.exception is None, result.output
    return result.output


def test_images_in_an_archive_are_refused_and_not_left_out(run: TinyRun, tmp_path: Path) -> None:
    first = Path(run.catalog.frame["path"][0])
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.write(first, first.name)
    said = call(run.folder, first, tmp_path / "some.zip", "--out", tmp_path / "out")
    assert "some.zip" in said and "Unpack it" in said and not (tmp_path / "out").exists()


def test_overlays_in_a_folder_of_images_were_explained_the_next_time(run: TinyRun, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    shutil.copy(run.catalog.frame["path"][0], folder)
    said = call(run.folder, folder, "--out", folder / "maps", "--method", "input_gradient")
    assert "--out" in said and "would be judged next time" in said and not (folder / "maps").exists()


def test_a_list_of_no_images_is_told(run: TinyRun, tmp_path: Path) -> None:
    said = call(run.folder, "-", "--out", tmp_path / "out")  # standard input is empty here
    assert "no image was named" in said and not (tmp_path / "out").exists()


def test_options_of_scores_alone_are_not_swallowed(run: TinyRun, tmp_path: Path) -> None:
    said = call(run.folder, run.catalog.frame["path"][0], "--against", run.folder, "--out", tmp_path / "out")
    assert said == "--against: says something of --scores alone. Add --scores test"


def test_images_of_a_catalog_are_found_by_any_path_and_judged_aloud(run: TinyRun, tmp_path: Path) -> None:
    row = next(row for row in run.catalog.frame.iter_rows(named=True) if row["boxes"])
    path = Path(row["path"])
    link = tmp_path / "link.png"
    link.symlink_to(path)
    dotted = path.parent / ".." / path.parent.name / path.name
    for given in (link, dotted):
        (item,) = items_of_paths([given], run.catalog)
        assert item.image_id == row["image_id"] and item.boxes == (Box(x1=2, y1=2, x2=12, y2=12),)
    catalog = run.folder / "catalog.parquet"
    said = call(run.folder, dotted, "--catalog", catalog, "--out", tmp_path / "a", "--method", "input_gradient")
    assert "1 fractures of images with boxes" in said and "peak in a box" in said
    other = Path(next(row["path"] for row in run.catalog.frame.iter_rows(named=True) if not row["boxes"]))
    said = call(run.folder, other, "--catalog", catalog, "--out", tmp_path / "b", "--method", "input_gradient")
    assert "nothing was judged" in said


def test_a_catalog_of_dotted_or_linked_folders_knew_none_of_its_images(run: TinyRun, tmp_path: Path) -> None:
    row = next(row for row in run.catalog.frame.iter_rows(named=True) if row["boxes"])
    path = Path(row["path"])
    (tmp_path / "link").symlink_to(path.parent)
    for folder in (path.parent / ".." / path.parent.name, tmp_path / "link"):
        catalog = run.catalog.with_columns(path=pl.lit(f"{folder}/") + pl.col("path").str.split("/").list.last())
        for given in (path, folder / path.name):
            (item,) = items_of_paths([given], catalog)
            assert item.image_id == row["image_id"]


def test_of_two_links_to_one_file_each_is_its_own_row(run: TinyRun, tmp_path: Path) -> None:
    links = [tmp_path / "one.png", tmp_path / "two.png"]
    for link in links:
        link.symlink_to(run.catalog.frame["path"][0])
    catalog = Catalog(run.catalog.frame.head(2).with_columns(path=pl.Series(map(str, links))))
    assert [item.image_id for item in items_of_paths(links, catalog)] == catalog.frame["image_id"].to_list()


def test_a_link_to_itself_in_the_catalog_ended_in_a_defect(run: TinyRun, tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("a.png")
    catalog = run.catalog.where(pl.col("label") == 1).with_columns(path=pl.lit(str(tmp_path / "a.png")))
    (item,) = items_of_paths([tmp_path / "other" / "a.png"], catalog)
    assert item.image_id is None


def test_a_single_fracture_has_a_figure_without_an_interval(run: TinyRun, tmp_path: Path) -> None:
    """The table ended in a TypeError."""
    assert _cell({"value": 0.35, "low": None, "high": None}) == "0.350"
    said = call(run.folder, "--scores", "test", "--limit", "1", "--no-checks", "--method", "input_gradient",
                "--out", tmp_path / "out")  # fmt: skip
    assert "peak in a box" in said


def test_a_catalog_that_is_named_is_not_looked_for(run: TinyRun, tmp_path: Path) -> None:
    """Where the run has none beside it, `--catalog` was answered with "not found. Name it with --catalog"."""
    alone = tmp_path / "runs" / "alone"
    shutil.copytree(run.folder, alone)
    catalog = (alone / "catalog.parquet").rename(tmp_path / "elsewhere.parquet")
    judge = (alone, "--scores", "test", "--no-checks", "--method", "input_gradient")
    assert "no catalog" in call(*judge, "--out", tmp_path / "none")
    assert "peak in a box" in call(*judge, "--catalog", catalog, "--out", tmp_path / "out")


def test_a_split_whose_groups_are_numbers_or_missing(run: TinyRun, tmp_path: Path) -> None:
    """Numbers were read as numbers, and group 0 as none."""
    table = run.table.select("image_id", "subset").with_row_index("group_id")
    for name, frame in (("numbers", table), ("none", table.drop("group_id"))):
        frame.write_csv(tmp_path / f"{name}.csv")
        call(run.folder, "--scores", "test", "--split", tmp_path / f"{name}.csv", "--no-checks", "--out",
             tmp_path / name, "--method", "input_gradient")  # fmt: skip
        assert (tmp_path / name / "scores.json").is_file()


def test_images_that_give_no_map_are_told(run: TinyRun, tmp_path: Path) -> None:
    """Unreadable files alone ended well, and images outside the sample of a slow method were left out in silence."""
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8")
    assert "no heat map was made" in call(run.folder, tmp_path / "torn.jpg", "--out", tmp_path / "none")
    assert json.loads((tmp_path / "none" / "explanations.json").read_text())[0]["error"]
    images = run.catalog.frame["path"][:3].to_list()
    said = call(
        run.folder, *images, "--method", "smoothgrad", "--sample", 2, "--maps", "none", "--out", tmp_path / "two"
    )
    assert "smoothgrad: 2 of 3 images, drawn by seed" in said


def test_json_does_not_silence_what_was_left_out(run: TinyRun, tmp_path: Path) -> None:
    image = run.catalog.frame["path"][0]
    methods = ("--method", "location", "--method", "gradcam")
    result = CliRunner().invoke(app, ["explain", str(run.folder), image, *methods, "--out", str(tmp_path), "--json"])
    assert [entry["method"] for entry in json.loads(result.stdout)] == ["gradcam"]
    assert "location was left out" in result.stderr


def test_figures_of_older_maps_stayed_beside_new_ones(run: TinyRun, tmp_path: Path) -> None:
    image = next(row["path"] for row in run.catalog.frame.iter_rows(named=True) if row["boxes"])
    arguments = (run.folder, image, "--method", "input_gradient", "--out", tmp_path / "out")
    call(*arguments, "--catalog", run.folder / "catalog.parquet")
    assert (tmp_path / "out" / "scores.json").is_file()
    call(*arguments, "--overwrite")
    assert not (tmp_path / "out" / "scores.json").exists()
    call(*arguments, "--catalog", run.folder / "catalog.parquet", "--overwrite")
    assert (tmp_path / "out" / "scores.json").is_file()


@pytest.mark.parametrize("layer", ["backbone.layer11", "head"])
def test_a_mistyped_layer_left_a_folder_that_the_next_try_refused(layer: str, run: TinyRun, tmp_path: Path) -> None:
    image = run.catalog.frame["path"][0]
    said = call(run.folder, image, "--method", f"gradcam@{layer}", "--out", tmp_path / "out")
    assert layer in said and not (tmp_path / "out").exists()


def test_the_first_networks_features_were_named_twice(run: TinyRun, tmp_path: Path) -> None:
    methods = ("--method", "location", "--method", "input_gradient")
    said = call(run.folder, "--scores", "test", "--no-checks", *methods, "--out", tmp_path / "out")
    assert said.count("location was left out") == 1


def test_pictures_with_boxes_beside_figures_of_a_subset_were_a_defect(run: TinyRun, tmp_path: Path) -> None:
    image = next(row["path"] for row in run.catalog.frame.iter_rows(named=True) if row["boxes"])
    scores = ("--scores", "test", "--no-checks", "--catalog", run.folder / "catalog.parquet")
    said = call(run.folder, image, *scores, "--method", "input_gradient", "--out", tmp_path / "out")
    assert "fractures of test with boxes" in said
    assert {"explanations.json", "scores.json"} <= {file.name for file in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize("target", ["fracture", "no_fracture"])
def test_candidates_against_a_fracture_scored_as_one_for_it(run: TinyRun, tmp_path: Path, target: str) -> None:
    image = run.catalog.frame["path"][0]
    call(run.folder, image, "--out", tmp_path / "out", "--method", "input_gradient", "--target", target)
    (entry,) = json.loads((tmp_path / "out" / "explanations.json").read_text())
    expected = entry["score"] if target == "fracture" else 1 - entry["score"]
    assert entry["boxes"][0]["score"] == pytest.approx(expected, abs=1e-4)
