"""Tables on the terminal and in a pipe."""

from __future__ import annotations

import pytest

from colles.cli.options import print_rows


def test_a_piped_table_is_not_cut_off(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    wide = [f"0.{number}23 (0.111–0.222)" for number in range(6)]
    print_rows("title", [f"figure {number}" for number in range(6)], [wide])
    printed = capsys.readouterr().out
    assert all(cell in printed for cell in wide)
    assert "…" not in printed
