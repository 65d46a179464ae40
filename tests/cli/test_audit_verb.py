"""What `colles audit` prints."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from colles.cli.app import app
from colles.core.errors import TableError


@pytest.mark.slow
def test_a_catalog_without_the_newer_columns_says_what_was_not_looked_for(tmp_path: Path, write_image) -> None:
    """The shortcuts of such a catalog were left out without a word."""
    for name, seed in (("fractured/a.png", 1), ("normal/b.png", 2), ("normal/d.png", 3)):
        write_image(tmp_path / "own" / name, 96, 96, seed=seed)
    run, made = CliRunner().invoke, tmp_path / "c.parquet"
    assert run(app, ["catalog", "--source", f"folder={tmp_path / 'own'}", "--out", str(made)]).exit_code == 0
    shown = run(app, ["audit", str(made), "--out", str(tmp_path / "new")])
    assert shown.exit_code == 0 and "not looked for" not in shown.stdout
    pl.read_parquet(made).drop("mean_grey", "bright_share").write_parquet(made)
    shown = run(app, ["audit", str(made), "--out", str(tmp_path / "old")])
    notice = "The catalog does not say mean_grey, bright_share"
    assert notice in shown.stdout and notice in (tmp_path / "old" / "audit.html").read_text()


def test_the_printed_counts_are_those_of_the_file(tmp_path: Path, write_image, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two severities of one kind each showed the sum of both."""
    for name, seed in (("fractured/a.png", 1), ("normal/b.png", 1), ("fractured/c.png", 2), ("normal/d.png", 3)):
        write_image(tmp_path / "own" / name, 96, 96, seed=seed)
    (tmp_path / "own" / "normal" / "e.png").write_bytes(b"")
    monkeypatch.setenv("COLUMNS", "200")
    run = CliRunner().invoke
    assert (
        run(app, ["catalog", "--source", f"folder={tmp_path / 'own'}", "--out", str(tmp_path / "c.csv")]).exit_code == 0
    )
    shown = run(app, ["audit", str(tmp_path / "c.csv"), "--out", str(tmp_path / "audit")])
    issues = json.loads((tmp_path / "audit" / "audit.json").read_text())["issues"]
    counts = Counter((issue["kind"], issue["severity"]) for issue in issues)
    assert len(counts) > 2
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in shown.stdout.splitlines() if "│" in line]
    assert {(kind, severity): int(count) for kind, severity, count in cells} == dict(counts)


def test_an_image_in_train_and_test_passed_the_check_for_leaks(tmp_path: Path, write_image) -> None:
    for name, seed in (("fractured/a.png", 1), ("normal/b.png", 2)):
        write_image(tmp_path / "own" / name, 96, 96, seed=seed)
    run, made = CliRunner().invoke, tmp_path / "c.parquet"
    assert run(app, ["catalog", "--source", f"folder={tmp_path / 'own'}", "--out", str(made)]).exit_code == 0
    split = tmp_path / "split.csv"
    split.write_text("image_id,subset\nfolder/normal/b.png,train\nfolder/normal/b.png,test\n")
    options = ["--split", str(split), "--fail-on-leak", "--out", str(tmp_path / "audit")]
    result = run(app, ["audit", str(made), *options])
    assert isinstance(result.exception, TableError) and "split.csv: image_id" in str(result.exception), result.output
    split.write_text("image_id,subset\nfolder/normal/b.png,train\nfolder/fractured/a.png,test\n")
    assert run(app, ["audit", str(made), *options]).exit_code == 0


def test_a_split_that_gives_an_image_no_subset_was_refused(tmp_path: Path, write_image) -> None:
    write_image(tmp_path / "own" / "normal" / "b.png", 96, 96, seed=2)
    run, made = CliRunner().invoke, tmp_path / "c.parquet"
    assert run(app, ["catalog", "--source", f"folder={tmp_path / 'own'}", "--out", str(made)]).exit_code == 0
    split = tmp_path / "split.csv"
    split.write_text("image_id,subset\nfolder/normal/b.png,\n")
    result = run(app, ["audit", str(made), "--split", str(split), "--out", str(tmp_path / "audit")])
    assert result.exit_code == 0, result.exception
