"""Folds, seeds and their mean as one model."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from pytorch_lightning.callbacks import Callback
from tiny_training import Data, recipe

from colles.core.errors import InputError, MissingInputError, RecipeError, StaleInputError
from colles.core.files import read_json, write_json
from colles.core.recipe import ModelRecipe, PreprocessRecipe, SplitRecipe
from colles.core.recipe_text import load_recipe, save_recipe
from colles.core.tables import write_table
from colles.datasets.folds import validation_folds
from colles.learning.checkpoint import describe_model, load_classifier, save_checkpoint
from colles.learning.models import FractureClassifier, create_model
from colles.learning.models.ensemble import create_ensemble
from colles.learning.training import fit, train
from colles.learning.training.several import mean_predictions

ONCE = ("train.head_epochs=0", "train.epochs=1", "train.sampler=oversample")


@pytest.fixture(scope="module")
def folds(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cross-validation of two folds, to be looked at."""
    return train(*data, recipe(*ONCE, "train.folds=2"), tmp_path_factory.mktemp("folds") / "run")


def network(seed: int, name: str = "timm:test_efficientnet") -> FractureClassifier:
    torch.manual_seed(seed)
    return create_model(ModelRecipe(name=name, weights="none", location="off"), PreprocessRecipe(size=32)).eval()


def test_each_image_is_judged_once_by_a_fold_that_has_not_seen_its_group(data: Data) -> None:
    catalog, split = data
    folds = validation_folds(split, catalog, 3, SplitRecipe(), seed=0)
    pool = {image for subset in ("train", "val") for image in split.subset(subset)}
    judged = [image for fold in folds for image in fold.subset("val")]
    assert sorted(judged) == sorted(pool)
    labels = dict(catalog.frame.select("image_id", "label").iter_rows())
    for fold in folds:
        groups = {
            name: set(fold.frame.filter(pl.col("subset") == name)["group_id"]) for name in ("train", "val", "test")
        }
        assert not groups["train"] & groups["val"]
        assert {labels[image] for image in fold.subset("val")} == {0, 1}
        assert fold.subset("test") == split.subset("test")
        fold.assert_matches(catalog)
    assert len({fold.digest for fold in folds}) == 3


def test_one_copy_of_a_radiograph_is_judged(data: Data) -> None:
    catalog, split = data
    twins = split.subset("train")[:2]
    same = pl.col("image_id").is_in(twins)
    one = pl.when(same).then(pl.lit("twins")).otherwise(pl.col("group_id"))
    name = pl.when(same).then(pl.lit("a.rf")).otherwise(pl.col("base_name"))
    catalog = catalog.with_columns(base_name=name, group_id=one)
    label = catalog.frame.filter(same)["label"]
    assert label.n_unique() == 1
    split = replace(split, frame=split.frame.with_columns(group_id=one))
    split = replace(split, summary={**split.summary, "catalog_digest": catalog.digest})
    folds = validation_folds(split, catalog, 3, SplitRecipe(), seed=0)
    judged = [image for fold in folds for image in fold.subset("val") if image in twins]
    assert len(judged) == 1
    assert all(set(twins) <= set(fold.subset("train")) for fold in folds if not set(judged) & set(fold.subset("val")))


def test_a_class_that_cannot_be_in_every_fold(data: Data) -> None:
    catalog, split = data
    with pytest.raises(
        InputError,
        match=r"train\.folds: the fractures lie in \d+ independent groups, too few for 40 folds\. Choose fewer folds",
    ):
        validation_folds(split, catalog, 40, SplitRecipe(), seed=0)
    fractured = catalog.frame.filter(pl.col("label") == 1)["image_id"].to_list()
    one = pl.when(pl.col("image_id").is_in(fractured)).then(pl.lit("all")).otherwise(pl.col("group_id"))
    alone = replace(split, frame=split.frame.with_columns(group_id=one))
    with pytest.raises(InputError, match="the fractures lie in 1 independent group, too few"):
        validation_folds(alone, catalog, 2, SplitRecipe(), seed=0)


def test_folds_and_seeds_do_not_go_together() -> None:
    with pytest.raises(RecipeError, match="do not go together"):
        recipe("train.folds=3", "train.seeds=2")
    with pytest.raises(RecipeError, match="at least 2"):
        recipe("train.folds=1")


