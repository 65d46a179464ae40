"""Bundles of weights alone: half the bytes, the same answers up to their rounding, refused where they cannot serve."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from tiny_run import TinyRun, make_run
from typer.testing import CliRunner

from colles.cli.app import app
from colles.core.errors import BundleError, MissingInputError, OutputExistsError, ParityError, UsageError
from colles.core.recipe import ExportRecipe
from colles.flow.export import export_run
from colles.learning.export import export_bundle
from colles.learning.weights_alone import SCORE_TOLERANCE, complete_bundle, round_to_half
from colles.serving.bundle import load_bundle
from colles.serving.transport import pull_bundle, push_bundle

RECIPE = ExportRecipe(parity_images=12)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return make_run(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def alone(run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "small"
    return export_bundle(run.folder, out, evaluation=None, catalog=run.catalog, recipe=RECIPE, weights_only=True)


@pytest.fixture(scope="module")
def whole(alone: Path) -> Path:
    return complete_bundle(alone, alone.with_name("whole"))


def assert_halved(bundle: Path) -> None:
    """Hold the kinds of a bundle's weights against what is kept in 16 bits: large kernels and matrices."""
    state = load_file(bundle / "model.safetensors").values()
    large = [value.dim() > 1 and value.numel() >= 8192 for value in state]
    assert {value.dtype for value, is_large in zip(state, large, strict=True) if is_large} == {torch.float16}
    assert {value.dtype for value, is_large in zip(state, large, strict=True) if not is_large} <= {
        torch.float32,
        torch.int64,
    }


def test_it_holds_weights_in_16_bits_and_no_network(alone: Path) -> None:
    assert not (alone / "model.onnx").exists()
    assert_halved(alone)
    loaded = load_bundle(alone, to_answer=False)
    assert not loaded.has_graph and set(loaded.manifest.left_out) == {"model.onnx"}
    assert loaded.metadata.parity["tolerance_to_predictions"] == SCORE_TOLERANCE
    assert "colles export path/to/tiny --out" in (alone / "MODEL_CARD.md").read_text()


def test_it_is_refused_where_an_answer_is_wanted_with_the_command_that_helps(alone: Path) -> None:
    """From the folder that holds it the command named it as its own output, which is refused."""
    with pytest.raises(
        MissingInputError, match=rf"holds weights alone.* colles export {alone} --out {alone.name}-whole"
    ):
        load_bundle(alone)


def test_made_whole_it_gives_the_runs_scores_but_for_the_rounding(run: TinyRun, alone: Path, whole: Path) -> None:
    bundle = load_bundle(whole)
    assert bundle.name == load_bundle(alone, to_answer=False).name  # the same graph again, so the same version
    assert bundle.metadata.parity["completed"]["max_difference_to_checkpoint"] <= 1e-4
    table = pl.read_parquet(run.folder / "predictions.parquet").join(run.catalog.frame, on="image_id")
    for path, score in table.select("path", "y_score").iter_rows():
        assert bundle.predict(path).score == pytest.approx(score, abs=SCORE_TOLERANCE)
    assert "holds weights in 16 bits" not in (whole / "MODEL_CARD.md").read_text()


def test_what_is_whole_is_not_made_again_and_nothing_is_overwritten(alone: Path, whole: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="has its network already"):
        complete_bundle(whole, tmp_path / "again")
    with pytest.raises(OutputExistsError):
        complete_bundle(alone, whole)


def test_a_bundle_has_no_choices_left(alone: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a bundle already"):
        export_run(alone, tmp_path / "out", name="other")
    assert not (tmp_path / "out").exists()


def test_one_whose_weights_are_missing_too_is_no_bundle(alone: Path, tmp_path: Path) -> None:
    copy = push_bundle(load_bundle(alone, to_answer=False), tmp_path / "copy")
    manifest = (copy / "manifest.json").read_text().replace('"model.safetensors"', '"other.safetensors"')
    (copy / "manifest.json").write_text(manifest)
    with pytest.raises(BundleError, match=r"lists no model\.onnx"):
        load_bundle(copy, to_answer=False)


def test_it_travels_as_a_zip(alone: Path, tmp_path: Path) -> None:
    archive = push_bundle(load_bundle(alone, to_answer=False), tmp_path / "small.zip")
    assert not pull_bundle(archive, tmp_path / "back").has_graph


def test_a_failed_export_keeps_what_was_to_be_overwritten(run: TinyRun, alone: Path, tmp_path: Path) -> None:
    out = push_bundle(load_bundle(alone, to_answer=False), tmp_path / "kept")
    with pytest.raises(MissingInputError):
        export_run(run.folder, out, catalog=tmp_path / "none.parquet", overwrite=True)
    assert not load_bundle(out, to_answer=False).has_graph


@pytest.mark.slow
def test_only_a_bundle_is_overwritten(run: TinyRun, alone: Path, tmp_path: Path) -> None:
    out = push_bundle(load_bundle(alone, to_answer=False), tmp_path / "models" / "old")
    assert load_bundle(complete_bundle(alone, out, overwrite=True)).has_graph
    folder = shutil.copytree(run.folder, tmp_path / "run")
    (out / "notes.txt").write_text("mine")
    for kept in (out, out.parent, folder):
        with pytest.raises(OutputExistsError, match="replaces a bundle, and nothing else"):
            complete_bundle(alone, kept, overwrite=True)
        with pytest.raises(OutputExistsError):
            export_bundle(folder, kept, evaluation=None, catalog=run.catalog, recipe=RECIPE, overwrite=True)
    assert (out / "notes.txt").is_file() and (folder / "recipe.yaml").is_file()


def test_a_weight_that_16_bits_do_not_hold_stops_the_export(run: TinyRun) -> None:
    model = type(run.model).__new__(type(run.model))
    torch.nn.Module.__init__(model)
    model.head = torch.nn.Linear(8192, 1)
    with torch.no_grad():
        model.head.weight.fill_(1e6)
    with pytest.raises(ParityError, match=r"head\.weight does not fit into 16 bits"):
        round_to_half(model)


@pytest.mark.slow
def test_the_verbs_tell_what_it_is(alone: Path, tmp_path: Path) -> None:
    def said(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, list(arguments))
        assert done.exit_code == code, done.output
        return " ".join(done.output.split())

    assert "colles export makes it from the weights" in said("bundle", "show", str(alone))
    assert "it holds weights alone" in said("bundle", "verify", str(alone))
    made = said("export", str(alone), "--out", str(tmp_path / "made"))
    assert "Next: colles predict" in made
    assert "its networks load" in said("bundle", "verify", str(tmp_path / "made"))
