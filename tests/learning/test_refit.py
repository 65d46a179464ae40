"""A network that goes on with val too: halves of val, and two runs joined to one."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import polars as pl
import pytest
import torch
from tiny_training import Data, recipe

from colles.core.errors import InputError, StaleInputError
from colles.core.files import read_json
from colles.core.recipe import ExportRecipe
from colles.core.tables import read_table
from colles.datasets.split import Split
from colles.learning.checkpoint import load_classifier
from colles.learning.export import export_bundle
from colles.learning.finished_run import FinishedRun
from colles.learning.training import train

SCRIPT = Path(__file__).parents[2] / "scripts" / "refit.py"
REFIT = runpy.run_path(str(SCRIPT))


@pytest.fixture(scope="module")
def halves(data: Data, tmp_path_factory: pytest.TempPathFactory) -> list[Split]:
    folder = tmp_path_factory.mktemp("halves")
    REFIT["divide"](*data, folder)
    return [Split.load(folder / f"{name}.csv") for name in ("first", "second")]


@pytest.fixture(scope="module")
def runs(data: Data, halves: list[Split], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    return [train(data[0], half, recipe("train.epochs=1"), folder / str(n)) for n, half in enumerate(halves)]


def test_each_image_of_val_is_judged_by_one_half_and_learned_by_the_other(data: Data, halves: list[Split]) -> None:
    catalog, split = data
    first, second = (set(half.subset("val")) for half in halves)
    assert not first & second and first | second == set(split.subset("val"))
    labels = dict(catalog.frame.select("image_id", "label").iter_rows())
    assert abs(sum(labels[image] for image in first) - sum(labels[image] for image in second)) <= 1
    for half, judged in zip(halves, (first, second), strict=True):
        assert set(half.subset("train")) == set(split.subset("train")) | set(split.subset("val")) - judged
        assert not half.subset("test")
        half.assert_matches(catalog)


def test_groups_stay_whole() -> None:
    val = pl.DataFrame({"group_id": list("aaabbccd"), "label": [1, 1, 0, 1, 0, 1, 0, 0]})
    one, other = REFIT["halve"](val)
    assert not one & other and one | other == set("abcd")
    fractured = [val.filter(pl.col("group_id").is_in(list(half)))["label"].sum() for half in (one, other)]
    assert fractured == [2, 2]


def test_an_odd_fracture_does_not_send_all_other_images_to_one_half() -> None:
    val = pl.DataFrame({"group_id": [str(n) for n in range(43)], "label": [1] * 3 + [0] * 40})
    one, other = REFIT["halve"](val)
    assert abs(len(one) - len(other)) <= 1


@pytest.mark.slow
def test_the_joined_run_has_the_mean_weights_and_no_score_of_an_image_that_its_network_learned(
    data: Data, runs: list[Path], tmp_path: Path
) -> None:
    REFIT["join"](runs, *data, tmp_path / "joined", weights_from="a drawn network")
    joined = load_classifier(tmp_path / "joined")[0].state_dict()
    parents = [load_classifier(run / "checkpoints" / "last.safetensors")[0].state_dict() for run in runs]
    for key, value in joined.items():
        torch.testing.assert_close(value.double(), (parents[0][key].double() + parents[1][key].double()) / 2)
    table = read_table(tmp_path / "joined" / "predictions.parquet")
    own = pl.concat([read_table(run / "predictions.parquet") for run in runs]).filter(pl.col("subset") == "val")
    val, own = table.filter(pl.col("subset") == "val"), own.sort("image_id")
    assert val.drop("y_score").equals(own.drop("y_score"))
    assert val["y_score"].to_list() == pytest.approx(own["y_score"].to_list(), abs=1e-6)  # one epoch: best is last
    assert table.filter(pl.col("subset") == "test")["image_id"].to_list() == data[1].subset("test")
    assert read_json(tmp_path / "joined" / "provenance.json")["out_of_fold"]
    assert FinishedRun.load(tmp_path / "joined").out_of_fold

    pupil = recipe(f"train.teachers=[{tmp_path / 'joined'}]")
    with pytest.raises(StaleInputError, match="another division"):
        train(*data, pupil, tmp_path / "pupil")

    made = export_bundle(
        tmp_path / "joined",
        tmp_path / "bundle",
        evaluation=None,
        catalog=data[0],
        recipe=ExportRecipe(int8=False, gate=False),
    )
    training = read_json(made / "metadata.json")["training"]
    assert training["joined"] == 2 and training["weights_from"] == "a drawn network"
    card = (made / "MODEL_CARD.md").read_text("utf-8")
    assert "the mean of those of 2 networks, each of which learned from a part of val too" in card
    assert "cross-validation" not in card


@pytest.mark.slow
def test_two_runs_of_each_half_judge_it_together(
    data: Data, runs: list[Path], halves: list[Split], tmp_path: Path
) -> None:
    again = [
        train(data[0], half, recipe("train.epochs=1", "seed=5"), tmp_path / str(n)) for n, half in enumerate(halves)
    ]
    REFIT["join"]([*runs, *again], *data, tmp_path / "joined")
    joined = load_classifier(tmp_path / "joined")[0]
    weights = [load_classifier(run / "checkpoints" / "last.safetensors")[0].state_dict() for run in [*runs, *again]]
    for key, value in joined.state_dict().items():
        torch.testing.assert_close(value.double(), sum(state[key].double() for state in weights) / 4)
    table = read_table(tmp_path / "joined" / "predictions.parquet")
    assert table.filter(pl.col("subset") == "val")["image_id"].to_list() == data[1].subset("val")
    REFIT["join"]([runs[0], again[1]], *data, tmp_path / "other")
    other = read_table(tmp_path / "other" / "predictions.parquet")
    first = halves[0].subset("val")
    scores = [t.filter(pl.col("image_id").is_in(first))["y_score"].to_list() for t in (table, other)]
    assert scores[0] != scores[1]


@pytest.mark.slow
def test_two_runs_of_one_half_are_refused(data: Data, runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="do not judge each image of val once"):
        REFIT["join"]([runs[0], runs[0]], *data, tmp_path / "joined")
    assert not (tmp_path / "joined").exists()


def test_a_folder_that_holds_something_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    monkeypatch.setattr(sys, "argv", ["refit", "divide", "--catalog", "c", "--split", "s", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert str(caught.value.code).startswith("error: ") and (tmp_path / "kept.txt").read_text() == "kept"
