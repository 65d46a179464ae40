"""A whole node: studies in, reports and captures out, whatever goes wrong between."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from node_tools import LONG, STUDY, Heard, pacs, radiograph, running, send, wait_until
from pydicom.uid import (
    ComprehensiveSRStorage,
    CTImageStorage,
    SecondaryCaptureImageStorage,
    XRayRadiationDoseSRStorage,
)

from colles.core.errors import OutputExistsError, StorageError
from colles.serving.bundle import load_bundle
from colles.serving.dicom import answering, answers, judging, results, sender
from colles.serving.dicom.peers import Destination
from colles.serving.dicom.spool import Spool
from colles.serving.dicom.status import read_status, summary
from colles.serving.dicom.study_state import digest_of

pytestmark = pytest.mark.slow  # a node each, with threads, sockets and waits


@pytest.fixture
def heard() -> Heard:
    """The events of one test."""
    return Heard()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def referenced(report: Any) -> set[str]:
    """Return the instances that a report refers to, at any depth."""
    return {str(each.value) for each in report.iterall() if each.keyword == "ReferencedSOPInstanceUID"}


def test_a_study_goes_in_and_its_results_come_back(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    images = [radiograph(level=level) for level in (500, 2000, 3500)]
    with pacs() as there, running(drawn_bundle, spool, heard, there.destination) as node:
        assert send(node.port, *images) == [0, 0, 0]
        heard.wait("sent")
        (judged,), (listening,) = heard.of("judged"), heard.of("listening")
        assert (
            judged["bundle"] == listening["bundle"] == node.spool.settings()["bundle"] == load_bundle(drawn_bundle).name
        )
    (report,), captures = there.of("SR"), there.of("OT")
    assert len(captures) == 3 and there.received[0] is report
    assert {ds.StudyInstanceUID for ds in there.received} == {STUDY}
    assert {str(ds.SOPInstanceUID) for ds in images} <= referenced(report)
    assert [each.stage for each in read_status(Spool(spool))] == ["done"]


def test_without_captures_and_destinations_the_report_stays(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    with running(drawn_bundle, spool, heard, capture=False) as node:
        send(node.port, radiograph())
        heard.wait("judged")
        wait_until(lambda: [each.stage for each in read_status(node.spool)] == ["done"])
    assert len(list(spool.rglob("results-*/*.dcm"))) == 1


def test_a_study_that_goes_on_is_judged_anew(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    first, second = radiograph(), radiograph(level=3000)
    with pacs() as there, running(drawn_bundle, spool, heard, there.destination) as node:
        send(node.port, first)
        heard.wait("sent")
        send(node.port, first)
        send(node.port, second)
        heard.wait("sent", 2)
    one, two = there.of("SR")
    assert one.SOPInstanceUID != two.SOPInstanceUID
    assert str(second.SOPInstanceUID) in referenced(two) - referenced(one)
    assert heard.of("judged")[1]["ok"] == 2


def test_a_document_that_came_late_doubled_the_results(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    dose = radiograph(SOPClassUID=XRayRadiationDoseSRStorage, Modality="SR", SeriesNumber=0)
    for keyword in ("Rows", "Columns", "PixelData"):
        del dose[keyword]
    with pacs() as there, running(drawn_bundle, spool, heard, there.destination) as node:
        send(node.port, radiograph(SeriesNumber=1))
        heard.wait("sent")
        send(node.port, dose)
        heard.wait("judged", 2)
        wait_until(lambda: [each.stage for each in read_status(node.spool)] == ["done"])
    assert len(there.received) == 2 and len(heard.of("sent")) == 1


def test_the_same_image_again_is_not_judged_again(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    first = radiograph()
    with running(drawn_bundle, spool, heard) as node:
        send(node.port, first)
        heard.wait("judged")
        send(node.port, first)
        send(node.port, radiograph("1.2.3.4"))
        heard.wait("judged", 2)
    assert len({each["study"] for each in heard.of("judged")}) == 2


def test_other_modalities_are_named_and_not_judged(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    others = [
        radiograph(SOPClassUID=CTImageStorage, Modality="CT"),
        radiograph(SOPClassUID="1.2.3.4.5", Modality="XX"),
        radiograph(SOPClassUID=SecondaryCaptureImageStorage, Modality="OT"),
    ]
    with pacs() as there, running(drawn_bundle, spool, heard, there.destination) as node:
        assert send(node.port, radiograph(), *others) == [0, 0, 0, 0]
        heard.wait("sent")
    (judged,) = heard.of("judged")
    assert (judged["ok"], judged["refused"]) == (1, 3) and len(there.of("SR")) == 1 and len(there.of("OT")) == 1


def test_a_study_without_images_is_done_with(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    report = radiograph(SOPClassUID=ComprehensiveSRStorage, Modality="SR")
    for keyword in ("Rows", "Columns", "PixelData"):
        delattr(report, keyword)
    with pacs() as there, running(drawn_bundle, spool, heard, there.destination) as node:
        send(node.port, report)
        assert heard.wait("judged")[0]["results"] == 0
        wait_until(lambda: [each.stage for each in read_status(node.spool)] == ["done"])
        assert not there.received


def test_a_study_of_a_ct_got_a_report_that_nothing_was_judged(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    with pacs() as there, running(drawn_bundle, spool, heard, there.destination) as node:
        send(node.port, radiograph(SOPClassUID=CTImageStorage, Modality="CT"))
        (judged,) = heard.wait("judged")
        assert (judged["refused"], judged["results"]) == (1, 0)
        send(node.port, radiograph())  # a radiograph of the same study
        heard.wait("sent")
        assert len(there.of("SR")) == 1


def test_an_object_with_a_huge_header_does_not_take_its_study_along(
    drawn_bundle: Path, spool: Path, heard: Heard
) -> None:
    huge = radiograph(SOPClassUID=ComprehensiveSRStorage, Modality="SR", TextValue="x" * 5_000_000)
    with pacs() as there, running(drawn_bundle, spool, heard, there.destination, quiet=2.0) as node:
        assert send(node.port, radiograph(), huge) == [0, 0]
        heard.wait("sent")
    (judged,) = heard.of("judged")
    assert (judged["ok"], judged["unreadable"], judged["results"]) == (1, 1, 2)


def test_a_study_of_two_patients_is_set_aside_in_words(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    with running(drawn_bundle, spool, heard) as node:
        send(node.port, radiograph(), radiograph(PatientID="4712"))
        assert heard.wait("failed")[0]["reason"] == "the images are of one study, but of several patients"


def test_a_uid_has_one_content(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    first = radiograph(SOPInstanceUID="1.2.3.9")
    with pacs() as there, running(drawn_bundle, spool, heard, there.destination) as node:
        send(node.port, first)
        heard.wait("sent")
        send(node.port, radiograph(SOPInstanceUID="1.2.3.9", InstitutionName="else"))  # the same answer
        heard.wait("judged", 2)
        wait_until(lambda: [each.stage for each in read_status(node.spool)] == ["done"])
    uids = [str(ds.SOPInstanceUID) for ds in there.received]
    assert len(uids) == len(set(uids)) == 2 and len(list(spool.rglob("objects/*.dcm"))) == 2


def test_results_that_a_pacs_sends_round_end_there(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    with pacs() as there, running(drawn_bundle, spool, heard, there.destination) as node:
        send(node.port, radiograph())
        heard.wait("sent")
        assert send(node.port, *there.received) == [0, 0]
        heard.wait("returned", 2)
        send(node.port, radiograph("1.2.3.4"))
        heard.wait("judged", 2)
        heard.wait("sent", 2)
    assert len(there.of("SR")) == 2 and len(heard.of("received")) == 2


def test_a_destination_that_is_down_gets_all_when_it_is_up(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    with pacs() as down:
        gone = down.destination
    with pacs() as there, running(drawn_bundle, spool, heard, gone, there.destination) as node:
        send(node.port, radiograph())
        assert heard.wait("sent")[0]["to"] == str(there.destination)
        heard.wait("waits", 2)
        assert send(node.port, radiograph("1.2.3.4")) == [0]
        wait_until(lambda: summary(read_status(node.spool))["pending"] == {str(gone): 4})
        assert summary(read_status(node.spool))["sending"] == 2
        with pacs(gone.port) as back:
            wait_until(lambda: len(back.of("SR")) == 2 and len(back.of("OT")) == 2)
            wait_until(lambda: summary(read_status(node.spool))["done"] == 2)
    waits = [each["seconds"] for each in heard.of("waits")]
    assert waits[:2] == [0.05, 0.1] and not heard.of("failed")


def test_a_destination_that_says_nothing_holds_up_no_stop(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    with pacs() as down, socket.create_server(("127.0.0.1", 0)) as silent:
        gone, hangs = down.destination, Destination("PACS", "127.0.0.1", silent.getsockname()[1])
        down.close()
        with running(drawn_bundle, spool, heard, hangs, gone, first_wait=5.0) as node:
            send(node.port, radiograph())
            heard.wait("waits")
            begun = time.monotonic()
        assert time.monotonic() - begun < 15 and len(heard.of("waits")) == 1
        wait_until(lambda: not [each for each in threading.enumerate() if "Requestor" in each.name], 5)


def test_what_a_destination_refuses_is_sent_again(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    asked: list[str] = []

    def answer(ds: Any) -> int:
        asked.append(ds.Modality)
        return 0xA700 if ds.Modality == "SR" and asked.count("SR") < 3 else 0

    with pacs() as there, running(drawn_bundle, spool, heard, there.destination) as node:
        there.answer = answer
        send(node.port, radiograph())
        heard.wait("sent")
    assert [ds.Modality for ds in there.received] == ["OT", "SR"] and asked == ["SR", "OT", "SR", "SR"]
    assert [each["reason"] for each in heard.of("retries")] == ["0xA700", "0xA700"]


def test_a_destination_can_be_given_up(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    with pacs() as down:
        gone = down.destination
    with running(drawn_bundle, spool, heard, gone, give_up_days=0.0) as node:
        send(node.port, radiograph())
        heard.wait("given_up")
        (status,) = read_status(node.spool)
        assert status.stage == "failed" and status.reason == f"given up: {gone}"
    with pacs(gone.port) as back, running(drawn_bundle, spool, heard, gone):
        wait_until(lambda: len(back.received) == 2)
        wait_until(lambda: [each.stage for each in read_status(Spool(spool))] == ["done"])


def test_done_studies_are_removed_and_nothing_else(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    with pacs() as down:
        gone = down.destination
    with running(drawn_bundle, spool, heard, gone, keep_days=0.0) as node:
        (spool / "notes.txt").write_text("mine")
        send(node.port, radiograph())
        heard.wait("waits")
        assert len(node.spool.studies()) == 1
    with pacs(gone.port) as back, running(drawn_bundle, spool, heard, gone, keep_days=0.0):
        heard.wait("removed")
        assert len(back.received) == 2
    assert not list(spool.rglob("*.dcm")) and (spool / "notes.txt").read_text() == "mine"


def test_old_ones_are_removed_at_the_start(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    with running(drawn_bundle, spool, heard) as node:
        for study in ("1.2.1", "1.2.2"):
            send(node.port, radiograph(study))
        heard.wait("judged", 2)
        old = node.spool.studies()[0]
        wait_until(lambda: all(each.stage == "done" for each in read_status(node.spool)))
        young = node.spool.studies()[1]
    Spool(spool).update(old, done=time.time() - 1.1 * 86_400)
    Spool(spool).update(young, done=time.time() - 0.9 * 86_400)
    with running(drawn_bundle, spool, heard, keep_days=1.0) as node:
        assert heard.wait("removed")[0]["study"] == old and len(node.spool.studies()) == 1


def test_a_destination_that_comes_later_gets_what_lies_there_before_it_is_removed(
    drawn_bundle: Path, spool: Path, heard: Heard
) -> None:
    with running(drawn_bundle, spool, heard) as node:
        send(node.port, radiograph())
        heard.wait("judged")
        wait_until(lambda: [each.stage for each in read_status(node.spool)] == ["done"])
    old = Spool(spool)
    old.update(old.studies()[0], done=1.0)
    with pacs() as there, running(drawn_bundle, spool, heard, there.destination, keep_days=1.0) as node:
        heard.wait("sent")
        wait_until(lambda: [each.stage for each in read_status(node.spool)] == ["done"])
    assert len(there.received) == 2 and not heard.of("removed")


def test_a_study_that_cannot_be_judged_stops_nobody(
    drawn_bundle: Path, spool: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = results.stream_results, []

    def create(images: Any, *arguments: Any) -> Any:
        study = str(images[0].header.StudyInstanceUID)
        asked.append(study)
        if study == "1.2.666":
            raise RuntimeError("Doe^Jane 4711-SECRET")
        return real(images, *arguments)

    monkeypatch.setattr(results, "stream_results", create)
    with running(drawn_bundle, spool, heard) as node:
        send(node.port, radiograph("1.2.666"))
        (failed,) = heard.wait("failed")
        assert failed["reason"] == "RuntimeError"
        send(node.port, radiograph("1.2.5"))
        heard.wait("judged")
    (note,) = (spool / "failed").iterdir()
    assert json.loads(note.read_text())["reason"] == "RuntimeError" and "Doe" not in note.read_text()
    assert len(list(spool.rglob("objects/*.dcm"))) == 2
    with running(drawn_bundle, spool, heard):  # once more at the next start
        heard.wait("failed", 2)
    with running(drawn_bundle, spool, heard) as node:  # and not again
        send(node.port, radiograph("1.2.6"))
        heard.wait("judged", 2)
        assert asked.count("1.2.666") == 2
        monkeypatch.undo()
        send(node.port, radiograph("1.2.666"))  # with another image it is another question
        heard.wait("judged", 3)
        assert not list((spool / "failed").iterdir())


def test_a_stop_before_the_second_try_took_it_away(
    drawn_bundle: Path, spool: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, running(drawn_bundle, spool, heard) as node:
        patch.setattr(answering.Answering, "answer", lambda *a: 1 / 0)
        send(node.port, radiograph())
        heard.wait("failed")
    with running(drawn_bundle, spool, heard, quiet=LONG):
        pass
    with monkeypatch.context() as patch, running(drawn_bundle, spool, heard):
        patch.setattr(Spool, "save_results", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        heard.wait("postponed")
    with running(drawn_bundle, spool, heard):
        heard.wait("judged")


def test_a_study_that_kills_the_process_is_set_aside(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    before = Spool(spool)
    study = before.store("1.2.666", "1.2.3", [b"x"]).study
    before.update(study, begun=3, begun_on=digest_of(before.objects(study)))
    with running(drawn_bundle, spool, heard):
        assert heard.wait("failed")[0]["reason"] == "ProcessDied"
    with running(drawn_bundle, spool, heard) as node:
        send(node.port, radiograph("1.2.5"))
        heard.wait("judged")
        assert node.spool.failure(study) is not None
    (spool / "failed" / f"{study}.json").unlink()
    with running(drawn_bundle, spool, heard):
        assert heard.wait("judged", 2)[1]["study"] == study


def test_a_full_disk_postpones_and_blames_no_study(
    drawn_bundle: Path, spool: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = Spool.save_results, []

    def full(*arguments: Any) -> Any:
        asked.append(arguments)
        if len(asked) == 1:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(judging, "_DISK_WAIT", 0.05)
    monkeypatch.setattr(Spool, "save_results", full)
    with running(drawn_bundle, spool, heard) as node:
        send(node.port, radiograph())
        heard.wait("judged")
    assert len(heard.of("postponed")) == 1 and not heard.of("failed")


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return what is set once judging was asked to stop."""
    asked, stop = threading.Event(), judging.Judging.stop
    monkeypatch.setattr(judging.Judging, "stop", lambda self: (stop(self), asked.set()))
    return asked


