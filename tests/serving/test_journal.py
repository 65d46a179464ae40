"""No answer is lost, whatever ends a run and whenever."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from colles.core.errors import OutputExistsError, StaleInputError, StorageError, TableError, UsageError
from colles.serving.inputs import find_images
from colles.serving.journal import Journal
from colles.serving.output import row_of, save_predictions
from colles.serving.predict import Pending, prepare_output
from colles.serving.prediction import Prediction

GOOD = Prediction("0.png", "ok", None, 0.25, 0.125, "no_fracture", "m@1", 0.5)
FIVE = [replace(GOOD, path=f"{number}.png") for number in range(5)]


def paths(file: Path) -> list[str]:
    return [json.loads(line)["path"] for line in file.read_bytes().splitlines() if line]


def resumed(table: Path, named: Iterator[str] | list[str], new: Iterator[Prediction] | list[Prediction]) -> None:
    answered = prepare_output(table, "m@1", resume=True)
    assert answered is not None
    save_predictions(new, table, paths=named, answered=answered)


def test_a_second_ctrl_c_while_earlier_rows_are_copied_keeps_the_table(tmp_path: Path) -> None:
    def interrupted() -> Iterator[str]:
        yield "0.png"
        yield "new.png"
        raise KeyboardInterrupt

    table = tmp_path / "t.jsonl"
    save_predictions(FIVE, table)
    with pytest.raises(KeyboardInterrupt):
        resumed(table, interrupted(), [replace(GOOD, path="new.png")])
    assert paths(table) == [f"{number}.png" for number in range(5)]
    resumed(table, ["new.png"], [])
    assert paths(table) == ["new.png", *(f"{number}.png" for number in range(5))]
    assert not Journal(table).path.exists()


def test_a_kill_while_a_run_is_resumed_loses_no_answer_of_the_killed_run(tmp_path: Path) -> None:
    def killed() -> Iterator[Prediction]:
        assert Journal(table).path.read_bytes().startswith(text)
        raise SystemError  # what ends it does not matter: nothing of this run was written yet
        yield GOOD

    table = tmp_path / "t.jsonl"
    text = "".join(json.dumps(row_of(answer)) + "\n" for answer in FIVE).encode() + b'{"path": "\xc3'
    Journal(table).path.write_bytes(text)
    for _ in range(2):
        with pytest.raises(SystemError):
            resumed(table, ["new.png"], killed())
    resumed(table, [], [])
    assert paths(table) == [f"{number}.png" for number in range(5)]


def test_answers_on_inputs_that_are_not_named_again_are_kept(tmp_path: Path) -> None:
    table = tmp_path / "t.jsonl"
    save_predictions([*FIVE[:2], replace(GOOD, path="broken.png", status="unreadable", decision=None)], table)
    resumed(table, ["new.png", "1.png"], [replace(GOOD, path="new.png")])
    assert paths(table) == ["new.png", "1.png", "0.png", "broken.png"]


def test_an_answer_on_a_file_that_is_gone_afterwards_is_written(tmp_path: Path) -> None:
    table = tmp_path / "t.jsonl"
    save_predictions(FIVE[:1], table)
    resumed(table, ["0.png"], [replace(GOOD, path="gone.png")])
    assert paths(table) == ["0.png", "gone.png"]


def test_rows_are_on_the_disk_before_the_table_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (done.append(os.readlink(f"/proc/self/fd/{number}")), sync(number)))
    monkeypatch.setattr(os, "replace", lambda old, new: (done.append("rename"), rename(old, new)))
    save_predictions(FIVE[:1], tmp_path / "t.csv")
    kinds = [Path(name).suffix.removeprefix(".") or name for name in done]
    assert kinds == ["journal", "journal", "csv", "rename"]


def test_without_the_gate_refused_images_are_judged_again(tmp_path: Path) -> None:
    table = tmp_path / "t.jsonl"
    save_predictions([GOOD, replace(GOOD, path="odd.png", status="refused", decision=None)], table)
    kept, again = (prepare_output(table, "m@1", resume=True, gate=gate) for gate in (True, False))
    assert kept is not None and again is not None
    assert "odd.png" in kept and "odd.png" not in again and "0.png" in again


def test_answers_of_another_precision_are_not_resumed(tmp_path: Path) -> None:
    table = tmp_path / "t.jsonl"
    save_predictions([GOOD], table)
    with pytest.raises(StaleInputError, match=r"answers of m@1, not of m@1\+int8"):
        prepare_output(table, "m@1+int8", resume=True)


def test_resume_beside_overwrite_throws_nothing_away(tmp_path: Path) -> None:
    save_predictions(FIVE, tmp_path / "t.csv")
    with pytest.raises(UsageError, match="keeps the answers that --overwrite throws away"):
        prepare_output(tmp_path / "t.csv", "m@1", resume=True, overwrite=True)


def test_a_killed_overwrite_was_resumed_with_the_answers_that_it_was_to_replace(tmp_path: Path) -> None:
    def killed() -> Iterator[Prediction]:
        assert Journal(table).replaces_table()  # on the disk before the first answer, which may take long
        yield replace(GOOD, score=0.75)
        raise SystemError

    table = tmp_path / "t.jsonl"
    save_predictions(FIVE, table)
    assert prepare_output(table, "m@1", overwrite=True) is None
    with pytest.raises(SystemError):
        save_predictions(killed(), table)
    for _ in range(2):  # a second kill before anything new changes nothing
        answered = prepare_output(table, "m@1", resume=True)
        assert answered is not None and "1.png" not in answered
        with pytest.raises(SystemError):
            save_predictions(iter(killed()), table, paths=["1.png", "2.png"], answered=answered)
    resumed(table, ["0.png", "1.png"], [])
    assert [json.loads(line)["score"] for line in table.read_text().splitlines()][:1] == [0.75]
    assert "4.png" not in paths(table)
    assert not Journal(table).path.exists()


@pytest.mark.parametrize("text", ["[3]", '["x"]', '{"a": 1}', "3"])
def test_json_of_another_form_ended_a_resumed_prediction_in_a_defect(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(TableError, match="no table of colles predict"):
        prepare_output(tmp_path / "t.json", "m@1", resume=True)


def test_a_table_that_lacks_a_column_is_not_resumed(tmp_path: Path) -> None:
    row = row_of(GOOD)
    del row["reason"]
    (tmp_path / "t.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(TableError, match="no table of colles predict"):
        prepare_output(tmp_path / "t.jsonl", "m@1", resume=True)


@pytest.mark.parametrize("how", ["resume", "overwrite"])
def test_a_second_run_into_a_table_that_is_being_written_lost_or_doubled_rows(tmp_path: Path, how: str) -> None:
    """The first one said that 60 images were answered, and its table held 10 of the second one's."""

    def answers() -> Iterator[Prediction]:
        yield FIVE[0]
        with pytest.raises(OutputExistsError, match="another process is writing it"):
            prepare_output(table, "m@1", **{how: True})
        with pytest.raises(OutputExistsError, match="another process is writing it"):
            save_predictions(FIVE, table)  # one that had looked before the first began
        yield from FIVE[1:]

    table = tmp_path / "t.jsonl"
    assert save_predictions(answers(), table).counts["ok"] == 5
    assert paths(table) == [f"{number}.png" for number in range(5)]
    prepare_output(table, "m@1", **{how: True})


