"""Distillation: what teachers answer, what a network learns of it, and what does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from tiny_training import Data, recipe

from colles.core.errors import MissingInputError, RecipeError, StaleInputError
from colles.core.recipe import ModelRecipe, PreprocessRecipe
from colles.datasets.split import make_split
from colles.learning.checkpoint import load_classifier
from colles.learning.models import FractureClassifier, create_model
from colles.learning.training import train
from colles.learning.training.losses import answer_loss, answer_map_loss
from colles.learning.training.teachers import Teachers, load_teachers

LOCATED = ("model.location=on", "preprocess.size=64", "train.head_epochs=0")


def network(seed: int, location: str = "on") -> FractureClassifier:
    torch.manual_seed(seed)
    preprocess = PreprocessRecipe(size=64, channels=1, mean=(0.5,), std=(0.5,))
    named = ModelRecipe(name="timm:test_efficientnet", weights="none", location=location)
    return create_model(named, preprocess).eval()


def test_teachers_answer_with_their_mean_without_the_shift_that_comes_later() -> None:
    members, image = [network(1), network(2)], torch.randn(3, 1, 64, 64)
    answers = Teachers(members, prior_shift=0.7).answer(image)
    with torch.no_grad():
        apart = [member.outputs(image) for member in members]
    torch.testing.assert_close(answers["logit"], (apart[0]["logit"] + apart[1]["logit"]) / 2 - 0.7)
    torch.testing.assert_close(answers["cam"], (apart[0]["cam"] + apart[1]["cam"]) / 2)
    assert not any(parameter.requires_grad for member in members for parameter in member.parameters())


def test_a_teacher_without_a_location_map_teaches_no_map() -> None:
    assert "cam" not in Teachers([network(1), network(2, "off")]).answer(torch.randn(1, 1, 64, 64))


def test_the_loss_is_least_at_the_answer_itself() -> None:
    answer, weight = torch.tensor([[-1.0], [2.0]]), torch.ones(2)
    least = answer_loss(answer, answer, weight)
    entropy = torch.distributions.Bernoulli(logits=answer).entropy().mean()
    torch.testing.assert_close(least, entropy)
    assert least < answer_loss(answer + 0.3, answer, weight) and least < answer_loss(answer - 0.3, answer, weight)
    map_of = torch.randn(2, 1, 4, 4)
    assert answer_map_loss(map_of, map_of, weight) < answer_map_loss(map_of + 0.3, map_of, weight)


def test_an_image_of_weight_0_teaches_nothing() -> None:
    logit, answer = torch.tensor([[0.0], [5.0]]), torch.tensor([[0.0], [-5.0]])
    torch.testing.assert_close(
        answer_loss(logit, answer, torch.tensor([1.0, 0.0])), answer_loss(logit[:1], answer[:1], torch.ones(1))
    )
    cams = logit[:, :, None, None], answer[:, :, None, None]
    torch.testing.assert_close(answer_map_loss(*cams, torch.tensor([1.0, 0.0])), torch.log(torch.tensor(2.0)))


@pytest.mark.slow
def test_a_pupil_comes_near_its_teacher(data: Data, tmp_path: Path) -> None:
    teacher = train(*data, recipe(*LOCATED, "train.epochs=1"), tmp_path / "teacher")
    taught = ("train.epochs=6", "train.lr=0.01", "train.teacher_weight=1", f"train.teachers=[{teacher}]", "seed=5")
    pupil = train(*data, recipe(*LOCATED, *taught), tmp_path / "pupil")
    untaught = train(*data, recipe(*LOCATED, "train.epochs=6", "train.lr=0.01", "seed=5"), tmp_path / "untaught")
    image = torch.randn(32, 3, 64, 64)

    def distance(run: Path) -> float:
        with torch.no_grad():
            return float((load_classifier(run)[0](image) - load_classifier(teacher)[0](image)).abs().mean())

    assert distance(pupil) < distance(untaught)


@pytest.mark.slow
def test_a_pupil_holds_its_own_weights_alone_and_goes_on_after_a_stop(data: Data, tmp_path: Path) -> None:
    teacher = train(*data, recipe("train.epochs=1"), tmp_path / "teacher")
    taught = f"train.teachers=[{teacher}]"
    whole = train(*data, recipe(taught), tmp_path / "whole")
    with safe_open(str(whole / "checkpoints" / "best.safetensors"), "pt") as held:
        assert set(held.keys()) == set(load_classifier(whole)[0].state_dict())
    (tmp_path / "whole" / "checkpoints" / "finished.json").unlink()
    before = (whole / "predictions.parquet").read_bytes()
    train(*data, recipe(taught), whole, resume=True)
    assert (whole / "predictions.parquet").read_bytes() == before


@pytest.mark.slow
def test_a_finished_pupil_asks_no_more_for_its_teachers(data: Data, tmp_path: Path) -> None:
    """Scoring it again failed where they were gone."""
    teacher = train(*data, recipe("train.epochs=1"), tmp_path / "teacher")
    pupil = train(*data, recipe("train.epochs=1", f"train.teachers=[{teacher}]"), tmp_path / "pupil")
    before = (pupil / "predictions.parquet").read_bytes()
    teacher.rename(tmp_path / "gone")
    train(*data, recipe("train.epochs=1", f"train.teachers=[{teacher}]"), pupil, resume=True)
    assert (pupil / "predictions.parquet").read_bytes() == before


def test_a_teacher_of_other_pixels_is_refused(data: Data, tmp_path: Path) -> None:
    teacher = train(*data, recipe("train.epochs=1"), tmp_path / "teacher")
    grey = PreprocessRecipe(size=32, channels=1, mean=(0.5,), std=(0.5,))
    with pytest.raises(RecipeError, match=r"trained with another preprocess\.channels"):
        load_teachers([str(teacher)], grey, prior_shift=0.0)


def test_a_teacher_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no trained weights"):
        load_teachers([str(tmp_path)], PreprocessRecipe(), prior_shift=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["train.teachers=[{}]", "model.weights={}"])
def test_a_network_of_another_division_of_these_images_is_refused(data: Data, tmp_path: Path, setting: str) -> None:
    """Bug: the folds of a cross-validation were judged on what their teachers had learned from."""
    first = train(*data, recipe("train.head_epochs=0", "train.epochs=1"), tmp_path / "first")
    known = setting.format(first / "checkpoints" / "best.safetensors" if "weights" in setting else first)
    for name, other in (("folds", ("train.folds=2",)), ("seed", ())):
        catalog, split = data
        divided = split if name == "folds" else make_split(catalog, recipe("split.seed=7").split)
        with pytest.raises(StaleInputError, match="trained on another division of these images"):
            train(catalog, divided, recipe("train.head_epochs=0", "train.epochs=1", known, *other), tmp_path / name)
    same = train(*data, recipe("train.head_epochs=0", "train.epochs=1", known), tmp_path / "same")
    assert (same / "predictions.parquet").is_file()
