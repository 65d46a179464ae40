"""Sentences, formats, warnings, the leak check and the slider's data."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colles.core.files import write_json
from colles.core.recipe import EvaluateRecipe
from colles.core.records import Estimate
from colles.evaluation.comparison_table import estimate as difference
from colles.evaluation.evaluate import evaluate
from colles.evaluation.predictions import Predictions
from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Alarm, Figures, KeyFigures, Note, Table, Text
from colles.reporting.checklists.topics_data import disjoint
from colles.reporting.figures.flow_diagram import Exit, Station, flow_diagram
from colles.reporting.formats import capital, estimate, number, per_hundred, percent_level, threshold
from colles.reporting.leaks import check_units
from colles.reporting.report import write_report
from colles.reporting.sections.audit import AuditSection
from colles.reporting.sections.calibration import Calibration
from colles.reporting.sections.discrimination import Discrimination
from colles.reporting.sections.flow import Flow
from colles.reporting.sections.levels import Levels
from colles.reporting.sections.net_benefit import NetBenefit, useful_ranges
from colles.reporting.sections.operating_points import OperatingPoints, slider_data
from colles.reporting.sections.overview import Overview
from colles.reporting.sections.robustness import Robustness
from colles.reporting.sections.split import SplitSection
from colles.reporting.sections.subgroups import Subgroups
from colles.reporting.summary import few_warning, summary_sentences


def _estimate(value: float | None, low: float | None = None, high: float | None = None) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": high}


def _run(tmp_path, y_true: list[int], y_score: list[float], subset: list[str]) -> Artefacts:
    file = tmp_path / "predictions.csv"
    pl.DataFrame({"y_true": y_true, "y_score": y_score, "subset": subset}).write_csv(file)
    judged = evaluate(Predictions.load(file), EvaluateRecipe(replicates=100))
    return Artefacts(tmp_path, "run", evaluation=judged.model_dump(mode="json"))


def test_a_level_near_one_was_called_100_percent():
    assert [percent_level({"level": level}) for level in (0.9, 0.95, 0.999, 0.9999)] == [
        "90 %", "95 %", "99.9 %", "99.99 %",
    ]  # fmt: skip


def test_proportions_are_said_of_a_hundred() -> None:
    assert per_hundred(_estimate(0.88, 0.82, 0.93)) == "88 (82–93)"
    assert per_hundred(_estimate(0.9, 0.85, 0.94), complement=True) == "10 (6–15)"
    assert per_hundred(_estimate(None)) is None
    assert per_hundred(_estimate(1.0, 0.44, 1.0)) == "100 (44–100)"


def test_rounding_never_claims_perfection() -> None:
    assert per_hundred(_estimate(0.9991)) == "99.9"
    assert per_hundred(_estimate(0.001)) == "0.1"
    assert per_hundred(_estimate(0.005, 0.0003, 0.9997)) == "0.5 (0.03–99.97)"


def test_rare_fractures_are_not_said_to_be_none(tmp_path) -> None:
    y_true = [int(i < 2) for i in range(500)] * 2
    run = _run(tmp_path, y_true, [0.2 + 0.6 * y for y in y_true], ["val"] * 500 + ["test"] * 500)
    said = " ".join(summary_sentences(run))
    assert "as long as 0.4 of 100 radiographs show one" in said
    figures = next(block for block in NetBenefit().blocks(run, tmp_path) if isinstance(block, Figures))
    assert "(0.4 %)" in figures.items[0][1]


def test_intervals_by_two_methods_are_named_by_both(tmp_path) -> None:
    rng = np.random.default_rng(3)
    y_true = [int(i < 30) for i in range(90)] + [int(i < 4) for i in range(90)]
    run = _run(tmp_path, y_true, rng.uniform(size=180).tolist(), ["val"] * 90 + ["test"] * 90)
    table = next(block for block in Discrimination().blocks(run, tmp_path) if isinstance(block, Table))
    named = {row[0]: row[-1] for row in table.rows}
    assert named["AUROC"] == "delong logit, newcombe"
    assert named["Brier score"] == "student"


def test_calibration_figures_are_said_to_be_those_before_the_shift(tmp_path) -> None:
    fitted = {"method": "platt", "slope": 1.0, "intercept": 0.0, "prevalence": 0.03, "fitted_prevalence": 0.3}
    run = Artefacts(tmp_path, "run", evaluation={"calibration": fitted, "subsets": {"test": {"figures": {}}}})
    assert "the figures here judge them before that shift" in Calibration().blocks(run, tmp_path)[0].text


def test_a_level_that_nothing_chose_is_said_to_be_so(tmp_path) -> None:
    file = tmp_path / "predictions.csv"
    rows = {"y_true": [0, 1] * 6, "y_score": [0.2, 0.7] * 6, "patient_id": [f"p{i // 2}" for i in range(12)]}
    pl.DataFrame(rows).write_csv(file)  # every patient has a fracture
    judged = evaluate(Predictions.load(file), EvaluateRecipe(replicates=100)).model_dump(mode="json")
    blocks = Levels().blocks(Artefacts(tmp_path, "run", evaluation=judged), tmp_path)
    told = " ".join(block.text for block in blocks if isinstance(block, Text))
    assert "which no set chose: none holds both classes by patient" in told
    assert "none set" not in told


def test_the_worst_condition_is_not_said_to_suffer_where_nothing_fell(tmp_path) -> None:
    figures = {"auroc": _estimate(0.91, 0.86, 0.95), "auroc_change": _estimate(0.004, -0.002, 0.01)}
    found = {"subset": "test", "column": "condition", "value": "noise 1", "figures": figures}
    subsets = {"test": {"n": 90, "n_positive": 30, "figures": {}}}
    run = Artefacts(tmp_path, "run", evaluation={"subsets": subsets, "robustness": [found]})
    said = " ".join(block.text for block in Robustness().blocks(run, tmp_path) if isinstance(block, Text))
    assert "suffers" not in said
    assert "lowest under noise 1: 0.910 (0.860–0.950), a change of 0.004 (−0.002 to 0.010)" in said


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_complement_turns_the_interval_round(a: float, b: float) -> None:
    low, high = sorted((a, b))
    text = per_hundred(_estimate((low + high) / 2, low, high), complement=True)
    assert text is not None
    value, first, last = (float(part) for part in text.replace("(", " ").replace(")", "").replace("–", " ").split())
    assert first <= value <= last


def test_figures_without_a_value_or_an_interval() -> None:
    assert estimate(None) == "–"
    assert estimate(_estimate(None)) == "undefined"
    assert estimate(_estimate(0.5)) == "0.500"
    assert number(-0.25, 2) == "−0.25"
    assert capital("best F1") == "Best F1"


def test_a_difference_that_rounds_to_nothing_was_minus_zero() -> None:
    change = Estimate(value=-0.0001, low=-0.0004, high=0.0003, method="t", n=9)
    assert str(change) == "0.000 (0.000 to 0.000)"
    assert estimate(change.model_dump()) == "0.000 (0.000 to 0.000)" and number(-0.0002) == "0.000"
    assert difference(change.model_dump(), sign="+") == "+0.000 (+0.000 to +0.000)"
    assert difference(_estimate(-0.25), sign="+") == "−0.250"


def test_the_summary_says_what_the_confusion_matrix_says(tmp_path) -> None:
    rng = np.random.default_rng(1)
    y_true = rng.integers(0, 2, 400)
    y_score = np.clip(0.5 + 0.25 * (y_true - 0.5) + rng.normal(0, 0.2, 400), 0, 1)
    run = _run(tmp_path, y_true.tolist(), y_score.tolist(), ["val"] * 200 + ["test"] * 200)
    cells = run.points("test")["f1"]["confusion"]
    sentences = " ".join(summary_sentences(run))
    found = round(100 * cells["tp"] / (cells["tp"] + cells["fn"]))
    assert f"of 100 fractures it finds {found} (" in sentences
    assert "test set: 200 radiographs" in sentences


def test_a_score_that_knows_nothing_is_called_so(tmp_path) -> None:
    rng = np.random.default_rng(1)
    y_true = rng.integers(0, 2, 200)
    for name, shift, told in (("none", 0.0, "cannot be told from chance"), ("turned", -0.5, "is below chance")):
        y_score = np.clip(0.5 + shift * (y_true - 0.5) + rng.normal(0, 0.2, 200), 0, 1)
        (tmp_path / name).mkdir()
        run = _run(tmp_path / name, y_true.tolist(), y_score.tolist(), ["val"] * 100 + ["test"] * 100)
        assert told in " ".join(summary_sentences(run))


def test_three_fractures_among_many_give_a_warning(tmp_path) -> None:
    """The practicum's case: 1,644 negatives, 3 positives, AUROC 0.9994."""
    rng = np.random.default_rng(0)
    scores = [*rng.uniform(0, 0.5, 1644).tolist(), 0.99, 0.98, 0.499]
    run = _run(tmp_path, [0] * 1644 + [1] * 3, scores, ["test"] * 1647)
    warning = few_warning(run.subsets["test"], "test")
    assert warning is not None
    assert "only 3 fractures" in warning
    assert few_warning({"n": 200, "n_positive": 100}, "test") is None
    assert "1 image without a fracture." in str(few_warning({"n": 50, "n_positive": 49}, "test"))


