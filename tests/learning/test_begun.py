"""What a run's folder holds decides whether its training goes on, whatever was noted of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_training import Data, recipe

from colles.core.errors import StaleInputError
from colles.core.files import remove
from colles.core.recipe import Recipe
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split, make_split
from colles.flow.run import run_stages
from colles.flow.stages import Stages
from colles.flow.workspace import Ledger, Workspace
from colles.learning.checkpoint import load_classifier
from colles.learning.training.begun import is_begun

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def space(data: Data, tmp_path: Path) -> Workspace:
    """Return the folder of a run that has its split."""
    catalog, split = data
    catalog.save(tmp_path / "catalog.parquet")
    split.save(tmp_path / "split.csv")
    return Workspace(tmp_path)


def load(space: Workspace) -> Data:
    return Catalog.load(space.catalog), Split.load(space.split)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def train_stage(space: Workspace, settings: Recipe) -> None:
    stages = [stage for stage in Stages(settings, space, space.out).all if stage.name == "train"]
    run_stages(stages, Ledger(space.state))


def test_a_training_that_was_stopped_before_it_began_does_not_claim_the_one_that_is_there(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in its first second: the same command then said that the begun training had another train.lr."""
    short = ("train.epochs=1", "train.head_epochs=0")
    train_stage(space, recipe(*short))
    changed = recipe(*short, "train.lr=0.5")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("colles.flow.model_stages.set_aside", interrupt)
        train_stage(space, changed)
    train_stage(space, changed)
    assert (space.out / "train.1" / "checkpoints" / "best.safetensors").is_file()
    assert is_begun(*load(space), changed, space.train)


@pytest.mark.slow
def test_a_refused_skip_does_not_bar_the_training_that_it_advises(space: Workspace) -> None:
    """train.mode=skip over another split advised train.mode=full, which failed by the same reason."""
    short = ("train.epochs=1", "train.head_epochs=0")
    train_stage(space, recipe(*short))
    catalog, _ = load(space)
    make_split(catalog, recipe().split.model_copy(update={"seed": 1})).save(space.split)
    with pytest.raises(StaleInputError, match=r"Train anew with train\.mode=full"):
        train_stage(space, recipe(*short, "train.mode=skip"))
    train_stage(space, recipe(*short))
    assert is_begun(*load(space), recipe(*short), space.train)


def test_a_finished_training_is_known_without_a_ledger(space: Workspace) -> None:
    """A lost state.json had it set aside and trained anew."""
    short = recipe("train.epochs=1", "train.head_epochs=0")
    train_stage(space, short)
    space.state.unlink()
    train_stage(space, short)
    assert not (space.out / "train.1").exists()


@pytest.mark.slow
def test_seeds_that_are_there_count_when_another_is_asked_for(space: Workspace) -> None:
    two = recipe("train.epochs=1", "train.head_epochs=0", "train.seeds=2")
    train_stage(space, two)
    data = load(space)
    assert is_begun(*data, recipe("train.epochs=1", "train.head_epochs=0", "train.seeds=3"), space.train)
    assert is_begun(*data, recipe("train.epochs=2", "train.head_epochs=0", "train.seeds=2"), space.train) is False
    assert is_begun(*data, recipe("train.epochs=1", "train.head_epochs=0"), space.train) is False
    assert is_begun(*data, recipe("train.epochs=1", "train.head_epochs=0", "train.folds=2"), space.train) is False


@pytest.mark.slow
@pytest.mark.parametrize("gone", ["checkpoints", "checkpoints/best.safetensors", "checkpoints/best.json"])
def test_a_finished_training_whose_weights_are_gone_is_trained_again(space: Workspace, gone: str) -> None:
    """It counted as current, and each later stage ended in `no such file`."""
    short = recipe("train.epochs=1", "train.head_epochs=0")
    train_stage(space, short)
    remove(space.train / gone)
    train_stage(space, short)
    assert (space.train / gone).exists()
    assert load_classifier(space.train)[0].name == "timm:test_efficientnet"
