"""Long tables stay on disk and read the same; their digests are those of the whole."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colles.core import mapped
from colles.core.cache import VARIABLE
from colles.core.files import sha256_json, sha256_json_list
from colles.core.tables import read_table, write_table

pytest.importorskip("pyarrow", reason="without pyarrow every table is read into memory")

TABLE = pl.DataFrame({"image_id": [f"s/{number:03}" for number in range(40)], "label": [0, 1] * 20})


@pytest.fixture(autouse=True)
def _long_from_ten_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "LONG", 10)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))


def copies(folder: Path) -> list[Path]:
    return sorted((folder / "cache" / "tables").glob("*.arrow"))


def test_a_long_table_is_copied_once_and_reads_the_same(tmp_path: Path) -> None:
    TABLE.write_parquet(tmp_path / "a.parquet")
    for _ in range(2):
        assert read_table(tmp_path / "a.parquet", mapped=True).equals(TABLE)
    assert len(copies(tmp_path)) == 1
    TABLE.reverse().write_parquet(tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet", mapped=True).equals(TABLE.reverse())


def test_a_short_table_is_not_copied(tmp_path: Path) -> None:
    TABLE.head(9).write_parquet(tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet", mapped=True).equals(TABLE.head(9))
    assert copies(tmp_path) == []


def test_text_of_a_long_csv_stays_as_it_is_written(tmp_path: Path) -> None:
    text = TABLE.select(image_id="image_id", group_id=pl.lit("007"))
    text.write_csv(tmp_path / "a.csv")
    assert read_table(tmp_path / "a.csv", as_text=True, mapped=True).equals(text)
    assert len(copies(tmp_path)) == 1


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_long_table_of_a_folder_that_looks_like_a_pattern(tmp_path: Path, ending: str) -> None:
    write_table(TABLE.select("image_id").reverse(), tmp_path / "run1" / f"a.{ending}")
    path = write_table(TABLE.select("image_id"), tmp_path / "run[1]" / f"a.{ending}")
    assert read_table(path, as_text=True, mapped=True).equals(TABLE.select("image_id"))


def test_a_damaged_copy_is_made_again(tmp_path: Path) -> None:
    TABLE.write_parquet(tmp_path / "a.parquet")
    read_table(tmp_path / "a.parquet", mapped=True)
    copies(tmp_path)[0].write_bytes(b"ARROW1 no more")
    for _ in range(2):
        assert read_table(tmp_path / "a.parquet", mapped=True).equals(TABLE)


def test_a_table_is_read_without_a_copy_where_the_cache_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    TABLE.write_parquet(tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet", mapped=True).equals(TABLE)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.tuples(st.text(), st.none() | st.integers()), max_size=3), max_size=4))
def test_a_digest_of_parts_is_that_of_the_whole(parts: list[list[tuple[str, int | None]]]) -> None:
    whole = [row for part in parts for row in part]
    assert sha256_json_list(parts) == sha256_json(whole)
    assert sha256_json_list(parts, before=[1, "é", [2]]) == sha256_json([1, "é", [2], whole])
