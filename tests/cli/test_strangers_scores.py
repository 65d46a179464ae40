"""`colles evaluate theirs.csv`: what people really send, judged or refused in one clear line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import expit, logit

from colles.cli import app as program
from colles.evaluation.comparison_table import estimate

FAST = ("--replicates", "200")


@pytest.fixture
def judge(tmp_path, capsys, monkeypatch):
    """Return a function that writes a table, runs the program on it, and gives exit code, output, errors and JSON."""

    def run(columns: dict[str, object] | str, *options: str, name: str = "theirs.csv"):
        table, out = tmp_path / name, tmp_path / "out"
        if isinstance(columns, str):
            table.write_text(columns)
        else:
            frame = pl.DataFrame(columns)
            frame.write_parquet(table) if table.suffix == ".parquet" else frame.write_csv(table)
        monkeypatch.setattr(sys, "argv", ["colles", "evaluate", str(table), "--out", str(out), *FAST, *options])
        try:
            program.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        made = out / "evaluation.json"
        return code, said.out, said.err, json.loads(made.read_text()) if made.is_file() else None

    return run


def scores(n: int = 300, positives: int = 90, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores of an AUROC of about 0.86."""
    y_true = (np.arange(n) < positives).astype(int)
    return y_true, expit(1.5 * y_true - 1 + np.random.default_rng(seed).normal(size=n))


def test_two_columns_are_enough(judge):
    y_true, y_score = scores()
    code, out, err, found = judge({"y_true": y_true, "y_score": y_score})
    assert code == 0
    assert "300 images, 90 fractured" in out
    assert "threshold chosen on the data it is judged on" in err
    assert "flatters" in out
    assert found["subsets"]["test"]["operating_points"]["f1"]["chosen_here"]
    assert found["subgroups"] == found["robustness"] == []


def test_the_terminal_named_no_level_and_a_threshold_of_1_that_calls(judge):
    y_true, y_score = scores()
    _, out, _, found = judge({"y_true": y_true, "y_score": 1 - (1 - y_score) / 10_000}, "--level", "0.9")
    assert found["subsets"]["test"]["operating_points"]["f1"]["threshold"] < 1
    assert "value (90 % interval)" in out
    assert "│ 0.9999" in out and "│ 1 " not in out


def test_the_terminal_showed_a_bootstrap_interval_beside_delongs_p(tmp_path, capsys, monkeypatch):
    tables = [str(tmp_path / f"{name}.csv") for name in ("one", "other")]
    for seed, table in enumerate(tables):
        y_true, y_score = scores(seed=seed)
        pl.DataFrame({"image_id": np.arange(300), "y_true": y_true, "y_score": y_score}).write_csv(table)
    monkeypatch.setattr(sys, "argv", ["colles", "compare", *tables, "--out", str(tmp_path / "out"), *FAST])
    with pytest.raises(SystemExit, match="0"):
        program.main()
    pair = json.loads((tmp_path / "out" / "comparison.json").read_text())["pairs"][0]
    said = capsys.readouterr().out
    assert estimate(pair["difference_delong"], sign="+") in said
    assert estimate(pair["difference"], sign="+") not in said


def test_more_columns_give_more_sections(judge):
    y_true, y_score = scores()
    number = np.arange(300)
    extra = {
        "image_id": [f"i{i}" for i in number],
        "subset": np.where(number % 2 == 0, "val", "test"),
        "study_id": [f"s{i // 4 * 2 + i % 2}" for i in number],
        "body_part": np.where(number % 3 == 0, "wrist", "hand"),
        "label_certainty": np.where(number % 5 == 0, "low", "high"),
    }
    code, out, err, found = judge({**extra, "y_true": y_true, "y_score": y_score})
    assert code == 0
    assert "studies (" in out
    assert err == "warning: no group_id: rows with one study_id count as one group\n"
    assert {g["column"] for g in found["subgroups"]} == {"body_part", "label_certainty"}
    assert found["levels"]["study"]["chosen_on"] == "val"
    assert found["optimism"]["f1"]["sensitivity"]["low"] is not None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("y_true,y_score\n1,0.9\n0,nan\n0,0.1\n", "y_score: 1 of 3 scores are missing, NaN or infinite"),
        ("y_true,y_score\n1,0.9\n0,\n0,0.1\n", "y_score: 1 of 3 scores are missing or not numbers"),
        ("y_true,y_score\n1,0.9\n0,high\n", "y_score: 1 of 2 scores are missing or not numbers ('high')"),
        ("y_true,y_score\n1,0.9\nnan,0.1\n", "y_true: 1 of 2 labels are NaN"),
        ("y_true,y_score\n1,0.9\n2,0.1\n", "y_true: 1 of 2 labels are not understood: 2"),
        ("y_true,y_score\nbroken,0.9\nsprained,0.1\n", "labels are not understood: 'sprained'"),
        ("y_true,y_score\n1,90\n0,20\n", "Divide by 100 if they are percentages"),
        ("y_true,y_score\n", "the table has no rows"),
        ("", "the file is empty"),
        ("y_true,score\n1,0.9\n", "Rename 'score' to 'y_score'"),
        ("image_id,y_true,y_score\na,1,0.9\na,0,0.1\n", "image_id: 1 ids stand on more than one row, first 'a'"),
        ("y_true,y_score,condition\n1,0.9,noise 1\n0,0.1,noise 1\n", "every row has a condition"),
        ("y_true,y_score\n,0.9\n,0.1\n", "no row has a label"),
    ],
)
def test_what_cannot_be_judged_is_one_line_that_names_file_column_and_repair(judge, table, message):
    code, out, err, found = judge(table)
    assert code == 2
    assert found is None
    assert message in err
    assert "theirs.csv" in err
    assert err.count("\n") == 1
    assert "Traceback" not in err + out