def test_the_mean_is_of_logits() -> None:
    row = {"image_id": "a", "group_id": "a", "subset": "test", "y_true": 1}
    tables = [pl.DataFrame([{**row, "y_score": score}]) for score in (0.9, 0.5)]
    expected = 1 / (1 + math.exp(-math.log(9) / 2))
    assert mean_predictions(tables)["y_score"].item() == pytest.approx(expected)
    certain = [table.with_columns(y_score=pl.lit(score)) for table, score in zip(tables, (1.0, 0.0), strict=True)]
    assert mean_predictions(certain)["y_score"].item() == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("name", ["timm:test_efficientnet", "simple_cnn"])
def test_an_ensemble_is_the_mean_of_its_members_and_is_loaded_as_such(name: str, tmp_path: Path) -> None:
    members = [network(seed, name) for seed in range(3)]
    model = create_ensemble(members)
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        expected = torch.stack([member(x) for member in members]).mean(0)
        found = model.outputs(x)
        assert torch.allclose(model(x), expected)
        assert torch.allclose(found["logit"], expected)
        if model.has_cam:
            assert torch.allclose(model.head(found["embedding"]), expected, atol=1e-5)
            assert torch.allclose(found["cam"].mean((2, 3)), expected, atol=1e-5)
    described = describe_model(ModelRecipe(name=name, weights="none", location="off"), PreprocessRecipe(size=32), model)
    save_checkpoint(model, tmp_path / "best.safetensors", described)
    loaded, _ = load_classifier(tmp_path / "best.safetensors")
    with torch.no_grad():
        assert torch.equal(loaded(x), model(x))
    assert create_ensemble(members[:1]) is members[0]


def fake_train(catalog, split, settings, out: Path, **options: object) -> Path:  # type: ignore[no-untyped-def]
    """Leave what a training leaves, with random weights and scores."""
    if out.name == "fold-2" and not (out.parent / "again").exists():
        (out.parent / "again").touch()
        raise KeyboardInterrupt
    model = network(settings.seed + len(out.name))
    settings = settings.model_copy(update={"model": settings.model.model_copy(update={"location": "off"})})
    described = describe_model(settings.model, settings.preprocess, model)
    save_checkpoint(model, out / "checkpoints" / "best.safetensors", described)
    save_recipe(settings, out / "recipe.yaml")
    rows = split.frame.filter(pl.col("subset") != "train").join(
        catalog.frame.select("image_id", "label"), on="image_id"
    )
    generator = torch.Generator().manual_seed(settings.seed)
    score = torch.rand(rows.height, generator=generator).double().tolist()
    table = rows.with_columns(y_true=pl.col("label").cast(pl.Int8), y_score=pl.Series(score)).drop("label")
    write_table(table, out / "predictions.parquet")
    write_json(out / "provenance.json", {})
    return out


def test_a_cross_validation_killed_in_a_fold_goes_on_and_is_a_run_like_any_other(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "train_once", fake_train)
    settings = recipe("train.folds=3")
    with pytest.raises(KeyboardInterrupt):
        train(*data, settings, tmp_path)
    run = train(*data, settings, tmp_path, resume=True)
    frame = pl.read_parquet(run / "predictions.parquet")
    pool = data[1].subset("train") + data[1].subset("val")
    assert sorted(frame.filter(pl.col("subset") == "val")["image_id"]) == sorted(pool)
    assert sorted(frame.filter(pl.col("subset") == "test")["image_id"]) == data[1].subset("test")
    assert read_json(run / "provenance.json")["out_of_fold"] is True
    members = read_json(run / "members.json")
    assert list(members["members"]) == ["fold-1", "fold-2", "fold-3"]
    values = [figures["val"]["auroc"] for figures in members["members"].values()]
    found = next(row for row in members["spread"] if (row["subset"], row["figure"]) == ("val", "auroc"))
    assert found["mean"] == pytest.approx(sum(values) / 3)
    assert found["sd"] == pytest.approx(torch.tensor(values, dtype=torch.float64).std().item())
    assert len(load_classifier(run)[0].members) == 3  # type: ignore[arg-type]


