"""A bundle fitted to a site: same weights, new thresholds and calibration, nothing overwritten, nothing flattered."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from colles.cli.app import app
from colles.core.errors import CheckError, OutputExistsError, TableError, UsageError
from colles.core.recipe import EvaluateRecipe
from colles.core.records import OperatingPoint
from colles.evaluation.calibration import Calibrator
from colles.flow.recalibrate import recalibrate
from colles.serving.bundle import load_bundle, write_bundle
from colles.serving.gate import Gate
from colles.serving.manifest import write_manifest
from colles.serving.metadata import BundleMetadata, CalibrationMetadata, StudyMetadata

RECIPE = EvaluateRecipe(replicates=100)
N = 80


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Flat images, brighter where fractured, two a patient, in a folder beside their table."""
    folder = tmp_path_factory.mktemp("site")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(N):
        fractured = number // 2 % 4 == 0
        level = int(np.clip(rng.normal(150 if fractured else 110, 25), 0, 255))
        Image.fromarray(np.full((40, 40), level, np.uint8)).save(folder / f"{number:02d}.png")
        rows.append((f"{number:02d}.png", "fracture" if fractured else "normal", f"p{number // 2:02d}"))
    write_labels(folder / "labels.csv", rows)
    return folder


def write_labels(path: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] = ("path", "label", "group")) -> Path:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def test_a_new_bundle_with_the_same_weights_and_its_own_points(drawn_bundle, site, tmp_path):
    before = {path.name: path.read_bytes() for path in drawn_bundle.iterdir()}
    done = recalibrate(drawn_bundle, site / "labels.csv", tmp_path / "new", RECIPE, name="ours")
    new, old = load_bundle(tmp_path / "new"), load_bundle(drawn_bundle)
    assert {path.name: path.read_bytes() for path in drawn_bundle.iterdir()} == before
    assert new.manifest.files["model.onnx"] == old.manifest.files["model.onnx"]
    assert new.name.startswith("ours@")
    assert new.metadata.version != old.metadata.version
    assert {point.chosen_on for point in new.metadata.operating_points.values()} == {"site"}
    assert new.metadata.calibration.fitted_on == "site"
    assert new.metadata.training["recalibrated"]["from"] == old.name
    assert (done.n, done.n_positive, done.left_out) == (N, N // 4, 0)
    image = site / "00.png"
    one, other = new.predict(image), old.predict(image)
    assert one.score == other.score
    assert one.probability != other.probability


def test_its_evaluation_is_by_folds_of_patients_and_not_the_old_one(drawn_bundle, site, tmp_path):
    done = recalibrate(drawn_bundle, site / "labels.csv", tmp_path / "new", RECIPE)
    found = json.loads((tmp_path / "new" / "metadata.json").read_text())["evaluation"]
    assert found["subset"] == "site, by five folds"
    assert (found["n"], found["n_groups"]) == (N, N // 2)
    chosen = load_bundle(tmp_path / "new").metadata.operating_points["f1"].threshold
    assert set(found["operating_points"]) == {"f1", "youden", "rule_out", "rule_in"}
    assert done.after["f1"]["sensitivity"].n == N // 4
    assert 0 < chosen < 1


def test_a_figure_by_folds_stands_apart_from_its_name(drawn_bundle, site, tmp_path):
    recalibrate(drawn_bundle, site / "labels.csv", tmp_path / "new", RECIPE)
    shown = CliRunner().invoke(app, ["bundle", "show", str(tmp_path / "new")])
    assert shown.exit_code == 0, shown.output
    assert re.search(r"^site, by five folds auroc +\d\.\d+", shown.output, re.M), shown.output


def test_patients_are_the_folds_groups_where_the_labels_name_no_group(drawn_bundle, site, tmp_path):
    rows = [tuple(row) for row in csv.reader((site / "labels.csv").open())][1:]
    labels = write_labels(site / "patients.csv", rows, ("path", "label", "patient_id"))
    done = recalibrate(drawn_bundle, labels, tmp_path / "new", RECIPE)
    assert done.bundle.metadata.evaluation["n_groups"] == N // 2
    assert "no group_id: rows with one patient_id count as one group" in done.warnings


def test_old_thresholds_that_do_not_fit_the_site_are_shown_beside_the_new(bundle_maker, site, tmp_path):
    points = {
        name: OperatingPoint(name=name, threshold=0.999, criterion="", chosen_on="val", digest="")
        for name in ("f1", "rule_out", "rule_in")
    }
    old = bundle_maker(tmp_path / "old", operating_points=points)
    done = recalibrate(old, site / "labels.csv", tmp_path / "new", RECIPE)
    assert done.before["rule_out"]["sensitivity"].value == 0.0
    assert done.after["rule_out"]["sensitivity"].value > 0.8


def test_the_same_labels_give_the_same_version(drawn_bundle, site, tmp_path):
    versions = {
        recalibrate(drawn_bundle, site / "labels.csv", tmp_path / name, RECIPE).bundle.metadata.version
        for name in ("one", "other")
    }
    assert len(versions) == 1


def test_nothing_is_overwritten(drawn_bundle, site, tmp_path):
    with pytest.raises(OutputExistsError, match="never overwritten"):
        recalibrate(drawn_bundle, site / "labels.csv", drawn_bundle, RECIPE)
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(OutputExistsError):
        recalibrate(drawn_bundle, site / "labels.csv", tmp_path, RECIPE)


@pytest.mark.parametrize("method", ["isotonic", "temperature", "platt"])
@pytest.mark.parametrize("prevalence", [None, 0.05])
def test_serving_computes_every_calibration_as_evaluation_does(bundle_maker, tmp_path, method, prevalence):
    rng = np.random.default_rng(1)
    y_true = rng.random(300) < 0.4
    fitted = Calibrator.fit(y_true, np.clip(rng.normal(0.3 + 0.3 * y_true, 0.2), 0, 1), method=method)
    fitted = fitted if prevalence is None else fitted.for_prevalence(prevalence)
    stored = CalibrationMetadata.model_validate(fitted.model_dump())
    folder = bundle_maker(tmp_path / "bundle", calibration=stored)
    loaded = load_bundle(folder).metadata.calibration
    scores = np.linspace(0, 1, 101)
    np.testing.assert_allclose(loaded.transform(scores), fitted.transform(scores), atol=1e-12)


def test_a_prevalence_moves_probabilities_and_no_decision(drawn_bundle, site, tmp_path):
    plain = recalibrate(drawn_bundle, site / "labels.csv", tmp_path / "plain", RECIPE).bundle
    rare = recalibrate(
        drawn_bundle, site / "labels.csv", tmp_path / "rare", EvaluateRecipe(replicates=100, prevalence=0.05)
    ).bundle
    one, other = plain.predict(site / "00.png"), rare.predict(site / "00.png")
    assert other.probability < one.probability
    assert (other.decision, other.score) == (one.decision, one.score)
    odds = [answer.probability / (1 - answer.probability) for answer in (one, other)]
    assert odds[1] / odds[0] == pytest.approx((0.05 / 0.95) / (0.25 / 0.75))


def test_studies_are_chosen_anew_or_left_out_with_a_word(bundle_maker, site, tmp_path):
    study = StudyMetadata(unit="study", aggregation="max", operating_points={})
    old = bundle_maker(tmp_path / "old", study=study)
    done = recalibrate(old, site / "labels.csv", tmp_path / "without", RECIPE)
    assert done.bundle.metadata.study is None
    assert any("labels name no study_id" in warning for warning in done.warnings)
    rows = [tuple(row) for row in csv.reader((site / "labels.csv").open())][1:]
    labels = write_labels(site / "studies.csv", rows, ("path", "label", "study_id"))
    made = recalibrate(old, labels, tmp_path / "with", RECIPE).bundle.metadata.study
    assert made.unit == "study"
    assert made.aggregation in ("max", "mean", "noisy_or")
    assert made.operating_points["rule_out"].chosen_on == "site"


def test_studies_that_are_all_fractured_choose_no_threshold(drawn_bundle, site, tmp_path):
    rows = [tuple(row) for row in csv.reader((site / "labels.csv").open())][1:]
    fractured, sound = ([row[0] for row in rows if row[1] == label] for label in ("fracture", "normal"))
    paired = [pair for n, both in enumerate(zip(fractured, sound, strict=False))
              for pair in ((both[0], "1", f"s{n}"), (both[1], "0", f"s{n}"))]  # fmt: skip
    labels = write_labels(site / "paired.csv", paired, ("path", "label", "study_id"))
    done = recalibrate(drawn_bundle, labels, tmp_path / "new", RECIPE)
    assert done.bundle.metadata.study is None
    assert "no operating points by study: fewer than 10 of a class are too few to choose them by" in done.warnings


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("00.png", "1"), ("02.png", "1")], "both classes"),
        ([("00.png", "1"), ("00.png", "0")], "more than one row"),
        ([("00.png", "perhaps"), ("02.png", "0")], "not understood: 'perhaps'"),
        ([("00.png", "1"), ("08.png", "0")], "too few to choose thresholds"),
    ],
)
def test_labels_that_allow_no_choice(drawn_bundle, site, tmp_path, rows, message):
    labels = write_labels(site / "bad.csv", rows, ("path", "label"))
    with pytest.raises(TableError, match=message):
        recalibrate(drawn_bundle, labels, tmp_path / "new", RECIPE)
    assert not (tmp_path / "new").exists()