def test_logits_are_taken_and_named(judge):
    y_true, y_score = scores()
    code, _, err, found = judge({"y_true": y_true, "y_score": logit(y_score)})
    assert code == 0
    assert "scores outside 0–1 were taken as logits and mapped by the sigmoid" in err
    plain = judge({"y_true": y_true, "y_score": y_score}, "--overwrite")[3]
    assert found["subsets"]["test"]["figures"]["auroc"] == plain["subsets"]["test"]["figures"]["auroc"]


def test_labels_in_words(judge):
    y_true, y_score = scores()
    code, out, _, _ = judge({"y_true": np.where(y_true == 1, "Fracture", "normal"), "y_score": y_score})
    assert code == 0
    assert "300 images, 90 fractured" in out


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_only_has_no_auroc_and_says_so(judge, label):
    code, out, err, found = judge({"y_true": [label] * 40, "y_score": np.linspace(0, 1, 40)})
    assert code == 0
    assert "AUROC and the like are undefined" in err
    test = found["subsets"]["test"]
    assert test["figures"]["auroc"]["value"] is None
    assert test["curves"]["net_benefit"]["model"] == []
    known = "specificity" if label == 0 else "sensitivity"
    assert test["operating_points"]["default"]["figures"][known]["value"] == pytest.approx(0.5)
    assert "undefined" in out


def test_the_practicums_three_fractures_among_1647(judge):
    y_true, y_score = scores(1647, 3, seed=2)
    code, _, err, found = judge({"y_true": y_true, "y_score": y_score})
    assert code == 0
    (warning,) = [line for line in err.splitlines() if "3 fractures" in line]
    assert "only 3 fractures among 1,647 images" in warning
    assert "the figures say next to nothing" in warning
    auroc = found["subsets"]["test"]["figures"]["auroc"]
    assert f"(AUROC {auroc['value']:.3f} ({auroc['low']:.3f}" in warning
    assert auroc["high"] - auroc["low"] > 0.3
    sensitivity = found["subsets"]["test"]["operating_points"]["default"]["figures"]["sensitivity"]
    assert sensitivity["high"] - sensitivity["low"] > 0.5


def test_three_fractures_ranked_perfectly_are_not_certain_either(judge):
    y_true = (np.arange(1647) < 3).astype(int)
    _, _, err, found = judge({"y_true": y_true, "y_score": 0.1 + 0.8 * y_true + np.arange(1647) * 1e-5})
    auroc = found["subsets"]["test"]["figures"]["auroc"]
    assert auroc["value"] == 1.0
    assert auroc["low"] < 0.75
    assert "say next to nothing" in err


def test_ten_rows(judge):
    code, _, err, found = judge({"y_true": [1, 0] * 5, "y_score": np.linspace(0.05, 0.95, 10)})
    assert code == 0
    assert "only 5 fractures among 10 images" in err
    assert found["subsets"]["test"]["n"] == 10


@pytest.mark.parametrize("option", [("--calibration", "magic"), ("--prevalence", "1.5"), ("--cost-ratio", "-1"),
                                    ("--set", "evaluate.levle=0.9")])  # fmt: skip
def test_a_setting_that_makes_no_sense(judge, option):
    y_true, y_score = scores(40, 10)
    code, _, err, found = judge({"y_true": y_true, "y_score": y_score}, *option)
    assert code == 2
    assert err.removeprefix("error: ").removeprefix("--set ").startswith("evaluate.")
    assert found is None


@pytest.mark.slow
def test_a_million_rows_of_patients_fit_in_memory(judge):
    n = 1_000_000
    rng = np.random.default_rng(0)
    group = np.arange(n) // 3
    y_true = (rng.random(n // 3 + 1) < 0.2)[group]
    columns = {"y_true": y_true.astype(np.int8), "y_score": expit(1.5 * y_true + rng.normal(size=n)), "group_id": group}
    code, out, _, found = judge(columns, name="theirs.parquet")
    assert code == 0
    assert "1,000,000 images" in out
    assert found["subsets"]["test"]["n_groups"] == n // 3 + 1
    auroc = found["subsets"]["test"]["figures"]["auroc"]
    assert 0 < auroc["high"] - auroc["low"] < 0.004
    assert Path(out.strip().splitlines()[-1].removeprefix("All figures: ")).stat().st_size < 1_000_000
