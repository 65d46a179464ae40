"""The gate and the int8 network that a bundle gets from its training images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from tiny_run import TinyRun, make_run

from colles.core.errors import BundleError, UsageError
from colles.core.recipe import ExportRecipe
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.evaluation.predictions import Predictions
from colles.learning.companions import Shown, _add_gate, choose_rows
from colles.learning.export import export_bundle
from colles.learning.quantise import Quantiser
from colles.serving.bundle import load_bundle
from colles.serving.decision import DecisionRule
from colles.serving.gate import Gate
from colles.serving.int8 import judge_int8
from colles.serving.metadata import GateMetadata
from colles.serving.predictor import Predictor

pytestmark = pytest.mark.slow

# A network of random weights changes more by quantisation than a trained one may; its bundle is kept to look at.
KEEP = ExportRecipe(parity_images=4, int8_images=8, int8_auroc_fall=1.0, int8_flips=1.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return make_run(tmp_path_factory.mktemp("tiny"), images=60)


@pytest.fixture(scope="module")
def split(run: TinyRun) -> Split:
    frame = Predictions.load(run.folder / "predictions.parquet").frame.with_row_index("row")
    subset = pl.when(pl.col("row") % 3 > 0).then(pl.lit("train")).otherwise(pl.lit("val")).alias("subset")
    return Split(frame.select("image_id", "group_id", subset).sort("image_id"), {})


@pytest.fixture(scope="module")
def folder(run: TinyRun, split: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "bundle"
    return export_bundle(run.folder, out, evaluation=None, catalog=run.catalog, recipe=KEEP, split=split)


def test_the_bundle_tells_what_the_gate_and_int8_were_measured_on(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert {"gate.npz", "model.int8.onnx"} <= set(bundle.manifest.files)
    assert bundle.manifest.files["model.int8.onnx"].bytes < bundle.manifest.files["model.onnx"].bytes
    gate, int8 = bundle.metadata.gate, bundle.metadata.int8
    assert gate is not None and (gate.trained_on, gate.chosen_on, gate.false_refusals) == (40, 20, 0.01)
    assert gate.sha256 == bundle.manifest.files["gate.npz"].sha256
    assert int8 is not None and int8["kept"] and (int8["judged_on"], int8["calibrated_on"]) == (20, 8)
    (source,) = bundle.metadata.training["sources"]
    assert (source["images"], source["train"]) == (60, 40)
    assert 0 <= int8["flipped"] <= 1 and 0 < int8["max_difference"] < 0.5


def test_int8_answers_like_fp32(run: TinyRun, folder: Path) -> None:
    bundle = load_bundle(folder)
    path = run.catalog.frame["path"][0]
    fp32, int8 = (Predictor(bundle, gate=False, precision=kind).predict(path).score for kind in ("fp32", "int8"))
    assert fp32 != int8 and fp32 == pytest.approx(int8, abs=0.1)


def test_an_int8_network_that_answers_otherwise_on_this_processor_is_refused(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert bundle.metadata.int8 is not None
    bundle.metadata.int8["known_score"] += 0.05
    with pytest.raises(BundleError, match="on this processor"):
        Predictor(bundle, precision="int8").session  # noqa: B018 - loads the network
    assert Predictor(bundle).session


def test_neither_graph_tells_of_the_machine(folder: Path) -> None:
    for name in ("model.onnx", "model.int8.onnx"):
        graph = (folder / name).read_bytes()
        for word in (b".py", b"/home", b"/work", b"/tmp", b"site-packages", b"Traceback", str(Path.cwd()).encode()):
            assert word not in graph, (name, word)


@pytest.mark.slow
def test_exporting_twice_gives_the_same_bytes_with_gate_and_int8(
    run: TinyRun, split: Split, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = export_bundle(run.folder, tmp_path / "b", evaluation=None, catalog=run.catalog, recipe=KEEP, split=split)
    assert capsys.readouterr().out == "", "the quantiser's settings stood before the JSON of `export --json`"
    assert (again / "manifest.json").read_bytes() == (folder / "manifest.json").read_bytes()


@pytest.mark.slow
def test_an_int8_network_that_cannot_prove_itself_is_left_out_and_said(
    run: TinyRun, split: Split, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = KEEP.model_copy(update={"gate": False})
    alike = Catalog(run.catalog.frame.with_columns(label=pl.lit(1, pl.Int8)))
    out = export_bundle(run.folder, tmp_path / "b", evaluation=None, catalog=alike, recipe=recipe, split=split)
    bundle = load_bundle(out)
    assert "model.int8.onnx" not in bundle.manifest.files and "gate.npz" not in bundle.manifest.files
    told = bundle.metadata.int8
    assert told is not None and not told["kept"] and "one class only" in told["reason"]
    assert told["reason"] in capsys.readouterr().err
    with pytest.raises(UsageError, match="no int8 network"):
        Predictor(bundle, precision="int8")


def test_a_layer_that_hardly_varies_ended_the_export(
    run: TinyRun, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bug: no ranges could be taken of it, and `colles export` ended in numpy's words, without a bundle."""

    def refuse(self: Quantiser, first: int) -> bytes:
        np.histogram(np.float32([1.0, 1.0 + 1e-6]), bins=2048)
        raise AssertionError

    monkeypatch.setattr(Quantiser, "quantise", refuse)
    made = export_bundle(run.folder, tmp_path / "b", evaluation=None, catalog=run.catalog, recipe=KEEP, split=split)
    int8 = load_bundle(made).metadata.int8
    assert int8 is not None and not int8["kept"] and "Too many bins" in int8["reason"]
    assert "no int8 network: it could not be made" in capsys.readouterr().err