def test_a_table_whose_name_leaves_no_room_for_the_journals_was_an_error_of_the_system(tmp_path: Path) -> None:
    table = tmp_path / f"{'x' * 245}.csv"
    assert prepare_output(table, "m@1") is None
    with pytest.raises(StorageError, match="name too long"):
        save_predictions(FIVE, table)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_run_killed_between_two_images_of_one_name_in_a_zip_file_gave_the_second_the_firsts_answer(
    tmp_path: Path,
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for _ in range(2):
            archive.writestr("x.png", b"x")
    table, twice = tmp_path / "t.jsonl", [str(image) for image in find_images([tmp_path / "a.zip"])]
    assert twice == [f"{tmp_path}/a.zip!/x.png", f"{tmp_path}/a.zip!/x.png (2)"]
    first, second = (replace(GOOD, path=path, score=score) for path, score in zip(twice, (0.25, 0.5), strict=True))
    save_predictions([first], table)
    answered = prepare_output(table, "m@1", resume=True)
    assert answered is not None and [path in answered for path in twice] == [True, False]
    resumed(table, twice, [second])
    assert [json.loads(line)["score"] for line in table.read_text().splitlines()] == [0.25, 0.5]


def test_the_row_behind_a_line_that_a_kill_cut_off_is_a_line_of_its_own(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "table.csv")
    journal.path.write_bytes(b'{"path": "a", "sco')
    journal.open(keep=True)
    journal.append({"path": "b"})
    journal.close()
    assert list(Journal(tmp_path / "table.csv").rows()) == [{"path": "b"}]


def test_a_name_that_is_not_utf8_is_known_again_when_a_run_is_resumed(tmp_path: Path) -> None:
    odd, new = Path(os.fsdecode(b"g\xe4.png")), Path("new.png")
    save_predictions([replace(GOOD, path=str(odd))], tmp_path / "t.csv")
    answered = prepare_output(tmp_path / "t.csv", "m@1", resume=True)
    assert list(Pending(find_images([odd, new, __file__]), answered)) == [new, Path(__file__)]
