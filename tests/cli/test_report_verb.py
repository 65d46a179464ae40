"""`colles report` as a stranger uses it: their CSV, the practicum's case, checklists, a name that is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
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


def test_a_strangers_csv_makes_a_report_with_checklists(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    y_true = rng.integers(0, 2, 300)
    out = judged(tmp_path, y_true.tolist(), rng.beta(2 + 2 * y_true, 3).tolist())
    report = tmp_path / "site" / "theirs.html"
    assert run("report", out, "--out", report, "--checklist", "claim,TRIPOD-AI", "--checklist", "stard-ai") is None
    text = report.read_text()
    assert '<p class="alarm">' not in text and "Not in this report" in text
    written = {file.name for file in (report.parent / "results").glob("checklist_*.csv")}
    assert written == {"checklist_claim.csv", "checklist_tripod_ai.csv", "checklist_stard_ai.csv"}
    assert isinstance(run("report", out, "--out", report), OutputExistsError)
    unknown = run("report", out, "--out", report, "--overwrite", "--checklist", "consort")
    assert isinstance(unknown, UsageError) and "tripod-ai" in str(unknown)