@pytest.mark.parametrize("label", [0, 1])
def test_a_ppv_of_one_class_alone_was_explained_by_a_slider_that_is_not_there(tmp_path, label: int) -> None:
    run = _run(tmp_path, [0, 1] * 20 + [label] * 20, [0.1, 0.9] * 20 + [0.9] * 20, ["val"] * 40 + ["test"] * 20)
    assert run.points()["f1"]["figures"]["ppv"]["value"] == label
    assert "slider" not in " ".join(summary_sentences(run))


@pytest.mark.slow
def test_a_fixed_threshold_was_said_to_be_chosen_and_one_class_got_an_empty_figure(tmp_path) -> None:
    many = _run(tmp_path, [0, 1] * 20, [0.1, 0.9, 0.4, 0.6] * 10, ["test"] * 40)
    assert {"default", "f1"} <= set(many.points())
    text, *_ = OperatingPoints().blocks(many, tmp_path)
    assert "chosen on the test set" in text.text and "score 0.5" not in text.text
    one = _run(tmp_path, [0] * 40, [0.1, 0.9, 0.4, 0.6] * 10, ["test"] * 40)
    text, *blocks = OperatingPoints().blocks(one, tmp_path)
    assert text.text == "No threshold was chosen on data."
    assert not any("rarer" in getattr(block, "text", "") for block in blocks)


