"""The model card: what is known and what is not, and a front matter that hubs can read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from colles.core.records import Estimate
from colles.flow.report import write_report_and_card
from colles.serving.bundle import load_bundle
from colles.serving.card import model_card
from colles.serving.metadata import BundleMetadata, GateMetadata


def _figure(value: float | None) -> dict[str, Any]:
    low, high = (None, None) if value is None else (value - 0.03, value + 0.03)
    estimate = Estimate(value=value, low=low, high=high, level=0.9, method="delong", n=100, n_groups=90)
    return estimate.model_dump()


@pytest.fixture
def metadata(drawn_bundle: Path) -> BundleMetadata:
    return load_bundle(drawn_bundle).metadata


@pytest.fixture
def tested(metadata: BundleMetadata) -> BundleMetadata:
    points = {"rule_out": {"sensitivity": _figure(0.95), "specificity": _figure(0.5), "ppv": _figure(None)}}
    group = {"column": "source", "value": "a", "n": 60, "n_positive": 5, "figures": {"auroc": _figure(0.8)},
             "warning": "few"}  # fmt: skip
    found = {"subset": "test", "n": 100, "n_positive": 20, "n_groups": 90, "figures": {"auroc": _figure(0.91)},
             "operating_points": points, "subgroups": [group]}  # fmt: skip
    sources = [{"name": "a", "images": 7, "fractures": 3}, {"name": "b: c", "images": 9, "fractures": 2}]
    training = {"weights_from": "random initialisation", "sources": sources, "simulated": True}
    return metadata.model_copy(update={"evaluation": found, "training": training})


def test_the_card_says_what_is_not_known(metadata: BundleMetadata) -> None:
    card = model_card(metadata)
    assert "not a medical device" in card and "Not evaluated on a test set" in card and "| rule_out | 0.3000 |" in card
    assert "model-index" not in card and "Subgroups" not in card
    assert "Uncertain is a score between the thresholds `rule_out` and `rule_in`: no answer" in card
    one = metadata.preprocessing.model_copy(update={"channels": 1, "mean": (0.5,), "std": (0.5,)})
    assert "(letterbox), 1 channel, mean" in model_card(metadata.model_copy(update={"preprocessing": one}))


def test_the_card_says_what_is_known(tested: BundleMetadata) -> None:
    card = model_card(tested)
    assert "| auroc | 0.910 (0.880–0.940) |" in card and "100 images of 90 groups, 20 with a fracture" in card
    assert "In brackets the 90 % intervals" in card
    assert "random initialisation" in card and "| a | 7 | 3 |" in card
    assert "All radiographs were simulated" in card
    assert "| source: a | 60 | 5 | 0.800 (0.770–0.830) | few |" in card


def test_figures_of_images_that_the_gate_refuses_stood_there_as_those_of_answers(tested: BundleMetadata) -> None:
    told = "The figures are of all images, also of those that the gate would refuse."
    assert told not in model_card(tested)
    gate = GateMetadata.model_validate({"limit": 0.3, "false_refusals": 0.01, "trained_on": 9, "chosen_on": 9,
                                        "sha256": "0" * 64})  # fmt: skip
    assert told in model_card(tested.model_copy(update={"gate": gate}))
    training = {**tested.training, "recalibrated": {"images": 9}}
    assert told not in model_card(tested.model_copy(update={"gate": gate, "training": training}))


def test_the_card_marks_figures_of_a_subset_that_chose_its_own_thresholds(tested: BundleMetadata) -> None:
    assert "flatter" not in model_card(tested)
    points = {name: p.model_copy(update={"chosen_on": "test"}) for name, p in tested.operating_points.items()}
    card = model_card(tested.model_copy(update={"operating_points": points}))
    assert "The figures at f1, rule_out, rule_in flatter: this subset chose those thresholds itself." in card


def test_the_card_says_under_which_terms_it_learned_and_how_it_does_elsewhere(tested: BundleMetadata) -> None:
    assert "never saw" not in model_card(tested)
    sources = [dict(source) for source in tested.training["sources"]]
    sources[1]["about"] = "CC BY 4.0, in doubt."
    training = {**tested.training, "sources": sources}
    elsewhere = {**(tested.evaluation or {}), "subset": "external", "n": 43, "figures": {"auroc": _figure(0.61)}}
    card = model_card(tested.model_copy(update={"training": training, "external": elsewhere}))
    assert "- b: c: CC BY 4.0, in doubt." in card
    after = card.split("### On a set that it never saw")[1]
    assert "On `external`: 43 images" in after and "| auroc | 0.610" in after


def test_a_hub_reads_the_front_matter(tested: BundleMetadata) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    card = hub.ModelCard(model_card(tested))
    assert card.data.license == "apache-2.0" and card.data.datasets == ["a", "b: c"]
    assert card.data.pipeline_tag == "image-classification"
    found = {(r.dataset_name, r.metric_name.split(" (")[0]): r.metric_value for r in card.data.eval_results}
    assert found[("a and b: c", "AUROC")] == pytest.approx(0.91)
    assert found[("a and b: c", "sensitivity at the operating point rule_out")] == pytest.approx(0.95)
    assert found[("a", "AUROC")] == pytest.approx(0.8)
    assert not any("PPV" in name for _, name in found)  # it is undefined


def test_a_report_of_a_run_with_a_bundle_writes_its_card(tested: BundleMetadata, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "bundle"
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text(json.dumps(tested.model_dump(mode="json")))
    write_report_and_card([tmp_path / "run"], tmp_path / "run" / "report.html")
    assert (tmp_path / "run" / "results" / "MODEL_CARD.md").read_text() == model_card(tested)