def test_unreadable_images_are_left_out_if_few_and_refused_if_many(drawn_bundle, site, tmp_path, capsys):
    rows = [tuple(row) for row in csv.reader((site / "labels.csv").open())][1:]
    few = write_labels(site / "few.csv", [*rows, ("gone.png", "normal", "x")])
    assert recalibrate(drawn_bundle, few, tmp_path / "few", RECIPE).left_out == 1
    assert "gone.png" in capsys.readouterr().err
    many = write_labels(site / "many.csv", [*rows, *((f"gone{n}.png", "normal", "x") for n in range(20))])
    with pytest.raises(CheckError, match="20 of 100 images could not be judged"):
        recalibrate(drawn_bundle, many, tmp_path / "many", RECIPE)


class DarkGate(Gate):
    """Refuses what is darker than a grey level of 100, as cells of the drawn graph."""

    def refuse(self, embeddings):
        return ["unlike" if cells.mean() < 2 * (100 / 255 - 0.5) / 0.25 else None for cells in embeddings]


@pytest.fixture
def dark_gate(monkeypatch):
    gate = DarkGate(np.ones((1, 64), np.float32), 1.0)
    monkeypatch.setattr("colles.serving.predictor.Gate", SimpleNamespace(of=lambda bundle: gate))
    monkeypatch.setattr("colles.serving.judge.refuse_look", lambda look: None)


