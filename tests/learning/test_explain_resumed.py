"""An interrupted `colles explain` goes on with the images that are left, and ends as one that was not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_run import TinyRun, make_run

from colles.cli.explain import explain
from colles.cli.interrupted import Interrupted
from colles.core.errors import CollesError, OutputExistsError, StaleInputError, UsageError
from colles.learning.explain.torch_maps import TorchMaps
from colles.serving.maps import Maps


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return make_run(tmp_path_factory.mktemp("tiny"), images=12)


def images(run: TinyRun) -> list[str]:
    return [str(path) for path in run.catalog.frame["path"]]


def ask(run: TinyRun, out: Path, **options: Any) -> None:
    given: dict[str, Any] = {
        "images": images(run), "method": ["gradcam"], "target": "fracture", "catalog": None, "scores": None,
        "split": None, "checks": True, "against": None, "sample": 50, "limit": 400, "seed": 0, "opacity": 0.6,
        "contour": 0.5, "maps": "native", "overlays": True, "resume": False, "overwrite": False, "as_json": False,
    }  # fmt: skip
    explain(run.folder, out, **(given | options))


def interrupt_after(batches: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the network be interrupted after some batches; return the list of the batches' sizes."""
    real, seen = TorchMaps.explain, []

    def stopped(self: TorchMaps, batch: NDArray[np.float32], names: Sequence[str]) -> Maps:
        if len(seen) == batches:
            raise KeyboardInterrupt
        seen.append(len(batch))
        return real(self, batch, names)

    monkeypatch.setattr(TorchMaps, "explain", stopped)
    return seen


def begin(run: TinyRun, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        interrupt_after(2, patched)
        with pytest.raises(Interrupted, match="--resume"):
            ask(run, out)


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_what_was_interrupted_ends_as_if_it_had_not_been(
    run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("colles.flow.explain_images.usable_cpus", lambda: 1)  # at most three pictures wait
    whole, out = tmp_path / "whole", tmp_path / "out"
    ask(run, whole)
    begin(run, out, monkeypatch)
    assert not (out / "explanations.json").exists()
    with pytest.raises(OutputExistsError, match="--resume"):
        ask(run, out)
    again = interrupt_after(99, monkeypatch)
    ask(run, out, resume=True)
    assert 4 <= sum(again) < 12, "images that were done are done again"
    assert set(again) == {TorchMaps.batch}, "other company may change an answer's last digits"
    assert files(out) == files(whole)
    with pytest.raises(OutputExistsError, match="complete"):
        ask(run, out, resume=True)


def test_maps_that_are_written_are_not_denied_where_their_judging_is_interrupted(
    run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It said that no result was written and the same command starts over, which it does not."""

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("colles.flow.judge_run.judge_run", stopped)
    out, catalog, split = tmp_path / "out", tmp_path / "catalog.parquet", tmp_path / "split.csv"
    run.catalog.save(catalog)
    run.table.write_csv(split)
    scored = {"scores": "test", "catalog": catalog, "split": split}
    with pytest.raises(Interrupted, match="heat maps are complete"):
        ask(run, out, **scored)
    assert (out / "explanations.json").is_file()
    with pytest.raises(KeyboardInterrupt):
        ask(run, tmp_path / "none", images=None, **scored)


def test_a_line_that_a_kill_cut_off_is_done_again(
    run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    begin(run, out, monkeypatch)
    journal = out / ".explanations.json.journal"
    journal.write_bytes(journal.read_bytes()[:-20])
    ask(run, out, resume=True)
    assert [entry["path"] for entry in json.loads((out / "explanations.json").read_text())] == images(run)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"method": ["input_gradient"]}, "method"),
        ({"target": "no_fracture"}, "target"),
        ({"opacity": 0.3}, "look"),
        ({"seed": 1}, "sample"),
        ({"images": slice(1, None)}, "list of images"),
    ],
)
def test_other_settings_do_not_mix(
    run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], named: str
) -> None:
    out = tmp_path / "out"
    begin(run, out, monkeypatch)
    before = files(out)
    options = {name: images(run)[v] if isinstance(v, slice) else v for name, v in options.items()}
    with pytest.raises(StaleInputError, match=named):
        ask(run, out, resume=True, **options)
    assert files(out) == before


@pytest.mark.parametrize(
    "options", [{"overwrite": True}, {"catalog": Path("catalog.parquet")}, {"images": None, "scores": "test"}]
)
def test_resume_says_where_it_cannot_go_on(run: TinyRun, tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        ask(run, tmp_path / "out", resume=True, **options)
    assert caught.value.field == "--resume" and isinstance(caught.value, CollesError)
    assert not (tmp_path / "out").exists()
