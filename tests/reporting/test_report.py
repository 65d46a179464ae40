"""The report: complete, missing parts named, hostile names harmless, no outside resource, the same bytes every time."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from enriched import enrich
from fabricated_run import HOSTILE, write_run

from colles.core.errors import MissingInputError, TableError
from colles.reporting.artefacts import load_artefacts
from colles.reporting.blocks import Missing, Pictures
from colles.reporting.checklists.checklist import CHECKLISTS
from colles.reporting.report import RESULTS, write_report
from colles.reporting.sections import SECTIONS
from colles.reporting.sections.explanations import Explanations
from colles.reporting.sections.failures import Failures
from colles.reporting.sections.robustness import Robustness
from colles.reporting.sections.subgroups import Subgroups

FIGURES = ("roc", "pr", "calibration", "learning_curves", "forest", "confusion", "scores", "net_benefit",
           "predictive_values", "robustness", "pointing")  # fmt: skip
TABLES = ("figures", "operating_points", "subgroups", "counts", "net_benefit", "predictive_values", "robustness",
          "failures", "explanation_scores")  # fmt: skip


class Page(HTMLParser):
    """Collect what a browser would see of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.scripts: list[str] = []
        self.tags: list[str] = []
        self._open: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self.addresses += [str(values[k]) for k in ("src", "href", "xlink:href", "action", "srcset") if values.get(k)]
        self.ids += [str(values["id"])] if values.get("id") else []
        if tag == "script":
            self.scripts.append("")
        self._open = tag

    def handle_endtag(self, tag: str) -> None:
        self._open = None

    def handle_data(self, data: str) -> None:
        if self._open == "script":
            self.scripts[-1] += data


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a complete fabricated run."""
    return enrich(write_run(tmp_path_factory.mktemp("report") / "run", images=400, replicates=100))


@pytest.fixture(scope="module")
def text(run: Path) -> str:
    """Return the report of the complete run."""
    return write_report([run], run / "report.html").read_text("utf-8")


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """Return a copy of the run that a test may damage."""
    return Path(shutil.copytree(run, tmp_path / "run"))


def test_sections_stand_in_order_and_none_is_missing(text: str) -> None:
    places = [text.index(f'<section id="{section.name}">') for section in SECTIONS]
    assert places == sorted(places)
    assert 'class="missing"' not in text.replace('<noscript><p class="missing">', "")
    assert "Research software, not a medical device" in text


def test_results_hold_tables_and_figures(run: Path, text: str) -> None:
    for name in FIGURES:
        assert (run / "results" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (run / "results" / f"{name}.svg").read_text()
    for name in TABLES:
        assert pl.read_csv(run / "results" / f"{name}.csv").height > 0


def test_the_models_own_map_is_shown_by_part_and_by_false_boxes(text: str) -> None:
    assert "image size: under 500 px" in text and "0.21 (0.16–0.26)" in text and "0.52 (0.47–0.57)" in text
    assert "candidate boxes on 90 images (FROC)" in text and ">0.25</" in text and "0.40 (0.35–0.45)" in text


@pytest.mark.slow
def test_every_file_in_results_has_a_name_that_a_later_report_knows(run: Path, tmp_path: Path) -> None:
    write_report([run, run], tmp_path / "report.html", checklists=list(CHECKLISTS))
    assert all(RESULTS.fullmatch(file.name) for file in (tmp_path / "results").rglob("*.*"))


def test_figures_shown_are_those_of_the_evaluation(run: Path, text: str) -> None:
    evaluation = json.loads((run / "evaluation" / "evaluation.json").read_text())
    auroc = evaluation["subsets"]["test"]["figures"]["auroc"]
    assert f"{auroc['value']:.3f} ({auroc['low']:.3f}–{auroc['high']:.3f})" in text
    table = pl.read_csv(run / "results" / "figures.csv").filter(
        (pl.col("subset") == "test") & (pl.col("figure") == "auroc")
    )
    assert table["value"].item() == pytest.approx(auroc["value"])
    cells = evaluation["subsets"]["test"]["operating_points"]["f1"]["confusion"]
    row = pl.read_csv(run / "results" / "operating_points.csv").filter(
        (pl.col("subset") == "test") & (pl.col("operating_point") == "f1") & (pl.col("figure") == "sensitivity")
    )
    assert {key: row[key].item() for key in cells} == cells
    assert row["value"].item() == pytest.approx(cells["tp"] / (cells["tp"] + cells["fn"]))


def test_nothing_is_fetched_from_outside(text: str) -> None:
    page = Page(text)
    assert all(a.startswith(("data:image/", "#")) or a == "audit/audit.html" for a in page.addresses)
    assert not {"link", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    outside = set(re.findall(r"https?://[^\s\"'<)]+", text))
    assert outside <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_hostile_names_stay_text(text: str) -> None:
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    page = Page(text)
    assert len(page.scripts) == 2  # the slider's data and the page's own script
    assert json.loads(page.scripts[0])["positives"] > 0
    assert not any("alert" in script for script in page.scripts)


@pytest.mark.slow
def test_a_hostile_subgroup_and_source_stay_text(copy: Path) -> None:
    file = copy / "evaluation" / "evaluation.json"
    evaluation = json.loads(file.read_text())
    group = evaluation["subgroups"][0]
    group["value"], group["column"] = HOSTILE, HOSTILE
    evaluation["warnings"] = [HOSTILE]
    file.write_text(json.dumps(evaluation))
    text = write_report([copy], copy / "report.html").read_text()
    assert "<script>alert" not in text
    assert len(Page(text).scripts) == 2


@pytest.mark.slow
def test_a_subgroup_with_dollar_signs_is_a_name_not_a_formula(copy: Path) -> None:
    file = copy / "evaluation" / "evaluation.json"
    evaluation = json.loads(file.read_text())
    next(group for group in evaluation["subgroups"] if group["subset"] == "test")["value"] = "$\\frac$"
    file.write_text(json.dumps(evaluation))
    assert "$\\frac$" in write_report([copy], copy / "report.html").read_text()


@pytest.mark.slow
def test_the_page_is_small_and_the_same_every_time(run: Path, text: str, tmp_path: Path) -> None:
    again = shutil.copytree(
        run, tmp_path / "elsewhere" / "run", ignore=shutil.ignore_patterns("results", "report.html")
    )
    second = write_report([Path(again)], Path(again) / "report.html").read_text("utf-8")
    assert second == text
    assert len(text.encode()) < 5_000_000
    for name in FIGURES:
        for ending in ("svg", "png"):
            file = f"results/{name}.{ending}"
            assert (run / file).read_bytes() == (Path(again) / file).read_bytes(), file


def test_the_policy_names_the_script_that_stands_in_the_page(text: str) -> None:
    script = Page(text).scripts[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}" in text or f"script-src 'sha256-{digest}'" in text


MISSING = {
    "data": "colles catalog",
    "flow": "colles catalog",
    "audit": "colles audit",
    "split": "colles split",
    "samples": "colles train",
    "training": "colles train",
    "explanations": "colles explain",
    "export": "colles export",
    "failures": "colles train",
}
JUDGED = ("summary", "discrimination", "operating-points", "calibration", "net-benefit", "levels", "subgroups",
          "robustness", "failures")  # fmt: skip


def _assert_missing(text: str, section: str, command: str) -> None:
    part = text[text.index(f'<div id="{section}">') :]
    part = part[: part.index("</div>")]
    assert 'class="missing"' in part, section
    assert command in part, section


@pytest.mark.slow
def test_everything_but_figures_is_missing(run: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(run / "evaluation", alone / "evaluation")
    text = write_report([alone], alone / "report.html").read_text()
    for section, command in MISSING.items():
        _assert_missing(text, section, command)
    provenance = text[text.index('<section id="provenance">') :]
    assert 'class="missing"' in provenance and "colles train" in provenance
    assert "roc-" in text
    assert "scores-" not in text


def test_figures_alone_are_missing(copy: Path) -> None:
    shutil.rmtree(copy / "evaluation")
    text = write_report([copy], copy / "report.html").read_text()
    for section in JUDGED:
        _assert_missing(text, section, "colles evaluate")
    assert text.count('class="missing"') == len(JUDGED)


def test_a_flow_without_a_split_ends_with_its_command(copy: Path) -> None:
    shutil.rmtree(copy / "evaluation")
    (copy / "split.csv").unlink()
    text = write_report([copy], copy / "report.html").read_text()
    flow = text[text.index('<section id="flow">') : text.index('<section id="audit">')]
    assert 'class="missing"' in flow and "colles split" in flow
    assert "readable images" in text


def test_a_bare_training_is_enough(run: Path, tmp_path: Path) -> None:
    text = write_report([run / "train"], tmp_path / "training.html").read_text()
    assert "learning_curves-" in text


def test_a_folder_without_anything_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(MissingInputError, match="colles run"):
        write_report([tmp_path], tmp_path / "report.html")
    with pytest.raises(MissingInputError, match="colles run"):
        write_report([tmp_path / "absent"], tmp_path / "report.html")
    with pytest.raises(MissingInputError):
        write_report([], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("name", ["evaluation/evaluation.json", "explain/explanations.json", "audit/audit.json"])
def test_a_damaged_file_is_an_error_that_names_it(copy: Path, name: str) -> None:
    (copy / name).write_text('{"half":')
    with pytest.raises(TableError, match=Path(name).name):
        write_report([copy], copy / "report.html")


@pytest.fixture(scope="module")
def both(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of two runs on different images."""
    out = tmp_path_factory.mktemp("both")
    other = write_run(out / "other", images=400, seed=5, replicates=100, skill=0.5, name="weaker")
    return write_report([run, other], out / "both.html")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("evaluation/evaluation.json", "{}"),
        ("evaluation/evaluation.json", '{"subsets": [1]}'),
        ("evaluation/evaluation.json", '{"subsets": {"test": {"figures": {"auroc": null}}}}'),
        ("audit/audit.json", '{"summary": 3}'),
        ("audit/audit.json", '{"issues": [3]}'),
        ("audit/audit.json", '{"issues": 3}'),
        ("explain/scores.json", '{"methods": [3]}'),
        ("explain/scores.json", '{"methods": {"gradcam": {"figures": {"pointing": 3}}}}'),
        ("explain/scores.json", '{"methods": {"gradcam": {"checks": [3]}}}'),
        ("explain/scores.json", '{"probes": [3]}'),
        ("explain/scores.json", '{"n": "many"}'),
        ("explain/scores.json", '{"methods": {"gradcam": {"figures": {"pointing": {"value": "high"}}}}}'),
        ("explain/scores.json", '{"methods": {"gradcam": {"figures": {"pointing": {"n": NaN}}}}}'),
        ("explain/scores.json", '{"methods": {"gradcam": {"warnings": 3}}}'),
        ("explain/scores.json", '{"probes": [{"change": 3}]}'),
        ("explain/scores.json", '{"default": ["gradcam"], "methods": {"gradcam": {}}}'),
        ("explain/scores.json", '{"methods": {"gradcam": {"subgroups": [3]}}}'),
        ("explain/scores.json", '{"methods": {"gradcam": {"froc": [{"recall": "high"}]}}}'),
        ("explain/explanations.json", '[{"score": "high"}]'),
        ("evaluation/evaluation.json", '{"subsets": {"test": {"figures": {"auroc": {"value": "0.9"}}}}}'),
        ("evaluation/evaluation.json", '{"subsets": {"test": {"curves": {"roc": {"fpr": ["a"], "tpr": [1]}}}}}'),
        ("evaluation/evaluation.json", '{"subsets": {"test": {"curves": {"roc": {"fpr": [0], "tpr": []}}}}}'),
        ("evaluation/evaluation.json", '{"subsets": {"test": {}}, "predictions": 3}'),
        ("audit/audit.json", '{"summary": {"leaks": {"n": "two"}}}'),
        ("split.json", '{"excluded": [3]}'),
        ("train/provenance.json", '{"digests": 3}'),
        ("recipe.yaml", "train: 3"),
        ("recipe.yaml", "name: 2025-02-30"),
        ("recipe.yaml", "[" * 600),
        ("split.csv", ""),
        ("split.csv", "a,b\n1,2\n"),
    ],
)
def test_a_sound_file_of_another_form_is_an_error_that_names_it(copy: Path, name: str, text: str) -> None:
    (copy / name).write_text(text)
    with pytest.raises(TableError, match=name):
        load_artefacts(copy)