def test_one_class_only_is_no_error(tmp_path) -> None:
    run = _run(tmp_path, [0] * 30, [0.1] * 30, ["test"] * 30)
    assert summary_sentences(run)


def test_a_planted_leak_is_found_and_counted(tmp_path) -> None:
    catalog = pl.DataFrame({"image_id": ["a", "b", "c"], "source": ["s", "s", "t"], "patient_id": ["1", "1", "1"]})
    clean = pl.DataFrame(
        {"image_id": ["a", "b", "c"], "group_id": ["g", "g", "h"], "subset": ["train", "train", "test"]}
    )
    found = {check.unit: check.leaking for check in check_units(Artefacts(tmp_path, "r", catalog=catalog, split=clean))}
    assert found == {"groups of the split": 0, "patients": 0}  # patient 1 of another source is another person
    leaky = clean.with_columns(subset=pl.Series(["train", "test", "test"]))
    found = {check.unit: check.leaking for check in check_units(Artefacts(tmp_path, "r", catalog=catalog, split=leaky))}
    assert found == {"groups of the split": 1, "patients": 1}


def test_a_split_without_patients_was_certified_disjoint_by_patient(tmp_path) -> None:
    split = pl.DataFrame({"image_id": ["a", "b"], "group_id": ["g", "h"], "subset": ["train", "test"]})
    catalog = pl.DataFrame({"image_id": ["a", "b"], "source": "s", "label": [0, 1], "patient_id": [None, None]})
    known = catalog.with_columns(patient_id=pl.Series(["1", "2"]))
    for rows, warned in ((catalog, True), (known, False)):
        run = Artefacts(tmp_path, "r", catalog=rows, split=split)
        note, *_ = SplitSection().blocks(run, tmp_path)
        assert note.text.startswith("No leak") and ("Patients are not known" in note.text) == warned
        assert ("Patients are not known" in str(disjoint(run))) == warned
    leaky = split.with_columns(group_id=pl.lit("g"))
    assert str(disjoint(Artefacts(tmp_path, "r", split=leaky))).startswith("Not disjoint")


def test_equal_file_names_in_two_folders_are_no_leak_in_the_report(tmp_path) -> None:
    ids = ["s/fractured/001.png", "s/normal/001.png"]
    catalog = pl.DataFrame({"image_id": ids, "source": "s", "base_name": "001", "group_id": ids})
    split = pl.DataFrame({"image_id": ids, "group_id": ids, "subset": ["train", "test"]})
    found = {check.unit: check.leaking for check in check_units(Artefacts(tmp_path, "r", catalog=catalog, split=split))}
    assert found == {"groups of the split": 0}


