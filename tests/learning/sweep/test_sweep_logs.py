"""Trials' files of any age: ranked, and what cannot be ranked listed apart with a reason."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sweep_trials import old_entry, write_log
from typer.testing import CliRunner

from colles.cli.app import app
from colles.core.errors import CollesError, InputError, MissingInputError, TableError, UsageError
from colles.learning.sweep.importance import measure_importance
from colles.learning.sweep.logs import SweepLogs
from colles.learning.sweep.picture import write_picture


@pytest.fixture
def old_logs(tmp_path: Path) -> Path:
    """Return a practicum's folder: two good files, one of two entries, and every kind of trouble."""
    write_log(tmp_path, 1, [old_entry(1, 0.80, 0.60)])
    write_log(tmp_path, 2, [old_entry(2, 0.70, 0.75), old_entry(3, 0.90, 0.50)])
    write_log(tmp_path, 4, [{"config_id": 4, "error": "CUDA out of memory"}])
    write_log(tmp_path, 5, [{"config_id": 5, "best_score": 0.5, "best_sensitivity": 0.5, "error": None}])
    write_log(tmp_path, 6, '[{"config_id": 6, "best_score": 0.')
    write_log(tmp_path, 7, {"config_id": 7})
    write_log(tmp_path, 8, [old_entry(8, 0.8, 71.0)])
    write_log(tmp_path, 9, '[{"config_id": 9, "best_score": NaN, "best_sensitivity": NaN, "best_f1_score": NaN}]')
    write_log(tmp_path, 10, "")
    return tmp_path


def test_ranks_by_sensitivity_and_by_f1_and_lists_the_rest_apart(old_logs: Path) -> None:
    logs = SweepLogs.read(old_logs)
    assert [entry.config_id for entry in logs.ranked("by_sensitivity")] == [3, 1, 2]
    assert [entry.config_id for entry in logs.ranked("by_f1")] == [2, 1, 3]
    assert [(entry.config_id, entry.remark) for entry in logs.of("failed")] == [(4, "CUDA out of memory")]
    assert {entry.config_id: entry.remark for entry in logs.of("partial")} == {
        5: "lacks best_f1_score",
        9: "lacks best_score, best_sensitivity, best_f1_score",
    }
    broken = {file.split("_")[2]: reason for file, reason in logs.broken}
    assert broken.keys() == {"6", "7", "8", "10"}
    assert "not valid JSON" in broken["6"]
    assert broken["7"] == "not a list of entries"
    assert "71.0, not between 0 and 1" in broken["8"]
    assert broken["10"] == "the file is empty"


def test_a_number_too_large_for_one_is_a_broken_file(tmp_path: Path) -> None:
    """It ended in an OverflowError."""
    write_log(tmp_path, 1, [old_entry(1, 0.8, 0.6)])
    write_log(tmp_path, 2, f'[{{"config_id": 2, "best_score": 1{"0" * 400}}}]')
    ((_, reason),) = SweepLogs.read(tmp_path).broken
    assert "too large" in reason


def test_an_error_beside_scores_is_partial_and_equal_scores_go_by_the_other_figure(tmp_path: Path) -> None:
    write_log(tmp_path, 1, [old_entry(1, 0.8, 0.6), old_entry(2, 0.8, 0.7), old_entry(3, 0.9, 0.9, error="killed")])
    logs = SweepLogs.read(tmp_path)
    assert [entry.config_id for entry in logs.ranked("by_sensitivity")] == [2, 1]
    assert [(entry.config_id, entry.remark) for entry in logs.of("partial")] == [(3, "killed")]


def test_a_file_that_repeats_the_entries_before_it_counts_them_once(tmp_path: Path) -> None:
    write_log(tmp_path, 1, [old_entry(1, 0.8, 0.6)])
    write_log(tmp_path, 2, [old_entry(1, 0.8, 0.6), old_entry(2, 0.7, 0.7)])
    assert [entry.config_id for entry in SweepLogs.read(tmp_path).entries] == [1, 2]