def test_the_limits_of_int8_are_counted_by_hand() -> None:
    rule, recipe = DecisionRule(0.3, 0.7), ExportRecipe()
    y, fp32 = np.array([0, 0, 1, 1]), np.array([0.1, 0.29, 0.5, 0.9])
    assert judge_int8(y, fp32, fp32, rule, recipe)["kept"]
    told = judge_int8(y, fp32, np.array([0.1, 0.31, 0.5, 0.9]), rule, recipe)
    assert (told["kept"], told["flipped"], told["max_difference"]) == (False, 0.25, 0.02)
    told = judge_int8(y, fp32, np.array([0.1, 0.299, 0.298, 0.9]), DecisionRule(0.6, 0.6), recipe)
    assert not told["kept"] and "AUROC on val falls by 0.2500" in told["reason"]
    assert "one class" in judge_int8(np.zeros(4, int), fp32, fp32, rule, recipe)["reason"]


def test_rows_are_drawn_by_seed_whatever_their_order(split: Split) -> None:
    one, other = choose_rows(split.frame, "train", 7), choose_rows(split.frame.reverse(), "train", 7)
    assert one.equals(other) and one.height == 7 and set(one["subset"]) == {"train"}


def test_the_gate_lets_training_images_through_and_refuses_what_is_unlike(
    run: TinyRun, folder: Path, tmp_path: Path
) -> None:
    bundle = load_bundle(folder)
    blank = tmp_path / "blank.png"
    Image.new("L", (90, 90), 200).save(blank)
    answer = bundle.predict(blank)
    assert answer.status == "refused" and "blank" in str(answer.reason)
    assert (answer.score, answer.probability, answer.decision, answer.heat) == (None, None, None, None)
    assert Predictor(bundle, gate=False).predict(blank).status == "ok"


def test_a_gate_that_could_refuse_nothing_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SimpleCNN gave an embedding of nothing but zeros for one in seven images, and its gate a limit of 1."""
    rng = np.random.default_rng(0)
    seen = rng.uniform(0.5, 1, (60, 8)).astype(np.float32)
    blind = seen.copy()
    blind[::7] = 0.0
    for embeddings, made in ((seen, True), (blind, False)):
        shown = Shown(np.zeros(60), embeddings)
        gate = _add_gate(tmp_path, shown, shown, ExportRecipe())
        assert (gate is not None) == made
    assert "would refuse nothing" in capsys.readouterr().err


def test_a_gate_from_before_the_root_judges_as_it_did() -> None:
    references = np.eye(4, dtype=np.float32)[:1]
    picture = np.array([[0.64, 0.36, 0.0, 0.0]], np.float32)
    assert Gate(references, 0.5, power=1.0).distance(picture)[0] == pytest.approx(1 - 0.64 / np.hypot(0.64, 0.36))
    assert Gate(references, 0.5).distance(picture)[0] == pytest.approx(1 - 0.8)
    assert GateMetadata(limit=0.3, false_refusals=0.01, trained_on=9, chosen_on=9, sha256="").power == 1.0


def test_a_gate_of_known_shape_is_fitted_saved_and_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    centre = rng.normal(size=40)

    def around(count: int, spread: float, middle: np.ndarray = centre) -> np.ndarray:
        return (middle + rng.normal(0, spread, (count, 40))).astype(np.float32)

    gate = Gate.fit(around(300, 0.2), around(200, 0.2), false_refusals=0.05)
    assert 0.01 < np.mean(gate.distance(around(400, 0.2)) > gate.limit) < 0.12
    trained = around(1, 0.0)
    directions = np.sign(trained) * np.sqrt(np.abs(trained))
    cosines = np.sort(gate.references @ directions[0] / np.linalg.norm(directions))
    assert gate.distance(trained)[0] == pytest.approx(1.0 - cosines[-5:].mean(), abs=1e-6)
    assert gate.distance(trained)[0] < gate.limit
    assert gate.refuse(around(50, 0.2, 3 * centre)) == [None] * 50, "length follows contrast and tells nothing"
    assert all(gate.refuse(around(50, 0.9))) and all(gate.refuse(around(50, 0.2, -centre)))
    assert gate.refuse(np.full((1, 40), np.nan, np.float32))[0] and gate.refuse(np.zeros((1, 40), np.float32))[0]
    assert gate.save(tmp_path).read_bytes() == gate.save(tmp_path).read_bytes()
    with pytest.raises(ValueError, match="too few"):
        Gate.fit(around(5, 0.2), around(5, 0.2), false_refusals=0.05)