def test_a_stop_while_judging_counts_as_no_crash(
    drawn_bundle: Path, spool: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch, stopped: threading.Event
) -> None:
    begun = threading.Event()
    real = answers.judge_file
    monkeypatch.setattr(answers, "judge_file", lambda *a: begun.set() or (stopped.wait(30) and real(*a)))
    with running(drawn_bundle, spool, heard) as node:
        send(node.port, radiograph(), radiograph())
        assert begun.wait(30)
    left = Spool(spool)
    (study,) = left.studies()
    assert left.is_waiting(study) and left.state(study).begun == 0
    with running(drawn_bundle, spool, heard):
        heard.wait("judged")


def test_a_stop_between_results_counts_as_no_crash(
    drawn_bundle: Path, spool: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch, stopped: threading.Event
) -> None:
    begun, made = threading.Event(), []  # type: ignore[var-annotated]
    real = results.stream_results

    def slow(*arguments: Any) -> Iterator[Any]:
        for ds in real(*arguments):
            made.append(ds)
            begun.set()
            assert stopped.wait(30)
            yield ds

    monkeypatch.setattr(results, "stream_results", slow)
    with running(drawn_bundle, spool, heard) as node:
        send(node.port, radiograph(), radiograph())
        assert begun.wait(30)
    left = Spool(spool)
    (study,) = left.studies()
    assert len(made) == 1 and left.is_waiting(study) and left.state(study).begun == 0