def test_the_flow_adds_up(tmp_path) -> None:
    catalog = pl.DataFrame(
        {
            "image_id": list("abcdef"),
            "label": [1, 0, None, 0, 1, 0],
            "status": ["ok"] * 5 + ["truncated"],
            "source": ["s"] * 6,
        }
    )
    split = pl.DataFrame({"image_id": ["a", "b", "d"], "group_id": list("abd"), "subset": ["train", "test", "test"]})
    summary = {"excluded": [{"image_id": "e", "reason": "bridging <copy>"}]}
    run = Artefacts(tmp_path, "r", catalog=catalog, split=split, split_summary=summary)
    block = Flow().blocks(run, tmp_path / "report.html")[0]
    markup = str(block.markup)
    for words in ("6 files found", "1 truncated", "5 readable images", "1 label unknown", "3 images in the split"):
        assert words in markup
    assert "1 bridging &lt;copy&gt;" in markup
    assert "<copy>" not in markup


def test_the_diagram_leaves_out_empty_exits() -> None:
    markup = flow_diagram(
        [Station("5 files", (Exit(0, "not readable", ()),)), Station("5 images")], [("Test", "5 images")]
    )
    assert "not readable" not in markup


def test_what_left_the_flow_was_not_told_to_whoever_hears_the_diagram() -> None:
    exits = (Exit(3, "not readable", ("2 truncated", "1 empty")), Exit(0, "unknown", ()))
    markup = flow_diagram([Station("5 files", exits), Station("2 images")], [("Test", "2 images")])
    assert 'aria-label="5 files, of which 3 not readable (2 truncated, 1 empty); 2 images; Test 2 images"' in markup


def test_the_slider_steps_on_the_locked_points_with_their_counts() -> None:
    roc = {"fpr": [0.0, 0.0, 0.5, 1.0], "tpr": [0.0, 0.5, 1.0, 1.0], "thresholds": [1.0, 0.9, 0.4, 0.1]}
    point = {"f1": {"threshold": 0.6, "confusion": {"tp": 3, "fp": 1, "fn": 1, "tn": 3}}}
    data = slider_data(roc, positives=4, negatives=4, points=point)
    assert data["thresholds"] == [None, 0.9, 0.6, 0.4, 0.1]
    place = data["thresholds"].index(0.6)
    assert (round(data["tpr"][place] * 4), round(data["fpr"][place] * 4)) == (3, 1)
    assert all(math.isfinite(x) for x in data["fpr"] + data["tpr"])


def test_a_button_jumped_to_other_counts_where_scores_lie_closer_than_a_millionth() -> None:
    roc = {"fpr": [0.0, 0.0, 0.5, 1.0], "tpr": [0.0, 0.5, 1.0, 1.0], "thresholds": [None, 9e-8, 4e-8, 1e-10]}
    cells = {"rule_in": (6e-8, {"tp": 3, "fp": 1}), "rule_out": (3e-8, {"tp": 4, "fp": 3}), "f1": (5e-8, {})}
    points = {name: {"threshold": place, "confusion": found} for name, (place, found) in cells.items()}
    data = slider_data(roc, positives=4, negatives=4, points=points)
    found = {
        point["name"]: [data[name][point["step"]] for name in ("thresholds", "tpr", "fpr")] for point in data["points"]
    }
    assert found == {"rule-in": [6e-8, 0.75, 0.25], "rule-out": [3e-8, 1.0, 0.75]}