def test_images_that_the_gate_refuses_stop_nothing_and_choose_nothing(dark_gate, drawn_bundle, site, tmp_path):
    done = recalibrate(drawn_bundle, site / "labels.csv", tmp_path / "new", RECIPE)
    assert done.refused > N / 10
    assert (done.n + done.refused, done.left_out) == (N, 0)
    assert any(f"refuses {done.refused} of {N} readable images" in warning for warning in done.warnings)
    origin = done.bundle.metadata.training["recalibrated"]
    assert (origin["images"], origin["refused"], origin["gate"]) == (done.n, done.refused, True)
    assert f"{done.refused} more were refused by its gate" in (tmp_path / "new" / "MODEL_CARD.md").read_text()


def test_of_refused_and_unreadable_images_the_unreadable_ones_counted_as_judged(
    dark_gate, drawn_bundle, site, tmp_path
):
    """17 of 60 were refused and thresholds were of the others, although 3 more could not be read."""
    rows = [tuple(row) for row in csv.reader((site / "labels.csv").open())][1:]
    labels = write_labels(site / "gone.csv", [*rows, *((f"gone{n}.png", "normal", "x") for n in range(3))])
    done = recalibrate(drawn_bundle, labels, tmp_path / "new", RECIPE)
    [said] = [warning for warning in done.warnings if "refuses" in warning]
    assert f"{done.refused} of {N} readable images" in said and f"the other {done.n} " in said


def test_without_the_gate_every_readable_image_counts(dark_gate, drawn_bundle, site, tmp_path):
    done = recalibrate(drawn_bundle, site / "labels.csv", tmp_path / "new", RECIPE, gate=False)
    assert (done.n, done.refused) == (N, 0)


def test_the_card_tells_of_the_site_and_gives_no_figure_of_the_old_thresholds(bundle_maker, site, tmp_path):
    old = bundle_maker(tmp_path / "old", external={"subset": "external", "figures": {}}, int8={"kept": True},
                       training={"sources": [{"name": "fracatlas", "images": 9, "fractures": 3}]})  # fmt: skip
    metadata = load_bundle(old).metadata
    (old / "model.int8.onnx").write_bytes(b"small")
    write_bundle(old, metadata)
    made = recalibrate(old, site / "labels.csv", tmp_path / "new", RECIPE).bundle
    card = (tmp_path / "new" / "MODEL_CARD.md").read_text()
    dataset = yaml.safe_load(card.split("---")[1])["model-index"][0]["results"][0]["dataset"]
    assert dataset == {"name": "labelled images of one site", "type": "site", "split": "site, by five folds"}
    assert f"chosen anew on {N} labelled images of one site, {N // 4} with a fracture" in card
    assert "never saw" not in card and made.metadata.external is None
    assert "model.int8.onnx" not in made.manifest.files
    assert made.metadata.int8 is not None and not made.metadata.int8["kept"]
    assert made.metadata.int8["reason"].startswith("recalibrated where it could not be judged")


def test_an_8_bit_network_that_answers_alike_was_dropped_with_the_old_thresholds(bundle_maker, site, tmp_path):
    old = bundle_maker(tmp_path / "old", int8={"kept": True, "fp32_convolutions": 3, "judged_on": 1, "flipped": 0.5})
    metadata = load_bundle(old).metadata
    (old / "model.int8.onnx").write_bytes((old / "model.onnx").read_bytes())
    write_bundle(old, metadata)
    made = recalibrate(old, site / "labels.csv", tmp_path / "new", RECIPE).bundle
    assert made.manifest.files["model.int8.onnx"].sha256 == made.manifest.files["model.onnx"].sha256
    told = made.metadata.int8
    assert told is not None and told["kept"] and told["fp32_convolutions"] == 3
    assert (told["subset"], told["judged_on"], told["flipped"]) == ("site", N, 0.0)