def test_a_stop_that_cannot_wait_for_an_image_counts_as_no_crash(
    drawn_bundle: Path, spool: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    real = answers.judge_file
    monkeypatch.setattr(answers, "judge_file", lambda *a: begun.set() or (go.wait(30) and real(*a)))
    monkeypatch.setattr("colles.serving.dicom.node._GRACE", 0.1)
    with running(drawn_bundle, spool, heard) as node:
        send(node.port, radiograph())
        assert begun.wait(30)
    left = Spool(spool)
    (study,) = left.studies()
    try:
        assert left.is_waiting(study) and left.state(study).begun == 0
    finally:
        go.set()
        node._judging.join(LONG)


def test_bundles_with_thresholds_for_studies_answer_on_the_study(
    bundle_maker: Callable[..., Path], tmp_path: Path, spool: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = {
        name: {"name": name, "threshold": value, "criterion": "drawn", "chosen_on": "val", "digest": "0" * 64}
        for name, value in (("rule_out", 0.6), ("rule_in", 0.9), ("f1", 0.8))
    }
    settings = {"unit": "study", "aggregation": "max", "operating_points": points, "calibration": None}
    seen: list[Any] = []
    real = results.stream_results
    monkeypatch.setattr(results, "stream_results", lambda *a: seen.append(a[2]) or real(*a))
    with running(bundle_maker(tmp_path / "bundle", study=settings), spool, heard) as node:
        send(node.port, radiograph(), radiograph(level=3000))
        heard.wait("judged")
    assert seen[0].judged == 2 and seen[0].unit == "study"


def test_four_modalities_at_once_lose_nothing(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    objects = [[radiograph(f"{STUDY}.{part}", level=100 * number) for number in range(10)] for part in range(4)]
    with pacs() as there, running(drawn_bundle, spool, heard, there.destination, quiet=1.0) as node:
        threads = [threading.Thread(target=send, args=(node.port, *objects[part])) for part in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        wait_until(lambda: summary(read_status(node.spool))["done"] == 4)
    found = set().union(*(referenced(report) for report in there.of("SR")))
    assert {str(ds.SOPInstanceUID) for part in objects for ds in part} <= found


def test_one_node_a_spool(drawn_bundle: Path, spool: Path, heard: Heard) -> None:
    with (
        running(drawn_bundle, spool, heard),
        pytest.raises(OutputExistsError, match="another node is running here"),
        running(drawn_bundle, spool, heard),
    ):
        pass


def test_a_start_on_a_full_disk_names_the_spool(
    drawn_bundle: Path, spool: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("colles.serving.dicom.node.write_json_durable", full)
    with pytest.raises(StorageError, match=f"{spool}: cannot write"), running(drawn_bundle, spool, heard):
        pass
    assert heard.of("stopped") and not heard.of("listening")  # and so its port is free again


def test_nothing_of_a_patient_is_told(
    drawn_bundle: Path, spool: Path, heard: Heard, capfd: pytest.CaptureFixture[str]
) -> None:
    with pacs() as there, running(drawn_bundle, spool, heard, there.destination) as node:
        send(node.port, radiograph(), radiograph(PixelData=b"x"))
        heard.wait("sent")
    told = "".join(capfd.readouterr()) + str(sorted(spool.rglob("*")))
    told += "".join(path.read_text() for path in spool.rglob("*.json"))
    for secret in ("Doe", "4711", STUDY, *(str(ds.SOPInstanceUID) for ds in there.received)):
        assert secret not in told


@pytest.mark.parametrize("worker", [judging.Judging, sender.Sender])
def test_a_thread_that_dies_ends_the_node(
    drawn_bundle: Path, spool: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch, worker: type
) -> None:
    def broken(*_: Any) -> None:
        raise GeneratorExit("Doe^Jane")  # what no thread is to survive

    monkeypatch.setattr(worker, "_take", broken)
    there = Destination("PACS", "127.0.0.1", 1)
    with pytest.raises(AssertionError, match="a thread of the node has ended"):  # noqa: SIM117
        with running(drawn_bundle, spool, heard, there) as node:
            send(node.port, radiograph())
            heard.wait("stopped")
    assert heard.of("defect") == [{"event": "defect", "reason": "GeneratorExit"}]
    (left,) = read_status(Spool(spool))
    assert left.stage == ("waiting" if worker is judging.Judging else "sending")


def test_pictures_of_many_images_wait_on_the_disk(
    drawn_bundle: Path, spool: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside: list[Path] = []
    real = answers.put_aside
    monkeypatch.setattr(answers, "put_aside", lambda image, file: aside.append(file) or real(image, file))
    with running(drawn_bundle, spool, heard) as node:
        send(node.port, *(radiograph(level=100 * number) for number in range(10)))
        assert heard.wait("judged")[0]["results"] == 11
    assert len(aside) == 2 and not list((spool / "incoming").iterdir())


def test_what_was_written_before_an_error_is_removed(
    drawn_bundle: Path, spool: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = results.stream_results

    def breaks(*arguments: Any) -> Iterator[Any]:
        yield next(real(*arguments))
        raise RuntimeError

    monkeypatch.setattr(results, "stream_results", breaks)
    with pacs() as there, running(drawn_bundle, spool, heard, there.destination) as node:
        send(node.port, radiograph())
        heard.wait("failed")
        assert not list(spool.rglob("results-*")) and not there.received