@pytest.mark.parametrize("n", [10, 5000])
def test_the_slider_is_thinned_but_keeps_both_ends(n: int) -> None:
    steps = np.linspace(0, 1, n)
    roc = {"fpr": steps.tolist(), "tpr": np.sqrt(steps).tolist(), "thresholds": (1 - steps).tolist()}
    data = slider_data(roc, positives=100, negatives=100)
    assert len(data["fpr"]) <= 1500
    assert (data["fpr"][0], data["fpr"][-1], data["tpr"][-1]) == (0.0, 1.0, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("fractures", [0, 3, 40])
def test_a_strangers_scores_of_any_kind_make_a_report(tmp_path, fractures: int) -> None:
    rng = np.random.default_rng(2)
    y_true = [1] * fractures + [0] * (40 - fractures)
    run = _run(tmp_path, y_true, rng.uniform(0, 1, 40).tolist(), ["test"] * 40)
    write_json(tmp_path / "evaluation.json", run.evaluation)
    text = write_report([tmp_path], tmp_path / "report.html").read_text("utf-8")
    assert "say next to nothing" in text
    assert "nan" not in text.lower().replace("provenance", "")


def test_a_shortcut_in_the_data_is_said_aloud(tmp_path) -> None:
    loud = {"kind": "shortcut", "severity": "warning", "images": ["a"], "detail": "Hardware alone tells the label"}
    quiet = {"kind": "shortcut", "severity": "info", "images": [], "detail": "Size tells little"}
    run = Artefacts(tmp_path, "run", audit={"summary": {}, "issues": [quiet, loud]})
    notes = [block for block in AuditSection().blocks(run, tmp_path) if isinstance(block, Note)]
    assert [(note.text, note.warning) for note in notes] == [
        ("Shortcut: Hardware alone tells the label", True),
        ("Shortcut: Size tells little", False),
    ]


def test_a_range_where_the_model_helps_is_named() -> None:
    share = 0.2
    threshold = [0.05, 0.1, 0.2, 0.3, 0.4]
    everybody = [share - (1 - share) * t / (1 - t) for t in threshold]
    model = [everybody[0] - 0.01, everybody[1] + 0.01, 0.05, 0.0, -0.01]
    assert useful_ranges({"threshold": threshold, "model": model}, share) == [(0.1, 0.2)]
    assert useful_ranges({"threshold": threshold, "model": [min(0, x) for x in everybody]}, share) == []


def test_thresholds_between_two_useful_ones_are_not_called_useful(tmp_path) -> None:
    curve = {"threshold": [0.1, 0.2, 0.3, 0.4, 0.5], "model": [0.3, 0.0, 0.0, 0.0, 0.05]}
    assert useful_ranges(curve, 0.3) == [(0.1, 0.1), (0.5, 0.5)]
    content = {"n": 10, "n_positive": 3, "curves": {"net_benefit": curve}}
    said = str(NetBenefit().blocks(Artefacts(tmp_path, "run", evaluation={"subsets": {"test": content}}), tmp_path))
    assert "of about 10 % or 50 %; the intervals" in said


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1234, "0.123"), (1.4e-7, "1.4e-07"), (0.0004, "0.0004"), (0.99999, "0.99999"), (0.0, "0.000"), (1.0, "1.000"),
     (1 - 2**-53, "0.9999999999999999"), (None, "–")],
)  # fmt: skip
def test_a_threshold_between_0_and_1_is_never_said_to_be_either(value, text) -> None:
    assert threshold(value) == text


def test_a_gap_between_sets_has_an_interval_and_the_name_of_the_other_set(tmp_path) -> None:
    rng = np.random.default_rng(0)
    y_true = [0, 1] * 60
    run = _run(tmp_path, y_true, rng.random(120).tolist(), ["val"] * 60 + ["external"] * 60)
    table = Discrimination().blocks(run, tmp_path)[-1]
    assert "Validation − external" in table.columns
    gaps = {row[0]: row[table.columns.index("Validation − external")] for row in table.rows}
    values = [run.subsets[name]["figures"]["auroc"]["value"] for name in ("val", "external")]
    assert gaps["AUROC"].startswith(number(values[0] - values[1])) and " to " in gaps["AUROC"]


def test_subgroups_that_are_not_drawn_are_told(tmp_path) -> None:
    figures = {"auroc": {"value": 0.8, "low": 0.7, "high": 0.9}}
    groups = [{"subset": "test", "column": "maker", "value": str(i), "n": 9, "figures": figures} for i in range(41)]
    said = []
    for some in (groups, [*groups[:39], {**groups[0], "column": "lesion_area"}]):
        evaluation = {"subsets": {"test": {"figures": {}}}, "subgroups": some}
        said.append(str(Subgroups().blocks(Artefacts(tmp_path, "run", evaluation=evaluation), tmp_path)))
    assert "The first 40 of 41 are drawn" in said[0] and "Lesion area" not in said[0]
    assert "are drawn" not in said[1]
    assert "fractures of that size against all images without one" in said[1]  # else its images seem too many


def test_a_figure_bounded_on_one_side_only_says_so() -> None:
    ratio = Estimate(value=None, low=6.125, high=None, method="mover_ratio", n=40)
    assert str(ratio) == estimate(ratio.model_dump()) == "at least 6.125"
    assert str(ratio.model_copy(update={"low": None})) == "undefined"
    assert estimate({"value": None, "low": 5.25, "high": None}, 2) == "at least 5.25"
    assert estimate(_estimate(-0.1, -0.2, 0.05), 2) == "−0.10 (−0.20 to 0.05)"