def test_an_8_bit_network_that_is_not_at_hand_is_not_told_of_as_kept(bundle_maker, site, tmp_path):
    old = bundle_maker(tmp_path / "old", int8={"kept": True, "flipped": 0.0})
    told = recalibrate(old, site / "labels.csv", tmp_path / "new", RECIPE).bundle.metadata.int8
    assert told == {"kept": False, "reason": "recalibrated where it was not at hand"}


def test_metadata_of_an_older_bundle_still_loads():
    old = {"method": "platt", "slope": 1.2, "intercept": -0.3, "fitted_on": "val"}
    assert CalibrationMetadata.model_validate(old).transform(np.array([0.5]))[0] == pytest.approx(0.4255575)
    assert BundleMetadata.model_fields["study"].default is None


def test_rows_without_a_label_went_without_a_word(drawn_bundle, site, tmp_path):
    rows = list(csv.reader((site / "labels.csv").open()))[1:]
    odd = [(path, "?" if n < 3 else label, group) for n, (path, label, group) in enumerate(rows)]
    done = recalibrate(drawn_bundle, write_labels(site / "gaps.csv", odd), tmp_path / "new", RECIPE)
    assert done.n == N - 3 and f"3 of {N} rows have no label: they count in no figure" in done.warnings


def test_thresholds_of_three_fractures_made_a_bundle(drawn_bundle, site, tmp_path):
    """They were crossed, rule_out above rule_in, so that nothing was undecided."""
    rows = [line.split(",") for line in (site / "labels.csv").read_text().splitlines()[1:]]
    fractured, sound = ([row for row in rows if row[1] == label] for label in ("fracture", "normal"))
    labels = write_labels(site / "three.csv", [*map(tuple, fractured[:3]), *map(tuple, sound)])
    with pytest.raises(TableError, match=r"3 are fractured and .* too few to choose thresholds by"):
        recalibrate(drawn_bundle, labels, tmp_path / "three", RECIPE)
    assert not (tmp_path / "three").exists()


def test_a_bundle_whose_thresholds_cross_left_nothing_undecided_without_a_word(drawn_bundle, site, tmp_path):
    rows = [line.split(",") for line in (site / "labels.csv").read_text().splitlines()[1:]]
    bright = {name: Image.open(site / name).getpixel((0, 0)) >= 130 for name, *_ in rows}
    told = [(name, "fracture" if bright[name] else "normal", f"q{n}") for n, (name, *_) in enumerate(rows)]
    done = recalibrate(drawn_bundle, write_labels(site / "clear.csv", told), tmp_path / "clear", RECIPE)
    assert "rule_out lies above rule_in: the bundle decides by f1 alone and leaves nothing undecided" in done.warnings
    usual = recalibrate(drawn_bundle, site / "labels.csv", tmp_path / "usual", RECIPE)
    assert not any("undecided" in text for text in usual.warnings)


def test_a_name_that_no_bundle_may_have_left_one_that_did_not_load(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--name: 'a\\x1bb' is none"):
        recalibrate("none", "labels.csv", tmp_path / "out", EvaluateRecipe(), name="a\x1bb")


def test_images_that_the_bundle_learned_from_gave_its_thresholds_without_a_word(bundle_maker, tmp_path):
    """A site's own training images made an AUROC of 0.73 into 0.87, by folds, and the warning of chance went."""
    rng = np.random.default_rng(1)
    pictures = rng.integers(0, 256, (40, 8, 8)).astype(np.uint8)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).resize((64, 64), Image.Resampling.NEAREST).save(tmp_path / f"{number}.png")
    rows = [(f"{number}.png", "fracture" if number % 2 else "normal", str(number)) for number in range(40)]
    labels = write_labels(tmp_path / "labels.csv", rows)
    told = {"limit": 2.0, "false_refusals": 0.01, "trained_on": 30, "chosen_on": 30, "sha256": "0" * 64, "power": 1.0}
    old = bundle_maker(tmp_path / "old", gate=told)
    cells = 2 * (pictures[:30].reshape(30, 64) / 255.0 - 0.5) / 0.25
    Gate(directions(cells), 2.0, power=1.0).save(old)
    write_manifest(old)
    done = recalibrate(old, labels, tmp_path / "new", RECIPE)
    assert any("learned from 30 of 40 images looked at, or more" in warning for warning in done.warnings)
    assert "learned from 30 or more of 40" in (tmp_path / "new" / "MODEL_CARD.md").read_text()


def directions(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
