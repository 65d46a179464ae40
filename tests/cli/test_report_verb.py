"""`colles report` as a stranger uses it: their CSV, the practicum's case, checklists, a name that is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from colles.cli.app import app
from colles.core.errors import OutputExistsError, UsageError


def run(*arguments: object) -> BaseException | None:
    """Run the program in this process; return what it raised, None where it went well."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return None if result.exit_code == 0 else result.exception


def judged(folder: Path, y_true: list[int], y_score: list[float]) -> Path:
    """Evaluate a CSV of `y_true, y_score` alone into `folder`/out."""
    pl.DataFrame({"y_true": y_true, "y_score": y_score}).write_csv(folder / "theirs.csv")
    done = run("evaluate", folder / "theirs.csv", "--out", folder / "out", "--replicates", 100)
    assert done is None, done
    return folder / "out"


@pytest.mark.slow
def test_the_practicums_three_fractures_are_warned_of_before_any_figure(tmp_path: Path) -> None:
    """1,644 negatives, 3 positives, two of them with the highest scores: AUROC about 0.999."""
    scores = [*np.random.default_rng(0).uniform(0, 0.5, 1644).tolist(), 0.99, 0.98, 0.499]
    out = judged(tmp_path, [0] * 1644 + [1] * 3, scores)
    assert run("report", out, "--out", out / "report.html") is None
    text = (out / "report.html").read_text()
    alarm, figures = text.index('<p class="alarm">'), text.index('<dl class="key')
    assert text.index("</nav>") < alarm < figures
    assert "holds only 3 fractures" in text[alarm:figures]
    assert '<dl class="key doubtful">' in text
    words = text[text.index('<section id="summary">') : text.index("</section>")]
    assert "95 % CI" in words


@pytest.mark.slow
def test_a_strangers_csv_makes_a_report_with_checklists(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    y_true = rng.integers(0, 2, 300)
    out = judged(tmp_path, y_true.tolist(), rng.beta(2 + 2 * y_true, 3).tolist())
    report = tmp_path / "site" / "theirs.html"
    assert run("report", out, "--out", report, "--checklist", "claim,TRIPOD-AI", "--checklist", "stard-ai") is None
    text = report.read_text()
    assert '<p class="alarm">' not in text and "Not in this report" in text
    assert "A table of scores says nothing of these parts" in text and "The run's folder holds nothing" not in text
    written = {file.name for file in (report.parent / "results").glob("checklist_*.csv")}
    assert written == {"checklist_claim.csv", "checklist_tripod_ai.csv", "checklist_stard_ai.csv"}
    assert isinstance(run("report", out, "--out", report), OutputExistsError)
    unknown = run("report", out, "--out", report, "--overwrite", "--checklist", "consort")
    assert isinstance(unknown, UsageError) and "tripod-ai" in str(unknown)


@pytest.mark.slow
def test_results_of_another_report_are_kept_unless_asked_and_then_replaced(tmp_path: Path) -> None:
    """What a report of one folder left beside the page was overwritten, or mixed with another's."""
    rng = np.random.default_rng(1)
    y_true = rng.integers(0, 2, 60)
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    one = judged(tmp_path / "one", y_true.tolist(), rng.random(60).tolist())
    other = judged(tmp_path / "other", y_true.tolist(), rng.random(60).tolist())
    site = tmp_path / "site"
    assert run("report", one, "--out", site / "a.html", "--checklist", "claim") is None
    (site / "results" / "notes.csv").write_text("mine")
    (site / "results" / "pr.tex").write_text("mine")
    before = (site / "results" / "figures.csv").read_bytes()
    assert isinstance(run("report", other, "--out", site / "b.html"), OutputExistsError)
    assert (site / "results" / "figures.csv").read_bytes() == before
    assert run("report", other, "--out", site / "b.html", "--overwrite") is None
    assert (site / "results" / "figures.csv").read_bytes() != before
    left = {file.name for file in (site / "results").iterdir()}
    assert not any(name.startswith("checklist") for name in left)
    assert {"notes.csv", "pr.tex"} < left
    assert run("report", one, other, "--out", site / "both.html", "--overwrite") is None
    assert {file.name for file in (site / "results").glob("*.*")} == {"comparison.csv", "notes.csv", "pr.tex"}
    assert run("report", one, "--out", site / "a.html", "--overwrite") is None
    assert not (site / "results" / "comparison.csv").exists()
    assert not any(file.is_dir() for file in (site / "results").iterdir())


@pytest.mark.slow
def test_pictures_in_a_dated_folder_of_a_person_went_with_the_earlier_report(tmp_path: Path) -> None:
    out = judged(tmp_path, [0, 1] * 10, np.random.default_rng(1).random(20).tolist())
    own = tmp_path / "results" / "2026-01-31" / "roc.png"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    assert "in another folder" in str(run("report", out, "--out", tmp_path / "a.html"))
    assert run("report", out, "--out", tmp_path / "a.html", "--overwrite") is None
    assert own.read_text() == "mine"


@pytest.mark.parametrize("name", ["report.pdf", "evaluation.json", "report"])
def test_html_was_written_under_any_name(tmp_path: Path, name: str) -> None:
    raised = run("report", tmp_path, "--out", tmp_path / name, "--overwrite")
    assert isinstance(raised, UsageError)
    assert f"{name}: --out: the report is HTML" in str(raised) and "print it to a PDF" in str(raised)