def test_what_an_older_or_newer_evaluation_lacks_or_adds_is_no_error(copy: Path) -> None:
    (copy / "evaluation" / "evaluation.json").write_text(
        '{"schema_version": 1, "new": [], "calibration": {"method": "a later one"}, "subsets": {"test": {"n": 9}}}'
    )
    assert load_artefacts(copy).evaluation is not None


def test_a_run_whose_name_looks_like_a_pattern_is_read_itself(run: Path, tmp_path: Path) -> None:
    here, other = (shutil.copytree(run, tmp_path / name) for name in ("run[1]", "run1"))
    (other / "split.csv").write_text("image_id,group_id,subset\nanother,another,test\n")
    found = load_artefacts(here).split
    assert found is not None and found.equals(load_artefacts(run).split)


@pytest.mark.slow
def test_several_runs_are_compared_first(both: Path) -> None:
    text = both.read_text()
    assert text.index('id="comparison"') < text.index('id="run1-summary"') < text.index('id="run2-summary"')
    table = pl.read_csv(both.parent / "results" / "comparison.csv")
    assert table["run"].to_list() == ["fabricated", "weaker"]
    assert table["auroc"][0] > table["auroc"][1]
    assert (both.parent / "results" / "2-weaker" / "figures.csv").is_file()


