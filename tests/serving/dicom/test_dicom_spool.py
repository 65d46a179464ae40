"""The spool keeps every byte, tells nothing, and is whole after a kill."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("pydicom", reason="DICOM comes with colles[dicom]")

from colles.core.errors import TableError, UsageError
from colles.serving.dicom.peers import Destination, ae_title
from colles.serving.dicom.spool import SETTINGS, Spool, existing_spool
from colles.serving.dicom.status import read_status, summary
from colles.serving.dicom.study_state import digest_of
from colles.serving.dicom.timetable import Retries, Timetable


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def files(spool: Spool) -> list[str]:
    return sorted(str(path.relative_to(spool.root)) for path in spool.root.rglob("*.dcm"))


def test_equal_bytes_are_kept_once_and_other_ones_beside_them(spool: Spool) -> None:
    hows = [spool.store("1.2", "1.2.3", [b"head", body]).how for body in (b"one", b"one", b"two", b"two", b"one")]
    assert hows == ["new", "same", "other", "same", "same"]
    (study,) = spool.studies()
    found = {spool.object_path(study, name).read_bytes() for name in spool.objects(study)}
    assert found == {b"headone", b"headtwo"} and len(files(spool)) == 2
    assert not list((spool.root / "incoming").iterdir())


@pytest.mark.parametrize("uid", ["../../../etc/passwd", "..", "/", "1." * 100, "a\\b", "", "Doe^Jane"])
def test_names_are_digests_whatever_the_uid(spool: Spool, uid: str) -> None:
    stored = spool.store(uid, uid, [b"x"])
    (name,) = files(spool)
    assert len(stored.study) == 16 and name == f"studies/{stored.study}/objects/{spool.objects(stored.study)[0]}"
    assert "Doe" not in name and "passwd" not in name


def test_names_differ_between_spools(tmp_path: Path) -> None:
    one, two = (Spool(tmp_path / name).store("1.2.3", "1.2.3.4", [b"x"]).study for name in "ab")
    assert one != two
    assert Spool(tmp_path / "a").store("1.2.3", "1.2.3.4", [b"x"]).study == one


def test_only_its_owner_may_read_it(spool: Spool) -> None:
    assert spool.root.stat().st_mode & 0o077 == 0 and (spool.root / "salt").stat().st_mode & 0o077 == 0


def test_a_full_disk_leaves_nothing_half_written(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        spool.store("1.2", "1.2.3", [b"x"])
    monkeypatch.undo()
    assert not files(spool) and not list((spool.root / "incoming").iterdir())


def test_everything_is_synced_before_it_is_renamed(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: done.append("sync") or sync(handle))
    monkeypatch.setattr(os, "replace", lambda a, b: done.append("rename") or rename(a, b))
    study = spool.store("1.2", "1.2.3", [b"x"]).study  # makes folders too
    for keep in (lambda: spool.store("1.2", "1.2.4", [b"x"]), lambda: spool.update(study, begun=1)):
        done.clear()
        keep()
        assert done == ["sync", "rename", "sync"]


def test_a_study_is_done_when_all_have_all_results(spool: Spool) -> None:
    study = spool.store("1.2", "1.2.3", [b"x"]).study
    assert spool.is_waiting(study) and not spool.remove_done(study)
    state = spool.save_results(study, spool.objects(study), [("1.9.1", b"report"), ("1.9.2", b"capture")])
    assert not spool.is_waiting(study)
    assert [spool.result_path(study, state, name).read_bytes() for name in state.results] == [b"report", b"capture"]
    for name in state.results:
        spool.mark_sent(study, "A@h:1", name)
    assert not spool.finish(study, ["A@h:1", "B@h:2"]) and spool.finish(study, ["A@h:1"])
    spool.store("1.2", "1.2.4", [b"y"])
    assert spool.is_waiting(study) and not spool.remove_done(study)
    anew = spool.save_results(study, spool.objects(study), [("1.9.3", b"other")])
    assert anew.sent == {"A@h:1": ()} and anew.done is None and len(list(spool.root.rglob("results-*"))) == 1
    assert spool.mark_sent(study, "A@h:1", state.results[0]) == anew
    assert spool.finish(study, []) and spool.remove_done(study)
    assert spool.studies() == [] and not list((spool.root / "trash").iterdir())


def test_what_was_sent_before_a_study_went_on_is_neither_sent_again_nor_written_anew(spool: Spool) -> None:
    study = spool.store("1.2", "1.2.3", [b"x"]).study
    first = spool.save_results(study, spool.objects(study), [("1.9.1", b"report"), ("1.9.2", b"capture")])
    assert not spool.remove_done(study)  # nobody has them
    for name in first.results:
        spool.mark_sent(study, "A@h:1", name)
    assert spool.finish(study, ["A@h:1"]) and not spool.is_open(study, ["A@h:1"])
    assert spool.is_open(study, ["A@h:1", "B@h:2"]) and not spool.remove_done(study)  # one that came later
    spool.store("1.2", "1.2.4", [b"y"])
    state = spool.save_results(study, spool.objects(study), [("1.9.3", b"other"), ("1.9.2", b"in other words")])
    assert state.pending("A@h:1") == state.results[:1]
    assert spool.result_path(study, state, "001" + first.results[1][3:]).read_bytes() == b"capture"


def test_a_destination_that_was_given_up_is_tried_again_where_it_accepts_one(spool: Spool) -> None:
    study = spool.store("1.2", "1.2.3", [b"x"]).study
    state = spool.save_results(study, spool.objects(study), [("1.9.1", b"report"), ("1.9.2", b"capture")])
    for destination in ("A@h:1", "B@h:2"):
        spool.give_up(study, destination)
    assert set(spool.state(study).given_up) == {"A@h:1", "B@h:2"}
    assert spool.mark_sent(study, "A@h:1", state.results[0]).given_up == ("B@h:2",)


def test_a_damaged_state_is_judged_again(spool: Spool) -> None:
    study = spool.store("1.2", "1.2.3", [b"x"]).study
    spool.save_results(study, spool.objects(study), [])
    file = spool.root / "studies" / study / "study.json"
    for text in ("", "{", "[]", '{"objects": 3}'):
        file.write_text(text)
        assert spool.is_waiting(study)


def test_a_state_of_another_version_is_read(spool: Spool) -> None:
    study = spool.store("1.2", "1.2.3", [b"x"]).study
    spool.save_results(study, spool.objects(study), [])
    file = spool.root / "studies" / study / "study.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"later": 1}))
    assert not spool.is_waiting(study)


def test_what_a_kill_left_is_swept(spool: Spool) -> None:
    study = spool.store("1.2", "1.2.3", [b"x"]).study
    for place in ("incoming/half", "trash/half", f"studies/{study}/results-0123/000.dcm"):
        path = spool.root / place
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    spool.sweep()
    assert len(files(spool)) == 1 and spool.is_waiting(study)
    assert not list((spool.root / "trash").iterdir())


def test_a_failure_holds_for_the_objects_it_was_seen_with(spool: Spool) -> None:
    study = spool.store("1.2", "1.2.3", [b"x"]).study
    spool.set_aside(study, spool.objects(study), "ValueError", retried=False)
    assert spool.failure(study) is not None
    assert json.loads((spool.root / "failed" / f"{study}.json").read_text())["reason"] == "ValueError"
    spool.store("1.2", "1.2.4", [b"y"])
    assert spool.failure(study) is None
    assert digest_of(["b", "a"]) == digest_of(["a", "b"]) != digest_of(["a"])


def test_a_kill_while_results_are_noted_leaves_no_judged_study_that_failed(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise SystemExit

    study = spool.store("1.2", "1.2.3", [b"x"]).study
    spool.set_aside(study, spool.objects(study), "ValueError", retried=False)
    monkeypatch.setattr("colles.serving.dicom.spool.write_json_durable", killed)
    with pytest.raises(SystemExit):
        spool.save_results(study, spool.objects(study), [])
    assert not list((spool.root / "failed").iterdir())


def test_status_counts_stages_and_what_each_destination_lacks(spool: Spool) -> None:
    (spool.root / "node.json").write_text(json.dumps({"destinations": ["A@h:1", "B@h:2"]}))
    studies = [spool.store(f"1.2.{number}", "1", [b"x"]).study for number in range(4)]
    for study in studies[1:3]:
        spool.save_results(study, spool.objects(study), [("1.9.1", b"r"), ("1.9.2", b"c")])
    for name in spool.state(studies[2]).results:
        for to in ("A@h:1", "B@h:2"):
            spool.mark_sent(studies[2], to, name)
    spool.mark_sent(studies[1], "A@h:1", spool.state(studies[1]).results[0])
    spool.set_aside(studies[3], spool.objects(studies[3]), "KeyError", retried=False)
    found = {each.study: each for each in read_status(spool)}
    assert [found[study].stage for study in studies] == ["waiting", "sending", "done", "failed"]
    counted = {"waiting": 1, "sending": 1, "done": 1, "failed": 1, "late": 0, "pending": {"A@h:1": 1, "B@h:2": 2}}
    assert summary(list(found.values())) == counted
    spool.update(studies[1], judged=1.0)
    assert summary(read_status(spool))["late"] == 1
    spool.give_up(studies[1], "B@h:2")
    given_up = next(each for each in read_status(spool) if each.study == studies[1])
    assert given_up.stage == "failed" and given_up.reason == "given up: B@h:2"


def test_a_study_that_nobody_judges_is_late_from_its_last_object_on(spool: Spool) -> None:
    study = spool.store("1.2", "1.2.3", [b"x"]).study
    file = spool.object_path(study, spool.objects(study)[0])
    for age, late in ((3500, False), (3700, True)):
        os.utime(file, (time.time() - age,) * 2)
        (found,) = read_status(spool)
        assert (found.stage, found.is_late) == ("waiting", late)


def test_a_folder_of_something_else_is_no_spool(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no spool"):
        existing_spool(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_files_of_another_program_are_not_swept(tmp_path: Path) -> None:
    names = ("incoming/mail.txt", "trash/kept.txt", "studies/mine/results-2024/paper.txt")
    for number, name in enumerate(names):
        root = tmp_path / str(number)
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("mine")
        with pytest.raises(UsageError, match="no spool of a node, and holds"):
            Spool(root).sweep()
        with pytest.raises(TableError, match="no spool"):
            existing_spool(root)
        assert (root / name).read_text() == "mine"


def test_a_spool_without_its_salt_was_taken_for_something_else(spool: Spool) -> None:
    study = spool.store("1.2.3", "1.2.3.4", [b"x"]).study
    (spool.root / SETTINGS).write_text("{}")
    (spool.root / "salt").write_text("")
    with pytest.raises(TableError, match="Delete the file, and another is made"):
        Spool(spool.root)
    (spool.root / "salt").unlink()
    again = Spool(spool.root)
    assert again.studies() == [study] and again.is_waiting(study)


def test_a_power_cut_left_an_empty_salt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: sizes.append(os.fstat(handle).st_size))
    Spool(tmp_path / "spool")
    assert (tmp_path / "spool" / "salt").stat().st_size in sizes


def test_a_spool_may_be_a_disk_of_its_own_and_half_made(tmp_path: Path) -> None:
    for name in ("lost+found", "studies", "incoming"):  # a kill between the folders and the salt
        (tmp_path / name).mkdir()
    assert Spool(tmp_path).studies() == []


def test_a_study_that_goes_while_its_age_is_asked_for(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Spool, "objects", lambda self, study: ("gone.dcm",))
    assert time.time() - spool.arrived("0123") < 60


def test_a_timetable_gives_names_when_they_are_due() -> None:
    table = Timetable()
    for name, wait in (("late", 0.2), ("first", 0.0), ("second", 0.05), ("first", 0.1)):
        table.put(name, wait)
    assert len(table) == 3 and [table.next() for _ in range(3)] == ["second", "first", "late"]
    table.close()
    assert table.next() is None


def test_a_timetable_waits_for_ever() -> None:
    table = Timetable()
    table.put("never", math.inf)
    threading.Timer(0.05, table.close).start()
    assert table.next() is None


def test_waits_grow_up_to_a_bound() -> None:
    retries = Retries(5.0, 600.0)
    assert [retries.failed("a") for _ in range(9)] == [5, 10, 20, 40, 80, 160, 320, 600, 600]
    assert retries.failed("b") == 5
    retries.succeeded("a")
    assert retries.failed("a") == 5 and Retries(1.0, 2.0**40).failed("c") == 1


def test_destinations_and_titles() -> None:
    assert Destination.parse("PACS@10.0.0.5:104") == Destination("PACS", "10.0.0.5", 104)
    assert str(Destination.parse("A B@[::1]:104")) == "A B@[::1]:104"
    assert Destination.parse("A@[::1]:104").host == "::1" and ae_title(" X ", "--aet") == "X"
