"""The scripts that a release is made with say what is wrong in one line."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"


def ended(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: str) -> str | int | None:
    """Run a script; return what it exits with."""
    if name != "publish_bundle":
        pytest.importorskip("torch", reason="torch comes with colles[train]")
    monkeypatch.setattr(sys, "argv", [name, "no-such-bundle", *arguments])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
    return caught.value.code


@pytest.mark.parametrize("name", ["publish_bundle", "reissue_bundle", "reexport_bundle"])
def test_a_name_that_is_no_bundle_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    needed = ["--catalog", "none", "--split", "none", "--run", str(tmp_path / "run")]
    told = str(ended(monkeypatch, name, *(needed if name == "reexport_bundle" else [])))
    assert told.startswith("error: ") and "no such bundle" in told and "\n" not in told


def test_a_text_without_a_source_is_a_bad_argument(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, "reissue_bundle", "--about", "a text") == 2
    assert capsys.readouterr().err.endswith("error: --about a text: write SOURCE=TEXT\n")
