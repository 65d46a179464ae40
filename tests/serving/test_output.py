from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from colles.core.errors import OutputExistsError, StaleInputError, TableError, UsageError
from colles.core.records import Box
from colles.imaging.heatmap import Candidate
from colles.serving.journal import read_rows
from colles.serving.output import save_predictions
from colles.serving.predict import prepare_output
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
def test_rows_come_back_as_they_were(tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colles.serving.output._CHUNK", 2)  # rows that are held at a time
    file = tmp_path / f"table{ending}"
    assert save_predictions(iter([GOOD, BAD, GOOD]), file).counts == {"ok": 2, "refused": 0, "unreadable": 1}
    rows = read(file)
    assert [tuple(row) for row in rows] == [CONTRACT] * 3
    assert rows[0] == rows[2] == GOOD.row()
    assert rows[1]["score"] is None and rows[1]["path"] == "bad\\udcff.png"


def test_csv_quotes_what_it_must(tmp_path: Path) -> None:
    save_predictions([GOOD, BAD], tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0]["path"] == "a,b\n.png" and float(rows[0]["score"]) == 0.25 and rows[1]["probability"] == ""


def test_a_carriage_return_in_a_name_made_a_csv_that_could_not_be_read_again(tmp_path: Path) -> None:
    file, odd = tmp_path / "t.csv", replace(GOOD, path="Icon\r.png")
    save_predictions([odd, GOOD], file)
    assert [row["path"] for row in read_rows(file)] == ["Icon\r.png", "a,b\n.png"]


@pytest.mark.parametrize("data", [b"path,status\n\xe4.png,ok\n", b"path,status\n" + b"z" * 200_000 + b",ok\n"])
def test_a_csv_of_another_encoding_ended_a_resumed_run_in_a_defect(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(TableError, match=r"t\.csv: .*Choose another --out"):
        prepare_output(tmp_path / "t.csv", "m@1", resume=True)


def test_a_csv_that_a_spreadsheet_began_with_a_mark_is_resumed(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    save_predictions([GOOD], file)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    answered = prepare_output(file, "m@1", resume=True)
    assert answered is not None and str(GOOD.path) in answered


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".json", ".jsonl"])
def test_no_answers_make_an_empty_table(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"t{ending}"
    assert sum(save_predictions([], file).counts.values()) == 0
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

    tally = save_predictions(interrupted(), tmp_path / "t.jsonl")
    assert tally.interrupted and tally.counts["ok"] == 1
    assert len(read(tmp_path / "t.jsonl")) == 1 and len(list(tmp_path.iterdir())) == 1


def test_a_defect_leaves_no_half_table_but_what_was_answered_beside_it(tmp_path: Path) -> None:
    def failing() -> Iterator[Prediction]:
        yield GOOD
        raise RuntimeError("defect")

    with pytest.raises(RuntimeError):
        save_predictions(failing(), tmp_path / "t.csv")
    assert [path.name for path in tmp_path.iterdir()] == [".t.csv.journal"]
    with pytest.raises(OutputExistsError, match="--resume"):
        prepare_output(tmp_path / "t.csv", "m@1")
    answered = prepare_output(tmp_path / "t.csv", "m@1", resume=True)
    assert answered is not None and answered.get("a,b\n.png") == GOOD.row()


def test_a_row_cut_off_by_a_kill_is_answered_again(tmp_path: Path) -> None:
    (tmp_path / ".t.csv.journal").write_text(json.dumps(GOOD.row()) + '\n{"path": "b.png", "sta')
    answered = prepare_output(tmp_path / "t.csv", "m@1", resume=True)
    assert answered is not None and "a,b\n.png" in answered and "b.png" not in answered


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".json", ".jsonl"])
def test_resuming_keeps_answers_and_input_order_and_tries_unreadable_files_again(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"t{ending}"
    save_predictions([GOOD, BAD], file)
    answered = prepare_output(file, "m@1", resume=True)
    assert answered is not None and answered.get(GOOD.path or "") == GOOD.row()
    later = replace(GOOD, path="later.png", score=0.75)
    mended = replace(GOOD, path=BAD.path, score=0.5)
    paths = ["later.png", GOOD.path, BAD.path]
    tally = save_predictions([later, mended], file, paths=paths, answered=answered)
    assert (tally.skipped, tally.counts["ok"]) == (1, 3)
    assert str(tally) == "3 images: 3 ok (3 no fracture) (1 answered before)"
    rows = csv_rows(file) if ending == ".csv" else read(file)
    assert [float(str(row["score"])) for row in rows] == [0.75, 0.25, 0.5]


def test_stopping_a_resumed_run_loses_no_earlier_answer(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Prediction]:
        raise KeyboardInterrupt
        yield GOOD

    file = tmp_path / "t.jsonl"
    save_predictions([GOOD, replace(GOOD, path="z.png")], file)
    answered = prepare_output(file, "m@1", resume=True)
    tally = save_predictions(interrupted(), file, paths=["new.png", GOOD.path, "z.png"], answered=answered)
    assert tally.interrupted and [row["path"] for row in read(file)] == [GOOD.path, "z.png"]


def test_answers_of_another_bundle_or_another_table_are_not_resumed(tmp_path: Path) -> None:
    save_predictions([GOOD], tmp_path / "t.csv")
    with pytest.raises(StaleInputError, match=r"answers of m@1, not of m@2"):
        prepare_output(tmp_path / "t.csv", "m@2", resume=True)
    (tmp_path / "other.csv").write_text("path,label\na.png,1\n")
    with pytest.raises(TableError, match="no table of colles predict"):
        prepare_output(tmp_path / "other.csv", "m@1", resume=True)
    with pytest.raises(OutputExistsError):
        prepare_output(tmp_path / "t.csv", "m@1")
    assert prepare_output(tmp_path / "t.csv", "m@1", overwrite=True) is None


def test_boxes_are_in_json_and_not_in_csv(tmp_path: Path) -> None:
    boxed = replace(GOOD, boxes=(Candidate(Box(x1=1, y1=2, x2=3, y2=4), 2, 3, 0.5),))
    save_predictions([boxed, replace(GOOD, boxes=()), GOOD], tmp_path / "t.jsonl")
    told = read(tmp_path / "t.jsonl")
    assert told[0]["boxes"] == [{"x1": 1, "y1": 2, "x2": 3, "y2": 4, "x": 2, "y": 3, "score": 0.5}]
    assert told[1]["boxes"] == [] and "boxes" not in told[2]  # looked for in vain, and not looked for
    save_predictions([boxed], tmp_path / "t.csv")
    assert list(csv_rows(tmp_path / "t.csv")[0]) == list(CONTRACT)


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
