"""What `colles audit` prints."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from colles.cli.app import app


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
