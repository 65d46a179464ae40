"""What `colles run` makes of a folder, a recipe and the settings beside them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from colles.cli.run import headline, settings_of
from colles.core.errors import UsageError
from colles.core.recipe import EvaluateRecipe
from colles.core.recipe_text import save_recipe
from colles.evaluation.evaluate import evaluate
from colles.evaluation.predictions import Predictions
from colles.evaluation.results import reported_subset


def folder_of(tmp_path: Path, write_image) -> Path:
    for name in ("fractured", "normal"):
        for number in range(12):
            write_image(tmp_path / "mine" / name / f"{number}.png", seed=len(name) * number)
    return tmp_path / "mine"


def test_files_named_beside_a_folder_are_those_of_the_working_folder_each_time(tmp_path: Path, write_image) -> None:
    """The first call took data.corrections from the working folder, the second from --out."""
    folder, out = folder_of(tmp_path, write_image), tmp_path / "out"
    overrides = ["data.corrections=c.csv"]
    first, base = settings_of(None, folder, out, overrides)
    save_recipe(first, out / "recipe.yaml")
    assert settings_of(None, folder, out, overrides) == (first, base) == (first, Path())


def test_a_folder_takes_the_place_of_a_recipes_sources_alone(tmp_path: Path, write_image) -> None:
    """--set data.region and the like vanished."""
    folder, recipe = folder_of(tmp_path, write_image), tmp_path / "r.yaml"
    recipe.write_text("data: {phantom: {images: 40}, root: /sets, sources: [{kind: yolo, path: y}], workers: 2}\n")
    settings, base = settings_of(recipe, folder, tmp_path / "out", ["data.region=upper_limb"])
    assert [source.path for source in settings.data.sources] == [str(folder)]
    assert (settings.data.phantom, settings.data.root) == (None, None)
    assert (settings.data.region, settings.data.workers, base) == ("upper_limb", 2, tmp_path)


def test_a_run_without_a_test_set_ends_with_the_figures_that_it_has() -> None:
    """split.test=0 ended all stages with a KeyError."""
    rows = [{"image_id": str(n), "subset": "val", "y_true": n % 2, "y_score": n % 2 * 0.3 + n / 200} for n in range(60)]
    evaluation = evaluate(Predictions(pl.DataFrame(rows)), EvaluateRecipe(replicates=100))
    subset = reported_subset(evaluation.subsets)
    assert subset == "val"
    assert headline(evaluation, subset)[0][0] == "AUROC"
    assert reported_subset(["val", "external"]) == "external"
    assert reported_subset(["hospital b", "train", "val"]) == "hospital b"
    assert reported_subset([]) is None


def test_a_run_with_a_source_held_out_ended_without_its_figure() -> None:
    rows = [
        {"image_id": f"{subset}{n}", "subset": subset, "y_true": n % 2, "y_score": n % 2 * 0.3 + n / 200}
        for subset in ("val", "test", "external")
        for n in range(60)
    ]
    evaluation = evaluate(Predictions(pl.DataFrame(rows)), EvaluateRecipe(replicates=100))
    assert ("AUROC on external", evaluation.subsets["external"].figures["auroc"]) in headline(evaluation, "test")


def test_a_table_in_place_of_a_folder_was_only_told_to_check_the_path(tmp_path: Path) -> None:
    table = tmp_path / "my labels.csv"  # the command is one that a shell takes
    table.write_text("path,label\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"is a file, not a folder.*colles init '.*my labels\.csv'"):
        settings_of(None, table, tmp_path / "out", [])