def test_seeds_differ_in_their_seed_alone_and_share_their_images(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "train_once", fake_train)
    run = train(*data, recipe("train.seeds=2", "seed=5"), tmp_path)
    tables = [pl.read_parquet(run / f"seed-{seed}" / "predictions.parquet") for seed in (5, 6)]
    frame = pl.read_parquet(run / "predictions.parquet")
    assert frame["image_id"].to_list() == tables[0]["image_id"].to_list()
    assert frame["y_score"].to_list() == mean_predictions(tables)["y_score"].to_list()


def test_no_finished_member_no_run(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        load_classifier(tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_real_folds_are_exported_as_one_model(data: Data, tmp_path: Path) -> None:
    from colles.core.recipe import ExportRecipe
    from colles.learning.export import export_bundle

    run = train(*data, recipe("train.folds=2", "train.epochs=1", "train.sampler=oversample"), tmp_path / "run")
    bundle = export_bundle(run, tmp_path / "bundle", evaluation=None, catalog=data[0], recipe=ExportRecipe())
    parity = read_json(bundle / "metadata.json")["parity"]
    assert parity["max_difference_to_predictions"] < 1e-4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_folds_without_test_images_are_exported_and_told_for_what_they_are(
    data: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bug: all folds were trained, and the export then asked for another catalog."""
    from colles.core.recipe import ExportRecipe
    from colles.learning.export import export_bundle

    catalog, split = data
    seen = split.frame.filter(pl.col("subset") != "test")
    divided = replace(split, frame=seen)
    told: list[int] = []

    class Count(Callback):
        def on_train_epoch_end(self, *arguments: object) -> None:
            told.append(1)

    once = ("train.folds=2", "train.head_epochs=0", "train.epochs=1", "train.sampler=oversample")
    run = train(catalog, divided, recipe(*once), tmp_path / "run", callbacks=[Count()])
    assert len(told) == 2  # callbacks are heard in each fold
    bundle = export_bundle(
        run,
        tmp_path / "bundle",
        evaluation=None,
        catalog=catalog,
        recipe=ExportRecipe(int8=False, gate=False),
        split=divided,
    )
    assert "from which members of this mean have learned" in capsys.readouterr().err
    metadata = read_json(bundle / "metadata.json")
    assert metadata["parity"]["max_difference_to_predictions"] <= 1e-4
    assert metadata["training"]["out_of_fold"] is True
    assert "all but one of which learned from any image of val" in (bundle / "MODEL_CARD.md").read_text()

    before = load_recipe(run / "recipe.yaml")
    train(catalog, divided, recipe(*once, "train.mode=skip", "train.lr=0.5"), run)
    assert load_recipe(run / "recipe.yaml").train == before.train  # what made the weights, not what scored them again


def held(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_resumed_as_one_training_several_were_overwritten_and_one_as_several(data: Data, tmp_path: Path) -> None:
    """`--resume` with another train.folds replaced the finished model and its scores, and nobody was told."""
    one, folds = recipe(*ONCE), recipe(*ONCE, "train.folds=2")
    for name, first, second in (
        ("one", one, folds),
        ("folds", folds, one),
        ("seeds", recipe(*ONCE, "train.seeds=2"), one),
    ):
        run = train(*data, first, tmp_path / name)
        before = held(run)
        with pytest.raises(StaleInputError):
            train(*data, second, run, resume=True)
        assert held(run) == before


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_folds_that_are_kept_were_scored_as_one_network_on_what_they_had_learned(data: Data, folds: Path) -> None:
    """train.mode=skip without train.folds: each image of val was scored by the members that had learned it."""
    before = held(folds)
    with pytest.raises(StaleInputError, match=r"several networks.*train\.folds"):
        train(*data, recipe(*ONCE, "train.mode=skip"), folds)
    assert held(folds) == before


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_folds_taught_a_network_what_its_val_shows(data: Data, folds: Path, tmp_path: Path) -> None:
    """Bug: the mean of folds has learned from val, and passed for a network of the same division."""
    with pytest.raises(StaleInputError, match="another division of these images"):
        train(*data, recipe(*ONCE, f"train.teachers=[{folds}]"), tmp_path / "pupil")
