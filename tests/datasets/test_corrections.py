"""Corrections change labels or drop images, stay in the catalog, and name every bad line."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from frames import catalog_of, numbered
from typer.testing import CliRunner

from colles.cli.app import app
from colles.core.errors import TableError
from colles.core.recipe import SplitRecipe
from colles.datasets.audit.integrity import broken_files, correction_counts, corrections
from colles.datasets.catalog import Catalog
from colles.datasets.corrections import apply_corrections, read_corrections
from colles.datasets.split import make_split

HEAD = "image_id,label,reason,reader\n"
IDS = [row["image_id"] for row in numbered(60)]


@pytest.fixture
def correct(tmp_path: Path):
    """Return a function: lines of a file → the corrected catalog of 60 numbered images, every fourth fractured."""
    rows = numbered(60)
    rows[0]["boxes"] = [{"x1": 1.0, "y1": 1.0, "x2": 5.0, "y2": 5.0, "name": "fracture"}]
    rows[7]["status"] = "truncated"

    def run(text: str) -> Catalog:
        path = tmp_path / "corrections.csv"
        path.write_text(text, encoding="utf-8")
        return apply_corrections(catalog_of(rows), read_corrections(path), path=path)

    return run


def test_labels_change_and_images_are_dropped(correct) -> None:
    lines = (
        f"{IDS[0]},0,no fracture seen,RB\n{IDS[1]},1,missed,RB\n{IDS[2]},Unknown,blurred,AK\n"
        f"{IDS[3]},DROP,not a radiograph,AK\n{IDS[7]},drop,broken,AK\n"
    )
    catalog = correct(HEAD + lines)
    rows = {row.image_id: row for row in catalog.rows()}
    assert [rows[name].label for name in IDS[:4]] == [0, 1, None, 0]
    assert rows[IDS[0]].boxes == () and rows[IDS[0]].label_before == 1
    assert (rows[IDS[3]].status, rows[IDS[3]].reason) == ("dropped", "not a radiograph")
    assert rows[IDS[7]].status == "truncated"  # a broken file stays what it is
    assert (rows[IDS[1]].correction, rows[IDS[1]].correction_reason, rows[IDS[1]].corrected_by) == ("1", "missed", "RB")
    assert rows[IDS[4]].correction is None
    assert catalog.frame["image_id"].to_list() == IDS
    assert correction_counts(catalog.frame) == {"relabelled": 3, "dropped": 2, "readers": {"AK": 3, "RB": 2}}


def test_corrections_survive_every_form_of_table_and_change_the_digest(correct, tmp_path: Path) -> None:
    plain, changed = correct(HEAD), correct(HEAD + f"{IDS[1]},1,missed,RB\n")
    assert plain.digest != changed.digest
    for ending in ("parquet", "csv", "json"):
        again = Catalog.load(changed.save(tmp_path / f"c.{ending}"))
        assert again.frame.equals(changed.frame)


def test_what_was_changed_is_listed(correct) -> None:
    frame = correct(HEAD + f'{IDS[0]},0,"no fracture, I think",RB\n{IDS[3]},drop,hand,AK\n').frame
    assert [issue.detail for issue in corrections(frame)] == [
        "Label 1 became 0: no fracture, I think (RB)",
        "Dropped: hand (AK)",
    ]
    assert [issue.images[0] for issue in broken_files(frame)] == [IDS[7]]


def test_a_dropped_image_takes_no_part_in_a_split(correct) -> None:
    catalog = correct(HEAD + f"{IDS[3]},drop,hand,AK\n")
    split = make_split(catalog, SplitRecipe())
    assert IDS[3] not in split.frame["image_id"].to_list()
    assert {"image_id": IDS[3], "reason": "dropped by a reader"} in split.summary["excluded"]


def test_applying_twice_is_applying_once(correct, tmp_path: Path) -> None:
    text = HEAD + f"{IDS[1]},1,missed,RB\n"
    once = correct(text)
    path = tmp_path / "corrections.csv"
    assert (
        apply_corrections(once, read_corrections(path), path=path).frame["label"].to_list()
        == once.frame["label"].to_list()
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_id,label,reason\n", "lacks the column 'reader'"),
        (HEAD + "a,2,r,x\n", r"corrections\.csv: line 2 has the label '2'; write 1, 0, unknown or drop"),
        (HEAD + "a,,r,x\n", "line 2 has no label"),
        (HEAD + "a,1,,x\n", "line 2 has no reason"),
        (HEAD + "a,1,r,\n", "line 2 has no reader"),
        (HEAD + "a,1,r,x\na,0,r,x\n", "line 3 corrects 'a' a second time"),
        (HEAD + "a,7,r,x\n,1,r,x\n", "line 2 has the label '7'.*line 3 has no image_id"),
        (HEAD + "".join(f"a{n},7,r,x\n" for n in range(8)), "and 3 more. Mend the lines; nothing was applied"),
        (HEAD + f"{IDS[0][:-4]}.png,1,r,x\n", rf"no image .*did you mean '{IDS[0]}'"),
    ],
)
def test_every_bad_line_is_named(correct, text: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        correct(text)


def test_a_catalog_without_corrections_has_empty_columns(correct) -> None:
    frame = correct(HEAD).frame
    assert frame.select(pl.col("correction").null_count()).item() == frame.height


def test_every_wrong_line_was_compared_with_the_whole_catalog_though_five_are_shown(
    correct, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("colles.datasets.corrections.nearest", lambda name, known: asked.append(name))
    with pytest.raises(TableError, match="no image 'x4', and 35 more"):
        correct(HEAD + "".join(f"x{number},1,why,RB\n" for number in range(40)))
    assert asked == [f"x{number}" for number in range(5)]


def test_a_label_that_is_corrected_to_a_fracture_keeps_the_boxes_that_it_denied(tmp_path: Path, write_image) -> None:
    write_image(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text('path,label,boxes\na.png,0,"[[1,1,9,9]]"\n', encoding="utf-8")
    (tmp_path / "corrections.csv").write_text(f"{HEAD}csv/a.png,1,the box shows it,RB\n", encoding="utf-8")
    command = ["catalog", "--source", f"csv={tmp_path / 't.csv'}", "--corrections", str(tmp_path / "corrections.csv")]
    result = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "c.parquet")])
    [row] = Catalog.load(tmp_path / "c.parquet").rows()
    assert row.label == 1 and len(row.boxes) == 1 and "have boxes" not in result.output
