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
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from chromium import MARKS, chromium
from colles.cli.app import app
from colles.core.recipe import Recipe
from colles.core.section import Section

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs"
# The documentation's commands say nothing of size: here a training is as small as can be.
TINY = [
    "preprocess.size=64", "model.name=timm:test_efficientnet", "model.weights=none", "train.epochs=1",
    "train.head_epochs=0", "train.allocator=false", "evaluate.replicates=100", "explain.per_outcome=1",
]  # fmt: skip
FEW = ["sweep.trials=1", "data.phantom.images=60", "data.phantom.size=64"]
_FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.M | re.S)
_INLINE = re.compile(r"`((?:[A-Z_]+=\S+ )?(?:colles|make|pip|python) [^`]+)`")
_FILE = re.compile(r"\.(?:html|json|csv|parquet|yaml|png|jsonl|onnx|safetensors|npz)$")
DATED = ("experiments.md", "fracatlas_audit.md", "decisions.md")  # what was run on a day, on data that are not here
ELSEWHERE = {  # commands in a sentence or a table, with names that stand for the reader's own: who runs them
    "COLLES_BUNDLES=https://mirror.example/bundles colles bundle get NAME": "serving/test_fetch.py::"
    "test_the_verbs_show_the_licence_and_where_a_bundle_is",
    "colles bundle get NAME": "serving/test_fetch.py::test_the_verbs_show_the_licence_and_where_a_bundle_is",
    "colles bundle get NAME --from NAME.zip": "test_wheel.py::test_it_fetches_a_bundle_with_its_weights",
    "python scripts/publish_bundle.py NAME": "serving/test_fetch.py::"
    "test_publishing_a_bundle_enters_it_and_keeps_what_was_said",
    "colles predict IMAGES --out answers.csv": "test_wheel.py::test_it_answers_from_the_bundle_inside",
    "colles data get fracatlas --out data": "datasets/test_download.py::"
    "test_the_verb_asks_for_the_licence_and_says_what_comes_next",
    "colles data get fracatlas --from ~/Downloads/FracAtlas.zip --out data": "datasets/test_download.py::"
    "test_a_local_copy_is_checked_and_left_where_it_is",
    "colles data get fracatlas --from https://mirror.example/FracAtlas.zip --out data": "datasets/test_download.py::"
    "test_the_verb_asks_for_the_licence_and_says_what_comes_next",
    "colles data get bonefractureyolo --from export.zip --out data": "datasets/test_download.py::"
    "test_a_set_without_an_address_is_taken_from_the_file_that_its_owner_gives",
    "colles sweep run recipes/sweep.yaml --out /shared/sweep --set sweep.engine=ray": "learning/sweep/test_sweep_ray.py"
    "::test_a_lost_node_loses_no_trial",
    "colles train recipe.yaml --catalog catalog.parquet --split split.csv --out /shared/run --set train.engine=ray "
    "--set train.processes=4": "learning/test_ray_train.py::"
    "test_a_cluster_that_loses_a_machine_ends_in_the_weights_of_one_process",
    "colles predict s3://bucket/images --out answers.parquet --engine ray": "serving/test_ray_engine.py::"
    "test_a_prefix_of_a_store_gives_its_images_by_name",
    "colles export RUN --out models/mine --half": "learning/test_half_graph.py::test_the_verb_takes_it",
    "colles export RUN --out models/small --weights-only": "learning/test_weights_alone.py::"
    "test_it_holds_weights_in_16_bits_and_no_network",
    "colles export models/small --out models/whole": "learning/test_weights_alone.py::test_the_verbs_tell_what_it_is",
    "colles recalibrate BUNDLE LABELS": "serving/test_recalibrate.py",
    "colles serve --bundle out/mine/bundle": "cli/test_serve_verb.py::"
    "test_a_request_under_way_is_answered_before_it_ends",
    "colles catalog --corrections FILE": "datasets/test_corrections.py",
    "colles explain RUN --scores test": "flow/test_judge_run.py::"
    "test_a_map_of_the_truth_scores_one_and_chance_stands_beside_it",
    "colles explain RUN --scores test --method auto --method gradcam --no-checks --out DIR": "flow/test_judge_run.py::"
    "test_a_map_of_the_truth_scores_one_and_chance_stands_beside_it",
}
ALIKE = {  # the same command with other names stands in a block of these pages
    "colles run RECIPE --out DIR",
    "colles run mine.yaml --out out/mine-again",
    "colles train recipe.yaml --catalog catalog.parquet --split split.csv --out out/seed-k --set seed=k",
}
NOT_RUN = {
    "colles --install-completion": "it writes into the shell's start-up files of whoever runs the tests",
    "colles run recipes/practicum.yaml --out out/gpu --set preprocess.size=512 --set train.batch_size=32 "
    "--set train.workers=4": "needs both public sets and hours; its settings are parsed",
}
OWN_TESTS = (
    "python.md",
    "how-to/serve.md",
)  # pages whose snippets need a folder of their own, and have a test that makes it
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


def inline_commands(page: Path) -> list[str]:
    """Return the commands that stand in a page's sentences and tables."""
    return [" ".join(found.split()) for found in _INLINE.findall(_FENCE.sub("", page.read_text("utf-8")))]


def undated() -> list[Path]:
    """Return the pages whose commands hold today, and the README."""
    return [*(page for page in PAGES.rglob("*.md") if page.name not in DATED), ROOT / "README.md"]


def named_in_prose() -> list[tuple[str, str]]:
    """Return page and command of every inline command that goes beyond the name of a verb."""
    found = [(page.name, command) for page in undated() for command in inline_commands(page)]
    return [(page, command) for page, command in found if not re.fullmatch(r"colles(?: [a-z]+){1,2}", command)]


