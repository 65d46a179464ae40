"""Checklists: well-formed data, honest status, numbers that can be traced, and no unknown name."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from enriched import enrich
from fabricated_run import write_run

from colles.core.errors import UsageError
from colles.reporting.artefacts import Artefacts, load_artefacts
from colles.reporting.checklists.answer import answer
from colles.reporting.checklists.checklist import CHECKLISTS, load_checklist, load_checklists
from colles.reporting.checklists.topics import TOPICS
from colles.reporting.report import write_report
from colles.reporting.sections.split import SplitSection

ROWS = {"claim": 44, "tripod-ai": 52, "stard-ai": 48}
"""As published: 44 items; 27 items in 52 rows; 40 items in 48 rows."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return enrich(write_run(tmp_path_factory.mktemp("lists") / "run", images=300, replicates=100))


@pytest.fixture(scope="module")
def run(folder: Path) -> Artefacts:
    return load_artefacts(folder)


@pytest.mark.parametrize("name", CHECKLISTS)
def test_every_row_of_a_list_is_there_once_and_can_be_answered(name: str) -> None:
    checklist = load_checklist(name)
    numbers = [item.number for item in checklist.items]
    assert len(numbers) == len(set(numbers)) == ROWS[name]
    assert "doi" in checklist.citation and checklist.checked
    for item in checklist.items:
        assert set(item.topics) <= set(TOPICS), item.number
        assert item.topics or item.person, item.number


def test_every_topic_is_asked_for() -> None:
    asked = {topic for name in CHECKLISTS for item in load_checklist(name).items for topic in item.topics}
    assert asked == set(TOPICS)


def test_rows_new_in_stard_ai_are_marked_unverified() -> None:
    unsure = [item.number for item in load_checklist("stard-ai").items if not item.verified]
    changed, new = ["1", "3", "7", "25"], ["6", "11", "12", "13", "14", "15b", "15d", "23", "28", "29", "35", "39"]
    assert sorted(unsure) == sorted([*changed, *new, "40a", "40b"])


def test_a_full_run_answers_what_it_holds(run: Artefacts) -> None:
    found = {a.item.number: a for a in answer(load_checklist("claim"), run)}
    assert found["44"].status == "person" and not found["44"].told  # nobody's funding is in a run
    assert found["30"].status == "answered" and "noise 3" in found["30"].told
    assert run.evaluation is not None
    auroc = run.evaluation["subsets"]["test"]["figures"]["auroc"]
    assert f"{auroc['value']:.3f} ({auroc['low']:.3f}–{auroc['high']:.3f})" in found["38"].told
    assert all(a.told for a in found.values() if a.status == "answered")
    assert all(a.to_write for a in found.values() if a.status != "answered")


@pytest.mark.parametrize("name", CHECKLISTS)
def test_figures_alone_leave_the_rest_to_a_person(name: str, run: Artefacts) -> None:
    alone = Artefacts(run.folder, "theirs", evaluation=run.evaluation)
    before = sum(a.status == "person" for a in answer(load_checklist(name), run))
    after = answer(load_checklist(name), alone)
    assert sum(a.status == "person" for a in after) > before + 8
    assert any(a.status == "answered" for a in after)


@pytest.mark.slow
def test_the_report_holds_the_lists_and_writes_them(folder: Path, tmp_path: Path) -> None:
    bare = tmp_path / "run"
    shutil.copytree(folder / "evaluation", bare / "evaluation")
    text = write_report([bare], bare / "report.html", checklists=["stard-ai", "claim"]).read_text()
    assert text.index('<section id="stard-ai">') < text.index('<section id="claim">')
    assert "18 of 48 items are marked unverified" in text
    table = pl.read_csv(bare / "results" / "checklist_stard_ai.csv", schema_overrides={"item": pl.String})
    assert table.height == 48 and table.filter(~pl.col("verified")).height == 18
    told = table.filter(pl.col("item") == "31")["the_run_tells"].item()
    auroc = json.loads((bare / "evaluation" / "evaluation.json").read_text())["subsets"]["test"]["figures"]["auroc"]
    assert f"AUROC {auroc['value']:.3f}" in told
    assert "| 31 |" in (bare / "results" / "checklist_stard_ai.md").read_text()


def test_an_unknown_list_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="claim, tripod-ai, stard-ai"):
        load_checklists(["claim", "consort"])


def test_what_a_strangers_table_does_not_tell_is_not_claimed(run: Artefacts) -> None:
    alone = Artefacts(run.folder, "theirs", evaluation=run.evaluation)
    for text in (TOPICS["internal"](alone), TOPICS["limits"](alone)):
        assert "othing in the run tells whether the test images come from the sources of the training images" in text
        assert "apart by group" not in text
    assert TOPICS["ensemble"](alone) is TOPICS["partitions"](alone) is None
    told = TOPICS["internal"](run)
    assert told.startswith("The test images come from the sources of the training images. Disjoint: of")
    assert "The test images come from the sources of the training images; another" in TOPICS["limits"](run)


def test_a_source_that_trained_nothing_is_named(run: Artefacts) -> None:
    named = pl.when(pl.col("image_id").is_in(run.split.filter(pl.col("subset") == "test")["image_id"].implode()))
    catalog = run.catalog.with_columns(source=named.then(pl.lit("elsewhere")).otherwise(pl.col("source")))
    other = replace(run, catalog=catalog)
    assert "sources that no training image comes from (elsewhere)" in TOPICS["internal"](other)


def test_several_networks_are_counted(run: Artefacts) -> None:
    assert TOPICS["ensemble"](run) == "None: one network."
    five = replace(run, provenance={**run.provenance, "members": 5, "out_of_fold": True})
    assert TOPICS["ensemble"](five).startswith("The mean logit of 5 networks. On validation")
    joined = replace(run, provenance={**run.provenance, "joined": 2, "out_of_fold": True})
    assert TOPICS["ensemble"](joined) == "One network: the mean weights of 2 trainings."


def test_a_gate_is_said_to_refuse_what_is_unlike(run: Artefacts) -> None:
    assert "Whether a picture is a bone is not checked" in TOPICS["poor_input"](run)
    gated = replace(run, bundle={**run.bundle, "gate": {"limit": 0.3}})
    assert "unlike the training radiographs are refused" in TOPICS["poor_input"](gated)
    assert "not checked" not in TOPICS["poor_input"](gated)


def test_a_split_that_colles_did_not_make_is_not_called_stratified(run: Artefacts) -> None:
    assert TOPICS["partitions"](run).startswith("By group, stratified")
    adopted = replace(run, split_summary={**run.split_summary, "adopted": True})
    assert TOPICS["partitions"](adopted).startswith("By a person's own table")
    edited = replace(run, split=run.split.head(200))
    assert TOPICS["partitions"](edited).startswith("By a table that was edited")
    assert "Split before it was edited" in str(SplitSection().blocks(edited, run.folder))
    unknown = replace(run, split_summary=None)
    assert TOPICS["partitions"](unknown).startswith("How the images were divided is not recorded")


def test_the_set_that_calibrated_is_named(run: Artefacts) -> None:
    fitted = {**run.evaluation["calibration"], "fitted_on": "test"}
    on_test = replace(run, evaluation={**run.evaluation, "calibration": fitted})
    assert "on test" in TOPICS["updating"](on_test) and "on test" in TOPICS["imbalance"](on_test)
    assert "on validation" in TOPICS["updating"](run)


def test_no_breakdown_is_promised_that_the_evaluation_cannot_make(run: Artefacts) -> None:
    assert "do not state sex" in TOPICS["limits"](run)
    assert "do not state ages" not in TOPICS["limits"](run)
