"""Every command and snippet of the documentation runs, in the order of the navigation, in one folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from colles.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs"
# The documentation's commands say nothing of size: here a training is as small as can be.
TINY = [
    "preprocess.size=64", "model.name=timm:test_efficientnet", "model.weights=none", "train.epochs=1",
    "train.head_epochs=0", "train.allocator=false", "evaluate.replicates=100", "explain.per_outcome=1",
]  # fmt: skip
FEW = ["sweep.trials=1", "data.phantom.images=60", "data.phantom.size=64"]
_FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.M | re.S)
OWN_TESTS = ("python.md",)  # pages whose snippets need a folder of their own, and have a test that makes it
RUN = ("console", "python")
SHOWN = ("text", "yaml")  # what a reader types nowhere


def pages() -> list[Path]:
    """Return the pages that carry snippets, in the order in which a reader meets them; the README comes last."""
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    return [PAGES / name for name in _leaves(nav) if name not in OWN_TESTS] + [ROOT / "README.md"]


def _leaves(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    for part in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from _leaves(part)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the fenced blocks of a page: language and text."""
    return _FENCE.findall(page.read_text("utf-8"))


def commands(text: str) -> list[str]:
    """Return the commands of a console block (lines that begin with `$ `, joined where they go on with a backslash)."""
    joined = text.replace("\\\n", " ")
    return [line[2:] for line in joined.splitlines() if line.startswith("$ ")]


def test_every_block_says_what_it_is() -> None:
    strange = {(page.name, language) for page in pages() for language, _ in blocks(page)} - {
        (page.name, language) for page in pages() for language in (*RUN, *SHOWN)
    }
    assert not strange


def _run(command: str) -> None:
    words = shlex.split(command, comments=True)
    while re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words = words[1:]
    program, arguments = Path(words[0]).name, words[1:]
    if program == "colles":
        _colles(arguments)
    elif program == "make":
        subprocess.run(["make", "-n", "-C", str(ROOT), *arguments], check=True, capture_output=True)
    elif program == "pip":
        _assert_extras(command)
    elif program == "source":
        assert arguments == [".venv/bin/activate"]
    elif program in ("cp", "mkdir", "ls", "cat", "head"):
        subprocess.run(shlex.join(words), shell=True, check=True, capture_output=True)
    else:
        raise AssertionError(f"nobody runs {command!r}")


def _colles(arguments: list[str]) -> None:
    small = TINY if arguments[0] in ("run", "train") else [*TINY, *FEW] if arguments[:2] == ["sweep", "run"] else []
    arguments = [*arguments, *(word for setting in small for word in ("--set", setting))]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, (arguments, result.output[-2000:], result.exception)


def _assert_extras(command: str) -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = re.findall(r"colles\[([\w,]+)\]", command)
    assert set(",".join(named).split(",")) <= {*known, ""}


@pytest.mark.slow
def test_every_command_and_snippet_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLLES_DATA", str(tmp_path))
    # typer looks for the shell among the parents of the process, and a test machine may have none
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    _seeds(tmp_path / "out")
    for page in pages():
        if page.name == "README.md":  # a reader of the README alone begins in an empty folder
            (tmp_path / "readme").mkdir()
            monkeypatch.chdir(tmp_path / "readme")
        names: dict[str, Any] = {"__name__": page.stem}
        for language, text in blocks(page):
            if language == "python":
                exec(compile(text, f"{page.name}: {text.strip().splitlines()[0]}", "exec"), names)
            for command in commands(text) if language == "console" else ():
                try:
                    _run(command)
                except Exception as error:
                    raise AssertionError(f"{page.name}: {command}") from error


def _seeds(out: Path) -> None:
    """Write what two trainings of the page on several machines would have left."""
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, 2, 60)
    for seed in (1, 2):
        (out / f"seed-{seed}").mkdir(parents=True)
        columns = {
            "image_id": [str(n) for n in range(60)],
            "group_id": [str(n) for n in range(60)],
            "subset": ["test"] * 60,
        }
        scores = {"y_true": y_true, "y_score": np.clip(0.3 * y_true + rng.uniform(0, 0.7, 60), 0, 1)}
        pl.DataFrame({**columns, **scores}).write_parquet(out / f"seed-{seed}" / "predictions.parquet")


@pytest.mark.slow
def test_the_site_builds_without_a_broken_link(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="the extra docs is not installed")
    command = ["mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    reference = (tmp_path / "site" / "reference" / "commands.html").read_text()
    assert all(f"colles {verb.name}" in reference for verb in app.registered_commands)
    # nothing is fetched from another server
    assert not re.search(r'<(?:script|link|img)[^>]+(?:src|href)="https?://', reference.replace("canonical", ""))