def _unknown_to_the_program(arguments: list[str]) -> str | None:
    """Parse a command as the program would, and run nothing; return what is wrong besides what it leaves out."""
    command: Any = get_command(app)
    context: Any = None
    while hasattr(command, "commands") and not arguments[0].startswith("-"):
        context = command.context_class(command, info_name="colles", parent=context)
        name, *arguments = arguments
        if name not in command.commands:
            return f"no verb {name}"
        command = command.commands[name]
    try:
        command.make_context("colles", arguments, parent=context, resilient_parsing=context is None)
    except Exception as error:  # of the click that typer carries
        return None if type(error).__name__ == "MissingParameter" else str(error)
    return None


def test_every_command_in_a_sentence_is_run_somewhere_or_says_why_not() -> None:
    in_blocks = {
        " ".join(command.split())
        for page in pages()
        for language, text in blocks(page)
        if language == "console"
        for command in commands(text)
    }
    named = {command for _, command in named_in_prose() if not command.startswith("make ")}
    told = in_blocks | ELSEWHERE.keys() | ALIKE | NOT_RUN.keys()
    assert named <= told, named - told
    assert ELSEWHERE.keys() | ALIKE | NOT_RUN.keys() <= named, "no longer on any page"
    for test in ELSEWHERE.values():
        file, _, name = test.partition("::")
        assert f"def {name}" in (ROOT / "tests" / file).read_text(), test


@pytest.mark.slow
def test_every_command_in_a_sentence_is_one_that_the_program_takes() -> None:
    for page, command in named_in_prose():
        words = shlex.split(re.sub(r"^[A-Z_]+=\S+ ", "", command))
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.M), (page, command)
        elif words[0] == "colles":
            assert _unknown_to_the_program(words[1:]) is None, (page, command)


def test_every_setting_in_a_sentence_is_one_of_the_recipe() -> None:
    every = undated()
    named = {(page.name, key) for page in every for key in re.findall(r"--set ([a-z_.]+)=", page.read_text("utf-8"))}
    for page in every:
        prose = _FENCE.sub("", page.read_text("utf-8"))
        spans = re.findall(r"`([a-z]+\.[a-z_.]+)(?:[:=][^`]*)?`", prose)
        settings = [key for key in spans if key.partition(".")[0] in Recipe.model_fields and not _FILE.search(key)]
        named |= {(page.name, key) for key in settings}
    assert len(named) > 20
    for page_name, key in named - {("recipe.md", "section.key")}:
        model: Any = Recipe
        for part in key.split("."):
            assert part in model.model_fields, (page_name, key)
            inner = [kind for kind in _kinds(model.model_fields[part].annotation) if hasattr(kind, "model_fields")]
            model = inner[0] if inner else None


def _kinds(annotation: Any) -> list[Any]:
    return [annotation, *(kind for part in getattr(annotation, "__args__", ()) for kind in _kinds(part))]


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
    # the test has taken typer's look at the shell away, so that the shell has to be named
    arguments = [*arguments, "bash"] if arguments == ["--show-completion"] else arguments
    arguments = [*arguments, *(word for setting in small for word in ("--set", setting))]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, (arguments, result.output[-2000:], result.exception)


def _assert_extras(command: str) -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = re.findall(r"colles\[([\w,]+)\]", command)
    assert set(",".join(named).split(",")) <= {*known, ""}


def test_the_tutorial_after_the_readme_laid_images_into_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`cp -r` copies into a folder that is there, and `colles init` then missed the table of a FracAtlas."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "phantom/FracAtlas/images/Fractured").mkdir(parents=True)
    copies = [c for p in pages() for _, text in blocks(p) for c in commands(text) if c.startswith("cp -r phantom/")]
    assert len(copies) > 1
    for command in copies:
        _run(command)
    assert [file.name for file in (tmp_path / "my_images").iterdir()] == ["Fractured"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_command_and_snippet_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLLES_DATA", str(tmp_path))
    # typer looks for the shell among the parents of the process, and a test machine may have none
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "predictions").symlink_to(ROOT / "models" / "predictions")
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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site; a broken link is an error."""
    pytest.importorskip("material", reason="the extra docs is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = ["mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_the_site_builds_without_a_broken_link(site: Path) -> None:
    reference = (site / "reference" / "commands.html").read_text()
    assert all(f"colles {verb.name}" in reference for verb in app.registered_commands)
    settings = (site / "reference" / "recipe.html").read_text()
    fields = {
        f"{section.__module__}.{section.__name__}.{name}"
        for section in _sections(Recipe)
        for name in section.model_fields
    }
    assert len(fields) > 100
    assert {field for field in fields if f'id="{field}"' not in settings} == set()
    assert not re.search(r'id="colles\.core\.recipe[a-z_]*\.[A-Z_]+"', settings), "a constant among the settings"
    # nothing is fetched from another server
    assert not re.search(r'<(?:script|link|img)[^>]+(?:src|href)="https?://', reference.replace("canonical", ""))


@MARKS[0]
@MARKS[1]
def test_the_copy_button_took_the_prompt_along(site: Path) -> None:
    """Pasted into a shell, `$ make demo` is a program named `$`."""
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"file://{site / 'index.html'}")
        copied = "code => (code.setAttribute('data-md-copying', ''), code.innerText)"  # as the theme's button does
        assert page.locator("pre code").first.evaluate(copied).strip() == "make demo"


def _sections(section: type[Section]) -> set[type[Section]]:
    return {section}.union(
        *(_sections(kind) for each in section.model_fields.values() for kind in _in(each.annotation))
    )


def _in(annotation: Any) -> list[type[Section]]:
    """Return the sections that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for part in get_args(annotation) for section in _in(part)]
