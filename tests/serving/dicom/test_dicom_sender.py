"""What is sent to one destination again, later, or no more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from node_tools import LONG, Heard, Pacs, listening, pacs, radiograph, wait_until
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage
from pynetdicom import AE, evt

from colles.serving.dicom.peers import Destination
from colles.serving.dicom.sender import Sender
from colles.serving.dicom.spool import Spool
from drawn_dicom import encoded

pytestmark = pytest.mark.slow  # a destination each, with threads, sockets and waits


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def judged(spool: Spool, uid: str, captures: int = 1, ago: float = 0.0) -> str:
    """Keep a report and captures of a study that was judged so many days ago; return its name."""
    study = spool.store(uid, f"{uid}.1", [b"x"]).study
    results = []
    for number, kind in enumerate([ComprehensiveSRStorage, *[SecondaryCaptureImageStorage] * captures]):
        ds = radiograph(uid, SOPClassUID=kind, SOPInstanceUID=f"{uid}.2.{number}")
        results.append((f"{uid}.2.{number}", encoded(ds)))
    spool.save_results(study, spool.objects(study), results)
    spool.update(study, judged=time.time() - ago * 86_400)
    return study


@contextmanager
def sending(to: Destination, spool: Spool, heard: Heard, *studies: str, **options: Any) -> Iterator[Sender]:
    """Send the results of studies until the block ends."""
    values: dict[str, Any] = {"first_wait": 0.05} | options
    sender = Sender(to, spool, heard, "COLLES", lambda study: None, **values)
    for study in studies:
        sender.add(study)
    sender.start()
    try:
        yield sender
    finally:
        sender.stop()
        sender.join(5)


def refuses(there: Pacs, *uids: str) -> list[str]:
    """Let a destination refuse the results of studies; return the UIDs of what it is asked for."""
    asked: list[str] = []

    def answer(ds: Any) -> int:
        asked.append(str(ds.SOPInstanceUID))
        return 0xA700 if ds.StudyInstanceUID in uids else 0x0000

    there.answer = answer
    return asked


def test_a_study_that_is_refused_lets_others_go_first_and_waits(spool: Spool) -> None:
    heard, refused, other = Heard(), judged(spool, "1.2.3", captures=0), judged(spool, "1.2.4", captures=0)
    with pacs() as there:
        asked = refuses(there, "1.2.3")
        with sending(there.destination, spool, heard, refused, first_wait=LONG) as sender:
            heard.wait("retries")
            sender.add(other)
            assert [each["study"] for each in heard.wait("sent")] == [other]
    assert asked == ["1.2.3.2.0", "1.2.4.2.0"] and spool.state(refused).pending(str(there.destination))


def test_a_destination_is_given_up_after_days_and_not_before(spool: Spool) -> None:
    heard, young, old = Heard(), judged(spool, "1.2.3", ago=2.9), judged(spool, "1.2.4", ago=3.1)
    with pacs() as there:
        asked = refuses(there, "1.2.3", "1.2.4")
        with sending(there.destination, spool, heard, old, young, give_up_days=3.0):
            heard.wait("retries", 3)
    assert {each["study"] for each in heard.of("retries")} == {young}
    assert [each["study"] for each in heard.of("given_up")] == [old] and asked.count("1.2.4.2.0") == 1


def test_a_result_that_could_not_be_noted_as_sent_is_sent_once_more(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, study, real = Heard(), judged(spool, "1.2.3"), Spool.mark_sent

    def full(*_: Any) -> None:
        monkeypatch.setattr(Spool, "mark_sent", real)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spool, "mark_sent", full)
    with pacs() as there, sending(there.destination, spool, heard, study):
        heard.wait("sent")
    assert [str(ds.SOPInstanceUID) for ds in there.received] == ["1.2.3.2.0", "1.2.3.2.0", "1.2.3.2.1"]
    assert [each["reason"] for each in heard.of("retries")] == ["OSError"]


def test_waits_begin_anew_once_a_destination_was_there(spool: Spool) -> None:
    heard, first, second = Heard(), judged(spool, "1.2.3"), judged(spool, "1.2.4")
    with pacs() as down:
        gone = down.destination
    with sending(gone, spool, heard, first) as sender:
        heard.wait("waits", 2)
        with pacs(gone.port):
            heard.wait("sent")
        before = len(heard.of("waits"))
        sender.add(second)
        assert heard.wait("waits", before + 1)[before]["seconds"] == 0.05


def test_a_stop_ends_after_the_result_that_is_being_sent(spool: Spool) -> None:
    heard, study = Heard(), judged(spool, "1.2.3", captures=3)
    with pacs() as there, sending(there.destination, spool, heard, study) as sender:
        there.answer = lambda ds: sender.stop() or 0
        wait_until(lambda: not sender.is_alive)
    assert len(there.received) == 1 and len(spool.state(study).pending(str(there.destination))) == 3


@contextmanager
def ending(where: Callable[[list[str]], bool]) -> Iterator[Destination]:
    """Run a destination that ends the association where `where` says so of the classes it was sent so far."""
    asked: list[str] = []

    def store(event: Any) -> int:
        asked.append(str(event.request.AffectedSOPClassUID))
        if where(asked):
            event.assoc.abort()
        return 0x0000

    ae = AE(ae_title="PACS")
    for kind in (ComprehensiveSRStorage, SecondaryCaptureImageStorage):
        ae.add_supported_context(kind)
    with listening(ae, (evt.EVT_C_STORE, store)) as there:
        yield there


def test_a_destination_that_ends_the_association_at_a_report_never_got_the_captures(spool: Spool) -> None:
    study = judged(spool, "1.2.3", captures=2)
    with ending(lambda asked: asked[-1] == ComprehensiveSRStorage) as there, sending(there, spool, Heard(), study):
        wait_until(lambda: len(spool.state(study).pending(str(there))) == 1, 10)


def test_what_ended_the_association_once_waited_behind_what_always_does(spool: Spool) -> None:
    """An archive that ends it at each report, and was started anew at a capture, never got that one."""
    study = judged(spool, "1.2.3")

    def at_each_report_and_once_at_a_capture(asked: list[str]) -> bool:
        return asked[-1] == ComprehensiveSRStorage or len(asked) == 2

    with ending(at_each_report_and_once_at_a_capture) as there, sending(there, spool, Heard(), study):
        wait_until(lambda: len(spool.state(study).pending(str(there))) == 1, 20)
