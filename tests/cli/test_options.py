"""Tables on the terminal and in a pipe."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from io import BytesIO, TextIOWrapper
from itertools import product
from pathlib import Path

import pytest
from typer.testing import CliRunner

from colles.cli.app import app, main
from colles.cli.options import print_json, print_rows


def test_a_piped_table_is_not_cut_off(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    wide = [f"0.{number}23 (0.111–0.222)" for number in range(6)]
    print_rows("title", [f"figure {number}" for number in range(6)], [wide])
    printed = capsys.readouterr().out
    assert all(cell in printed for cell in wide)
    assert "…" not in printed


def test_names_and_values_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows("a[fold] :bone:", ["train.[x]"], [["[/c]"], ["b[fold].json"], [":warning:"]])
    printed = capsys.readouterr().out
    assert all(text in printed for text in ("a[fold] :bone:", "train.[x]", "[/c]", "b[fold].json", ":warning:"))


@pytest.mark.parametrize("words", ["phantom --out DIR", "split TABLE --out FILE", "explain BUNDLE PATH --out DIR"])
def test_a_negative_seed_is_a_bad_option(words: str) -> None:
    result = CliRunner().invoke(app, [*words.split(), "--seed", "-1"])
    assert result.exit_code == 2 and "Invalid value for '--seed'" in result.output


def test_letters_that_a_terminal_lacks_end_in_no_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(written := BytesIO(), encoding="ascii"))
    monkeypatch.setattr("colles.cli.app.app", lambda: (print_json(["ü"]), print_rows("0–1", ["→"], [["ü"]])))
    main()
    sys.stdout.flush()
    assert written.getvalue().startswith(b'[\n  "\\u00fc"\n]\n0?1')


@pytest.mark.parametrize("group", ["", "data", "sweep", "bundle", "dicom"])
def test_no_verb_is_described_by_half_a_sentence(group: str) -> None:
    told = CliRunner().invoke(app, [*group.split(), "--help"], env={"COLUMNS": "80"}).stdout
    assert "..." not in told.partition("Commands:")[2].partition("Examples:")[0]


@pytest.mark.parametrize("verb", ["explain", "bundle", "dicom node"])
def test_an_example_was_broken_at_the_terminals_width_and_ran_in_halves_when_copied(verb: str) -> None:
    told = CliRunner().invoke(app, [*verb.split(), "--help"], env={"COLUMNS": "60"}).stdout
    lines = told.partition("Examples:")[2].split("\n")
    assert max(map(len, lines)) > 70
    assert all(line.startswith("  colles ") for line in lines if line)


def test_what_steers_a_terminal_was_printed_as_it_stood(capsys: pytest.CaptureFixture[str]) -> None:
    """Tables of a sweep alone replaced it; names of subsets, files and errors of other verbs moved its cursor."""
    print_rows("a\x1b[2J", ["b\x9b1m"], [["c\x1b]0;title\x07"], ["1\u202f000 ü\nd"]])
    shown = capsys.readouterr().out
    assert "a�[2J" in shown and "b�1m" in shown and "c�]0;title�" in shown and "1\u202f000 ü" in shown


def test_an_error_that_names_a_file_steers_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["colles", "report", "no\x1b[2J", "--out", "report.html"])
    with pytest.raises(SystemExit):
        main()
    assert "no�[2J: no such folder" in capsys.readouterr().err


@pytest.mark.slow
def test_what_json_prints_was_told_nowhere(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    """The keys of `--json` stand in docs/artefacts.md, a row a verb."""
    told = (Path(__file__).parents[2] / "docs/artefacts.md").read_text("utf-8").partition("## What `--json` prints")[2]
    rows = {row.split("|")[1].strip().strip("`"): row for row in told.splitlines() if row.startswith("| `")}
    for name, number in product(("fractured", "normal"), range(12)):
        write_image(tmp_path / "mine" / name / f"{number}.png", seed=number + 20 * len(name))
    for verb, arguments in {
        "doctor": (),
        "init": (tmp_path / "mine", "--out", tmp_path / "r.yaml"),
        "catalog": ("--source", f"folder={tmp_path / 'mine'}", "--out", tmp_path / "c.parquet"),
        "predict": (tmp_path / "mine", "--out", tmp_path / "p.csv"),
    }.items():
        result = CliRunner().invoke(app, [verb, *map(str, arguments), "--json"])
        assert result.exit_code == 0, (verb, result.exception)
        for key in json.loads(result.stdout):
            assert re.search(rf"\b{key}\b", rows[verb]), (verb, key)