def test_few_patients_are_an_alarm_although_images_are_many(tmp_path) -> None:
    rng = np.random.default_rng(4)
    y_true = np.repeat([1, 0] * 3, 20)  # 60 fractures of three patients
    frame = pl.DataFrame({"y_true": y_true, "y_score": rng.uniform(0, 1, 120), "group_id": np.repeat(range(6), 20)})
    frame.with_columns(pl.col("group_id").cast(pl.String), subset=pl.lit("test")).write_csv(tmp_path / "p.csv")
    judged = evaluate(Predictions.load(tmp_path / "p.csv"), EvaluateRecipe(replicates=100))
    run = Artefacts(tmp_path, "run", evaluation=judged.model_dump(mode="json"))
    first, figures = Overview().blocks(run, tmp_path)[:2]
    assert isinstance(first, Alarm) and "3 groups" in first.text
    assert isinstance(figures, KeyFigures) and figures.doubtful


def test_the_report_hid_what_a_split_warned_of_and_said_that_copies_are_never_divided(tmp_path) -> None:
    split = pl.DataFrame({"image_id": ["a", "b"], "group_id": ["a", "b"], "subset": ["train", "test"]})
    text = "changed copies of one radiograph were not looked for, and may lie on two sides"
    run = Artefacts(
        tmp_path, "r", split=split, split_summary={"warnings": ["group csv:MRN-7 holds 9 %", f"{text}: colles"]}
    )
    notes = [block for block in SplitSection().blocks(run, tmp_path) if isinstance(block, Note) and block.warning]
    assert [note.text for note in notes] == [
        "Changed copies of one radiograph were not looked for, and may lie on two sides.",
        "The split warned of 1 other matter: see warnings in split.json.",
    ]


@pytest.mark.slow
def test_a_set_that_the_network_never_saw_was_left_out_of_the_report(tmp_path) -> None:
    rng = np.random.default_rng(2)
    y_true = np.tile([0, 1], 120)
    skill = np.repeat([3.0, 3.0, 0.3], 80)
    y_score = 1 / (1 + np.exp(-(skill * (y_true - 0.5) + rng.normal(0, 1, 240))))
    subset = ["val"] * 80 + ["test"] * 80 + ["external"] * 80
    run = _run(tmp_path, y_true.tolist(), y_score.tolist(), subset)
    page = tmp_path / "report.html"
    figures = run.subsets["external"]["figures"]
    keys = [key for block in Overview().blocks(run, page) if isinstance(block, KeyFigures) for key in block.items]
    assert next(key.value for key in keys if key.label == "AUROC, external") == number(figures["auroc"]["value"])
    said = [text for text in summary_sentences(run) if text.startswith("On the external set")]
    assert said and f"{per_hundred(figures['auroc'])} of 100" in said[0]
    table = next(block for block in Discrimination().blocks(run, page) if isinstance(block, Table))
    assert table.columns[1:4] == ("Validation (n = 80)", "External (n = 80)", "Test (n = 80)")
    tables = [block for block in OperatingPoints().blocks(run, page) if isinstance(block, Table)]
    assert any("external set" in table.caption and table.rows[0][0] == "Threshold" for table in tables)
    told = next(block for block in Calibration().blocks(run, page) if isinstance(block, Text))
    assert f"On the external set: Brier score {estimate(figures['brier'])}" in told.text


def test_training_images_are_no_further_set(tmp_path) -> None:
    run = _run(tmp_path, [0, 1] * 60, [0.2, 0.8] * 60, ["val"] * 40 + ["test"] * 40 + ["train"] * 40)
    assert run.shown == ["val", "test"] and not run.others


def test_a_threshold_chosen_on_the_judged_set_is_marked_beside_its_large_figure(tmp_path) -> None:
    rng = np.random.default_rng(3)
    y_true = np.tile([0, 1], 40)
    run = _run(tmp_path, y_true.tolist(), (0.3 * y_true + 0.6 * rng.random(80)).tolist(), ["test"] * 80)
    keys = [key for b in Overview().blocks(run, tmp_path) if isinstance(b, KeyFigures) for key in b.items]
    notes = {key.label: key.note for key in keys}
    assert notes["Sensitivity, rule-out"].endswith("chosen here: flatters")
    assert "chosen" not in notes["Sensitivity, score 0.5"]