@pytest.mark.slow
def test_headings_of_two_runs_did_not_say_whose_part_they_head(both: Path) -> None:
    headings = re.findall(r"<h2>(.*?)</h2>", both.read_text())
    assert len(headings) == len(set(headings)) > 20


@pytest.mark.slow
def test_runs_judged_on_different_images_are_told_apart(both: Path) -> None:
    assert "judged on different images" in both.read_text()


@pytest.mark.slow
def test_ids_are_unique_apart_from_arrow_tips(both: Path) -> None:
    ids = [name for name in Page(both.read_text()).ids if name != "flow-tip"]
    assert len(ids) == len(set(ids))


def test_runs_of_one_name_get_names_of_their_own(run: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(run / "train", tmp_path / "second")
    text = write_report([run / "train", copied], tmp_path / "two.html").read_text()
    assert "fabricated (train)" in text
    assert "fabricated (second)" in text


def test_overlays_outside_the_folder_are_not_read(run: Path) -> None:
    found = load_artefacts(run)
    assert found.explanations is not None
    entry = {**found.explanations[0], "overlay": "../train/samples.png"}
    blocks = Explanations().blocks(replace(found, explanations=(entry,)), run / "report.html")
    assert not any(isinstance(block, Pictures) for block in blocks)
    assert any(isinstance(block, Missing) for block in blocks)


def _section(text: str, name: str) -> str:
    part = text[text.index(f'<section id="{name}">') :]
    return part[: part.index("</section>")]


def test_optional_parts_are_shown_where_the_run_has_them(text: str) -> None:
    assert "it beats both" in _section(text, "net-benefit") or "At no threshold" in _section(text, "net-benefit")
    points = _section(text, "operating-points")
    assert "Optimism: validation minus test" in points and "−0.017 (−0.067 to 0.033)" in points
    assert "5 of 100" in points
    robust = _section(text, "robustness")
    assert "0.790 (0.740–0.840)" in robust and "−0.030 (−0.080 to 0.020)" in robust
    assert "maximum of theirs" in _section(text, "levels")
    maps = _section(text, "explanations")
    assert "Grad-CAM: does not depend on the weights." in maps and "(chance)" in maps
    assert "The score rests on a shortcut" in maps and "scaled to its own peak" in maps


def test_changed_images_stand_beside_the_same_images_unchanged(run: Path) -> None:
    found = load_artefacts(run)
    said, *_, figures = Robustness().blocks(found, run)[:3]
    assert said.text.startswith("120 images of test, AUROC 0.880 (0.830–0.930), were changed")
    assert "dashed: unchanged" in figures.items[0][1] and "Hollow" not in figures.items[0][1]
    mixed = json.loads(json.dumps(found.evaluation))
    mixed["robustness"][0]["figures"]["auroc_unchanged"]["value"] = 0.9
    mixed["robustness"][0]["warning"] = "few"
    said, *_, figures = Robustness().blocks(replace(found, evaluation=mixed), run)[:3]
    assert said.text.startswith("The test images were changed")
    assert "dashed" not in figures.items[0][1] and "Hollow: too few" in figures.items[0][1]


def test_robustness_is_no_subgroup(run: Path) -> None:
    found = load_artefacts(run)
    assert found.evaluation is not None
    conditions = found.evaluation["robustness"]
    groups = [*found.evaluation["subgroups"], *conditions]
    older = replace(found, evaluation={**found.evaluation, "robustness": [], "subgroups": groups})
    assert "jpeg 3" in str(Robustness().blocks(older, run))
    assert "jpeg 3" not in str(Subgroups().blocks(older, run))


def test_decisions_on_pictures_are_explained_only_where_there_are_pictures(run: Path) -> None:
    found = load_artefacts(run)
    said = [Failures().blocks(each, run)[0].text for each in (found, replace(found, explanations=None))]
    assert "What a picture says" in said[0] and "picture" not in said[1]


def test_the_worst_failures_come_first(run: Path, text: str) -> None:
    table = pl.read_csv(run / "results" / "failures.csv")
    missed = table.filter(pl.col("outcome") == "FN")["y_score"]
    alarms = table.filter(pl.col("outcome") == "FP")["y_score"]
    assert missed.is_sorted() and alarms.is_sorted(descending=True)
    cells = json.loads((run / "evaluation" / "evaluation.json").read_text())["subsets"]["test"]["operating_points"][
        "f1"
    ]
    assert (missed.len(), alarms.len()) == (cells["confusion"]["fn"], cells["confusion"]["fp"])
    assert f"{missed.len()} of " in _section(text, "failures")


@pytest.mark.slow
def test_a_thousand_test_images_stay_under_five_megabytes(tmp_path: Path) -> None:
    big = enrich(write_run(tmp_path / "big", images=3600, replicates=100))
    text = write_report([big], big / "report.html", checklists=["claim", "tripod-ai", "stard-ai"]).read_text("utf-8")
    evaluation = json.loads((big / "evaluation" / "evaluation.json").read_text())
    assert evaluation["subsets"]["test"]["n"] >= 1000
    assert len(text.encode()) < 5_000_000
