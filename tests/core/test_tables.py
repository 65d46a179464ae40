"""Tables come back as they were written, in every form."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from colles.core.errors import CollesError, TableError, UsageError
from colles.core.files import read_json
from colles.core.tables import read_table, write_table


@pytest.mark.parametrize("ending", ["csv", "parquet", "json", "jsonl"])
def test_every_form_round_trips(tmp_path: Path, ending: str) -> None:
    frame = pl.DataFrame({"image_id": ["a", "ü,\n"], "y_score": [0.25, None], "y_true": [1, 0]})
    path = write_table(frame, tmp_path / f"table.{ending}")
    assert read_table(path).equals(frame)


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("ending", ["csv", "parquet", "json", "jsonl"])
def test_a_folder_whose_name_looks_like_a_pattern_is_not_one(tmp_path: Path, ending: str, as_text: bool) -> None:
    table = pl.DataFrame({"image_id": ["this"]})
    write_table(pl.DataFrame({"image_id": ["another"]}), tmp_path / "run1" / f"table.{ending}")
    path = write_table(table, tmp_path / "run[1]" / f"table.{ending}")
    assert read_table(path, as_text=as_text).equals(table)


def test_boxes_become_json_in_csv(tmp_path: Path) -> None:
    boxes = [[{"x1": 1.0, "y1": 2.0}], []]
    path = write_table(pl.DataFrame({"boxes": boxes}), tmp_path / "table.csv")
    assert read_table(path)["boxes"].to_list() == ['[{"x1":1.0,"y1":2.0}]', "[]"]


def test_a_missing_column_names_the_nearest(tmp_path: Path) -> None:
    path = write_table(pl.DataFrame({"y_scores": [0.1]}), tmp_path / "t.csv")
    with pytest.raises(TableError, match=r"t\.csv: lacks the column 'y_score'\. Rename 'y_scores'"):
        read_table(path, ("y_score",))


def test_a_column_that_is_needed_itself_was_to_be_renamed(tmp_path: Path) -> None:
    path = write_table(pl.DataFrame({"path": ["a.png"], "y_score": [0.1]}), tmp_path / "t.csv")
    with pytest.raises(TableError, match=r"lacks the column 'y_true'\. It has path, y_score"):
        read_table(path, ("y_true", "y_score"))


def test_unknown_forms_and_garbage_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_text("x")
    with pytest.raises(UsageError, match=r"\.xlsx"):
        read_table(tmp_path / "t.xlsx")
    (tmp_path / "t.parquet").write_text("not parquet")
    with pytest.raises(TableError, match="cannot be read as parquet"):
        read_table(tmp_path / "t.parquet")
    (tmp_path / "t.json").write_text("[" * 3000)
    with pytest.raises(TableError, match="cannot be read as json"):
        read_table(tmp_path / "t.json")


_PLAIN = 'path,label,note\n007,1,"two\nlines"\nü.png,0,\n'
_EXCEL = 'path;label;note\r\n007;1;"two\nlines"\r\nü.png;0;\r\n;;\r\n;;\r\n'


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize(
    "data",
    [
        _PLAIN.encode(),
        _PLAIN.encode("utf-8-sig"),
        _PLAIN.replace(",", ";").encode(),
        _PLAIN.replace(",", "\t").encode("utf-8-sig"),
        _EXCEL.encode("utf-8-sig"),
        _EXCEL.replace("path;label", '"path";"label"').encode("utf-8-sig"),
    ],
)
def test_tables_of_spreadsheets_were_refused(tmp_path: Path, data: bytes, mapped: bool, monkeypatch) -> None:
    """Divided by semicolons or tabs, with empty rows at the end."""
    monkeypatch.setattr("colles.core.mapped.LONG", 1)
    (tmp_path / "t.csv").write_bytes(data)
    table = read_table(tmp_path / "t.csv", ("path", "label"), as_text=True, mapped=mapped)
    assert table.rows() == [("007", "1", "two\nlines"), ("ü.png", "0", None)]


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_decimal_comma_is_a_number_and_a_text_stays_one(tmp_path: Path, mark: str) -> None:
    lines = ["y_true;y_score;patient_id;note", "1;0,9;1,5;0,5", "0;,25;007;a,b", "0;1e-3;008;1"]
    (tmp_path / "scores.csv").write_text("\n".join(lines).replace(";", mark))
    table = read_table(tmp_path / "scores.csv", ("y_true", "y_score"), texts=("patient_id",))
    assert table["y_score"].to_list() == [0.9, 0.25, 0.001] and table["y_true"].to_list() == [1, 0, 0]
    assert table["patient_id"].to_list() == ["1,5", "007", "008"] and table["note"].to_list() == ["0,5", "a,b", "1"]


def test_a_column_that_a_table_of_semicolons_lacks_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("Path;label\na.png;1\n")
    with pytest.raises(TableError, match=r"lacks the column 'path'\. Rename 'Path' to 'path'"):
        read_table(tmp_path / "t.csv", ("path", "label"))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (_PLAIN.encode("utf-16"), "is written in UTF-16, not in UTF-8. Save it as UTF-8"),
        (_PLAIN.replace(",", "\t").encode("utf-16-le"), "is written in UTF-16, not in UTF-8. Save it as UTF-8"),
        (_PLAIN.encode("latin-1"), "invalid utf-8 sequence). Save it as UTF-8"),
        (b"path,label\ra.png,1\rb.png,0\r", "ends its lines in the manner of an old Mac (CR alone)"),
        (b"sep=;\r\npath;label\r\na.png;1\r\n", "('sep=;'). Take its first line out"),
        (b"PK\x03\x04\x14\0\6\0", "is a spreadsheet or an archive, not text"),
        (b'"path,label"\n"a.png,1"\n', "has each line in quotes as a whole"),
        (b"path,label\na, b.png,1\n", "Put values that hold a comma or a quote in quotes"),
    ],
)
def test_other_forms_of_text_are_told_with_their_repair(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(TableError, match=re.escape(told)) as error:
        read_table(tmp_path / "t.csv", ("path", "label"), as_text=True)
    assert error.value.path == str(tmp_path / "t.csv")


def test_a_mark_at_the_beginning_of_json_was_a_fault(tmp_path: Path) -> None:
    for ending, text in (("json", '[{"path": "a"}]'), ("jsonl", '{"path": "a"}\n')):
        (tmp_path / f"t.{ending}").write_text(text, encoding="utf-8-sig")
        assert read_table(tmp_path / f"t.{ending}", ("path",)).rows() == [("a",)]
    assert read_json(tmp_path / "t.json") == [{"path": "a"}]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("t.xlsx", "save it as CSV UTF-8"),
        ("t.tsv", r"Let its name end in \.csv: tabs"),
        ("t.csv", "It is empty: write a line with the names"),
    ],
)
def test_a_spreadsheet_and_an_empty_table_were_told_to_check_the_file(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(CollesError, match=told):
        read_table(tmp_path / name, ("path",))
