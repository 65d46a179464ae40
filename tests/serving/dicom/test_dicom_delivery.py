"""Results and a destination that takes some of them, none, or nothing at all."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from node_tools import Pacs, listening, radiograph
from pydicom import dcmread
from pydicom.uid import ComprehensiveSRStorage, ImplicitVRLittleEndian, SecondaryCaptureImageStorage
from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from colles.serving.dicom import delivery
from colles.serving.dicom.delivery import Delivery, Unreachable
from colles.serving.dicom.peers import Destination
from drawn_dicom import encoded


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Return a report and a capture."""
    paths = []
    for name, sop_class in (("sr", ComprehensiveSRStorage), ("sc", SecondaryCaptureImageStorage)):
        paths.append(tmp_path / f"{name}.dcm")
        paths[-1].write_bytes(encoded(radiograph(SOPClassUID=sop_class)))
    return paths


@pytest.fixture(autouse=True)
def restricted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Destinations take what they name, whatever a node of an earlier test has set."""
    monkeypatch.setattr(_config, "UNRESTRICTED_STORAGE_SERVICE", False)


def test_a_class_that_it_does_not_take_keeps_the_others_from_nothing(files: list[Path]) -> None:
    ae, taken = AE(ae_title="PACS"), []  # type: ignore[var-annotated]
    ae.add_supported_context(SecondaryCaptureImageStorage)
    store = (evt.EVT_C_STORE, lambda event: taken.append(event.request.AffectedSOPClassUID) or 0)
    with listening(ae, store) as there, Delivery(there, "COLLES").open(files) as send:
        assert [send(path) for path in files] == ["not_taken", None]
    assert taken == [SecondaryCaptureImageStorage]


def test_one_that_takes_no_reports_was_unreachable_for_everything_else(files: list[Path]) -> None:
    """Every study whose report alone was left made the whole destination wait, each time for longer."""
    ae = AE(ae_title="PACS")
    ae.add_supported_context(SecondaryCaptureImageStorage)
    with listening(ae) as there, Delivery(there, "COLLES").open(files[:1]) as send:
        assert send(files[0]) == "not_taken"


def test_a_warning_is_an_acceptance_and_a_failure_is_told(files: list[Path]) -> None:
    there = Pacs()
    try:
        with Delivery(there.destination, "COLLES").open(files) as send:
            for status, told in (
                (0xB000, None),
                (0x0000, None),
                (0xA700, "0xA700"),
                (0x0124, "0x0124"),
                (0xFE00, "0xFE00"),  # cancelled
                (0x1234, "0x1234"),  # of no standard
            ):
                there.answer = lambda ds, status=status: status  # type: ignore[misc]
                assert send(files[0]) == told
    finally:
        there.close()


def test_an_archive_that_has_a_result_was_sent_it_without_end(files: list[Path]) -> None:
    there = Pacs()
    there.answer = lambda ds: 0x0111  # type: ignore[method-assign]
    try:
        with Delivery(there.destination, "COLLES").open(files) as send:
            assert send(files[0]) is None
    finally:
        there.close()


def test_one_that_refuses_the_association(files: list[Path]) -> None:
    ae = AE(ae_title="PACS")
    ae.add_supported_context(Verification)
    ae.require_calling_aet = ["SOMEBODY"]
    with (
        listening(ae) as there,
        pytest.raises(Unreachable, match="rejected"),
        Delivery(there, "COLLES").open(files),
    ):
        pass


def test_one_that_says_nothing(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_ASSOCIATE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = Destination("PACS", "127.0.0.1", silent.getsockname()[1])
        with pytest.raises(Unreachable, match="unreachable"), Delivery(there, "COLLES").open(files):
            pass


def test_one_that_breaks_off_in_its_answer(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_SECONDS", 0.3)
    over = threading.Event()

    def half(event: Any) -> int:
        event.assoc.dul.socket.socket.sendall(b"\x04\x00\x00\x00\x10\x00half")
        over.wait(30)
        return 0

    ae = AE(ae_title="PACS")
    ae.add_supported_context(ComprehensiveSRStorage)
    told: list[str | None] = []

    def work() -> None:
        with Delivery(there, "COLLES").open(files[:1]) as send:
            told.append(send(files[0]))

    with listening(ae, (evt.EVT_C_STORE, half)) as there:
        sending = threading.Thread(target=work)
        sending.start()
        sending.join(10)
        held = sending.is_alive()
        over.set()
    sending.join(60)
    assert not held and told in (["no_answer"], ["aborted"])


def test_one_that_is_not_there(files: list[Path]) -> None:
    for host, told in (("127.0.0.1", "unreachable"), ("no.such.host.invalid", "unknown_host")):
        with pytest.raises(Unreachable, match=told), Delivery(Destination("PACS", host, 1), "COLLES").open(files):
            pass


def test_a_result_behind_an_association_that_ended_is_not_taken_for_sent(files: list[Path]) -> None:
    there = Pacs()
    try:
        delivery = Delivery(there.destination, "COLLES")
        with delivery.open(files) as send:
            assert send(files[0]) is None
            delivery.abort()
            assert send(files[1]) == "aborted"
    finally:
        there.close()


def test_an_archive_that_insists_on_both_titles_is_called_by_them(files: list[Path]) -> None:
    ae = AE(ae_title="PACS")
    ae.add_supported_context(ComprehensiveSRStorage)
    ae.require_called_aet, ae.require_calling_aet = True, ["COLLES"]
    store = (evt.EVT_C_STORE, lambda event: 0)
    with listening(ae, store) as there, Delivery(there, "COLLES").open(files[:1]) as send:
        assert send(files[0]) is None


def test_an_archive_that_knows_the_default_encoding_alone_gets_its_results(files: list[Path]) -> None:
    ae, taken = AE(ae_title="PACS"), []  # type: ignore[var-annotated]
    ae.add_supported_context(ComprehensiveSRStorage, ImplicitVRLittleEndian)
    store = (evt.EVT_C_STORE, lambda event: taken.append(str(event.dataset.SOPInstanceUID)) or 0)
    with listening(ae, store) as there, Delivery(there, "COLLES").open(files[:1]) as send:
        assert send(files[0]) is None
    assert taken == [str(dcmread(files[0]).SOPInstanceUID)]


def test_an_association_is_released_also_where_the_node_fails(files: list[Path]) -> None:
    ae, released = AE(ae_title="PACS"), threading.Event()
    ae.add_supported_context(ComprehensiveSRStorage)
    with listening(ae, (evt.EVT_RELEASED, lambda event: released.set())) as there:
        with pytest.raises(OSError, match="full"), Delivery(there, "COLLES").open(files[:1]):
            raise OSError("the disk is full")
        assert released.wait(10)
