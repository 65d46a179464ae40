from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from colles.core.errors import UsageError
from colles.serving.output import save_predictions
from colles.serving.prediction import COLUMNS, Prediction

CONTRACT = ("path", "status", "reason", "score", "probability", "decision", "bundle", "seconds")
GOOD = Prediction("a,b\n.png", "ok", None, 0.25, 0.125, "no_fracture", "m@1", 0.5)
BAD = Prediction("bad\udcff.png", "unreadable", "empty: the file is empty", None, None, None, "m@1", 0.0)


def read(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".parquet":
        return pl.read_parquet(path).to_dicts()
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]


def test_the_columns_are_the_contract() -> None:
    assert COLUMNS == CONTRACT and tuple(GOOD.row()) == CONTRACT


@pytest.mark.parametrize("ending", [".parquet", ".json", ".jsonl"])
def test_rows_come_back_as_they_were(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"table{ending}"
    assert save_predictions(iter([GOOD, BAD, GOOD]), file) == {"ok": 2, "refused": 0, "unreadable": 1}
    rows = read(file)
    assert [tuple(row) for row in rows] == [CONTRACT] * 3
    assert rows[0] == rows[2] == GOOD.row()
    assert rows[1]["score"] is None and rows[1]["path"] == "bad\\udcff.png"


def test_csv_quotes_what_it_must(tmp_path: Path) -> None:
    save_predictions([GOOD, BAD], tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0]["path"] == "a,b\n.png" and float(rows[0]["score"]) == 0.25 and rows[1]["probability"] == ""


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".json", ".jsonl"])
def test_no_answers_make_an_empty_table(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"t{ending}"
    assert sum(save_predictions([], file).values()) == 0
    if ending == ".csv":
        assert file.read_text().strip() == ",".join(CONTRACT)
    else:
        assert read(file) == []


def test_an_unknown_ending_is_refused_before_any_work(tmp_path: Path) -> None:
    def never() -> Iterator[Prediction]:
        raise AssertionError("was asked")
        yield GOOD

    with pytest.raises(UsageError, match=r"\.csv, \.parquet"):
        save_predictions(never(), tmp_path / "t.xlsx")


def test_ctrl_c_keeps_what_was_answered(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Prediction]:
        yield GOOD
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_predictions(interrupted(), tmp_path / "t.jsonl")
    assert len(read(tmp_path / "t.jsonl")) == 1


def test_an_error_leaves_no_half_table(tmp_path: Path) -> None:
    def failing() -> Iterator[Prediction]:
        yield GOOD
        raise RuntimeError("defect")

    with pytest.raises(RuntimeError):
        save_predictions(failing(), tmp_path / "t.csv")
    assert list(tmp_path.iterdir()) == []
