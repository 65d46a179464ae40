"""The notebooks run offline from top to bottom, give the same outputs every time, and were committed as they ran."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

jupytext = pytest.importorskip("jupytext", reason="the extra notebook is not installed")
nbformat = pytest.importorskip("nbformat")

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.py"))
_MACHINE = re.compile(r"(?:^|[\s'\"(])/(?:home|root|tmp|work|Users|mnt|var)/", re.M)


def outputs(notebook: Any) -> list[list[Any]]:
    """Return what a reader sees: every output of every code cell, pictures included."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [[_shown(output) for output in cell.outputs] for cell in code]


def _shown(output: Any) -> Any:
    if output.output_type == "stream":
        return output.name, output.text
    return output.output_type, dict(output.get("data", {}))


@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_committed_notebook_is_its_source_and_holds_clean_outputs(source: Path) -> None:
    committed = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    written = jupytext.read(source)
    assert [cell.source for cell in committed.cells] == [cell.source for cell in written.cells], (
        f"make it again: jupytext --to ipynb --execute notebooks/{source.name}"
    )
    shown = outputs(committed)
    assert any(shown)
    text = "\n".join(
        str(part) for cell in shown for part in cell if not isinstance(part[1], dict) or "image/png" not in part[1]
    )
    assert not _MACHINE.search(text)
    assert "stderr" not in {part[0] for cell in shown for part in cell}
    assert "error" not in {part[0] for cell in shown for part in cell}
    assert "Simulated radiographs" in text  # no real radiograph is ever committed


def _execute(source: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    from nbclient import NotebookClient

    monkeypatch.setenv("COLLES_NOTEBOOK", str(work))
    monkeypatch.delenv("COLLES_DATA", raising=False)
    work.mkdir(exist_ok=True)
    notebook = jupytext.read(source)
    resources = {"metadata": {"path": str(work)}}
    NotebookClient(notebook, timeout=900, kernel_name="python3", resources=resources).execute()
    return outputs(notebook)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_executions_give_identical_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nbclient")
    pipeline, leakage = NOTEBOOKS
    first = _execute(pipeline, tmp_path / "one", monkeypatch)
    second = _execute(pipeline, tmp_path / "two", monkeypatch)
    assert len(first) == len(second)
    for number, (cell, again) in enumerate(zip(first, second, strict=True)):
        assert cell == again, f"code cell {number} differs"
    assert sum("image/png" in part[1] for cell in first for part in cell if isinstance(part[1], dict)) >= 6
    assert any(_execute(leakage, tmp_path / "two", monkeypatch))  # on the data that the other left there
