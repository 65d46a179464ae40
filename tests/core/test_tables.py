"""Tables come back as they were written, in every form."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from colles.core.errors import TableError, UsageError
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


def test_unknown_forms_and_garbage_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_text("x")
    with pytest.raises(UsageError, match=r"\.xlsx"):
        read_table(tmp_path / "t.xlsx")
    (tmp_path / "t.parquet").write_text("not parquet")
    with pytest.raises(TableError, match="cannot be read as parquet"):
        read_table(tmp_path / "t.parquet")


@pytest.mark.parametrize("text", ["y_true;y_score\n1;0,9\n0;0,1\n", "y_true;y_score\n1;1\n"])
def test_a_table_of_semicolons_is_told_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(TableError, match="commas, not semicolons"):
        read_table(tmp_path / "scores.csv", required=("y_true", "y_score"))