def test_folders_without_a_readable_log(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no such folder"):
        SweepLogs.read(tmp_path / "none")
    with pytest.raises(MissingInputError, match="the folder is empty"):
        SweepLogs.read(tmp_path)
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(MissingInputError, match=r"holds no results_config_\*\.json"):
        SweepLogs.read(tmp_path)
    write_log(tmp_path, 1, "[{")
    with pytest.raises(TableError, match="none of 1 files can be understood"):
        SweepLogs.read(tmp_path)


def test_show_as_json_and_as_tables(old_logs: Path) -> None:
    runner = CliRunner()
    shown = json.loads(runner.invoke(app, ["sweep", "show", str(old_logs), "--json"]).stdout)
    assert [entry["config_id"] for entry in shown["by_sensitivity"]] == [3, 1, 2]
    assert len(shown["broken"]) == 4
    assert shown["importance"]["shares"] == {}
    assert "do not say their parameters" in shown["importance"]["remark"]
    text = runner.invoke(app, ["sweep", "show", str(old_logs)]).stdout
    for words in ("Best sensitivity first", "Best F1 first", "CUDA out of memory", "Cannot be understood"):
        assert words in text


@pytest.mark.slow
def test_show_needs_neither_torch_nor_optuna(old_logs: Path) -> None:
    code = f"""
import sys
for name in ("torch", "optuna", "pytorch_lightning", "ray"):
    sys.modules[name] = None
from colles.cli.app import app
app(["sweep", "show", {str(old_logs)!r}, "--plot", {str(old_logs / "p.png")!r}], standalone_mode=False)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (old_logs / "p.png").stat().st_size > 1000


def test_importance_finds_what_decides_and_says_where_it_cannot_know() -> None:
    rng = np.random.default_rng(0)
    points = [{"train.lr": float(lr), "model.name": str(name)} for lr, name in
              zip(10 ** rng.uniform(-5, -1, 60), rng.choice(["a", "b", "c"], 60), strict=True)]  # fmt: skip
    decided = measure_importance(points, [0.9 if point["model.name"] == "b" else 0.5 for point in points])
    assert next(iter(decided.shares)) == "model.name"
    assert decided.shares["model.name"] > 0.9
    assert decided.explained is not None
    assert decided.explained > 0.8
    noise = measure_importance(points, rng.uniform(size=60).tolist())
    assert "do not tell the parameters apart" in noise.remark
    assert measure_importance(points[:3], [0.1, 0.2, 0.3]).shares == {}
    assert measure_importance([{"x": 1}] * 20, [0.5] * 20).remark == "no parameter varies"


def test_a_picture_needs_a_score_and_a_known_ending(tmp_path: Path) -> None:
    write_log(tmp_path, 1, [{"config_id": 1, "error": "no"}])
    logs = SweepLogs.read(tmp_path)
    with pytest.raises(UsageError, match="cannot draw"):
        write_picture(logs, tmp_path / "picture.gif")
    with pytest.raises(InputError, match="no trial has a score"):
        write_picture(logs, tmp_path / "picture.svg")
    assert issubclass(InputError, CollesError)


def test_what_is_no_file_is_listed_and_never_ends_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link to nowhere or to itself ended the command, and a pipe held it for ever."""
    write_log(tmp_path, 1, "\ufeff" + json.dumps([old_entry(1, 0.8, 0.6)]))  # as Windows writes it
    (tmp_path / "results_config_2_x.json").symlink_to(tmp_path / "gone")
    (tmp_path / "results_config_3_x.json").symlink_to("results_config_3_x.json")
    (tmp_path / "results_config_4_x.json").mkdir()
    os.mkfifo(tmp_path / "results_config_5_x.json")
    write_log(tmp_path, 6, json.dumps([old_entry(6, 0.8, 0.6)]) + " " * 1000)
    monkeypatch.setattr("colles.learning.sweep.logs.MAX_BYTES", 1000)
    logs = SweepLogs.read(tmp_path)
    assert [entry.config_id for entry in logs.entries] == [1]
    assert [reason.split()[0] for _, reason in logs.broken] == ["no"] * 4 + ["larger"]


def test_odd_numbers_and_letters_of_a_parameter_end_neither_table_nor_picture(tmp_path: Path) -> None:
    """They ended in an OverflowError, a ValueError of scikit-learn or of JSON, and a UnicodeEncodeError."""
    odd = {1: 10**400, 2: 1e39, 3: math.nan, 4: math.inf, 5: "odd"}
    entries = [old_entry(i, 0.5, i / 10, params={"train.lr": odd.get(i, i), "model.dropout": i}) for i in range(10)]
    write_log(tmp_path, 1, json.dumps(entries).replace("1e+39", "1e999"))
    write_log(tmp_path, 2, '[{"config_id": "\\ud800", "best_score": 0.5}]')
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/results_config_\xff_.json")).touch()
    write_log(tmp_path, 3, [{"config_id": "a\x1b[31m", "error": "b\x1b]0;title\x07"}])
    runner = CliRunner()
    shown = json.loads(
        runner.invoke(app, ["sweep", "show", str(tmp_path), "--json"]).stdout, parse_constant=pytest.fail
    )
    assert shown["importance"]["shares"].keys() == {"train.lr", "model.dropout"}
    assert [entry["params"]["train.lr"] for entry in shown["by_f1"]][-5:-2] == [None, None, None]
    assert "surrogates" in shown["broken"][0]["reason"]
    done = runner.invoke(app, ["sweep", "show", str(tmp_path), "--plot", str(tmp_path / "picture.png")])
    assert done.exit_code == 0
    assert "a�[31m" in done.stdout
    assert "\x1b" not in done.stdout
