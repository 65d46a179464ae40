"""The receiver takes everything, keeps it byte for byte, and refuses by name what it cannot keep."""

from __future__ import annotations

import io
import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from node_tools import STUDY, Heard, associated, radiograph, send, wait_until
from pydicom import config, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    SecondaryCaptureImageStorage,
    generate_uid,
)
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from colles.core.errors import UsageError
from colles.serving.dicom import arriving, storage_scp
from colles.serving.dicom.spool import Spool, Stored
from colles.serving.dicom.storage_scp import Address, StorageSCP

pytestmark = pytest.mark.slow  # a receiver each, with threads, sockets and waits


class Receiver:
    """A receiver and what it stored."""

    def __init__(self, folder: Path, heard: Heard, **options: Any) -> None:
        self.spool, self.heard, self.stored = Spool(folder), heard, []  # type: ignore[var-annotated]
        address = options.pop("address", Address("COLLES", "127.0.0.1", 0))
        self.scp = StorageSCP(address, self.spool, heard, self.note, **({"reserve": 0} | options))
        self.scp.start()
        self.port = self.scp.port

    def note(self, stored: Stored) -> None:
        self.stored.append(stored)

    def files(self) -> list[Path]:
        return sorted((self.spool.root / "studies").rglob("*.dcm"))


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    made = Receiver(tmp_path / "spool", Heard())
    yield made
    made.scp.close()


def store_bytes(association: Any, body: bytes, sop_class: str, instance: str = "1.2.3.4") -> int:
    """Send bytes as they are, as an object of a class."""
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = sop_class, instance
    request.DataSet = io.BytesIO(body)
    context = next(each for each in association.accepted_contexts if each.abstract_syntax == sop_class)
    association._reactor_checkpoint.clear()
    wait_until(lambda: association._is_paused)
    association.dimse.send_msg(request, context.context_id)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    return int(answer.Status)


def body_of(ds: Any) -> bytes:
    """Return a data set as it travels."""
    body = encode(ds, False, True)
    assert body is not None
    return body


def test_it_answers_an_echo(receiver: Receiver) -> None:
    with associated(receiver.port, Verification, syntaxes=[ImplicitVRLittleEndian]) as association:
        assert association.send_c_echo().Status == 0


def test_the_data_set_is_kept_byte_for_byte(receiver: Receiver) -> None:
    body = body_of(radiograph())
    with associated(receiver.port) as association:
        assert store_bytes(association, body, DigitalXRayImageStorageForPresentation) == 0
    (file,) = receiver.files()
    assert file.read_bytes().endswith(body) and body_of(dcmread(file)) == body
    assert dcmread(file).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_it_takes_each_transfer_syntax(receiver: Receiver) -> None:
    for syntax in ALL_TRANSFER_SYNTAXES:
        with associated(receiver.port, syntaxes=[syntax]) as association:
            assert association.accepted_contexts[0].transfer_syntax == [syntax]


def test_objects_in_every_encoding_are_kept(receiver: Receiver) -> None:
    compressed = [JPEG2000Lossless, HTJ2KLossless, JPEGLosslessSV1]
    plain = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
    for syntax in [*plain, *compressed]:
        ds = radiograph()
        ds["PixelData"].VR = "OB" if syntax in compressed else "OW"
        if syntax in compressed:
            ds.PixelData = encapsulate([b"a frame that nobody looks at here."])
            ds["PixelData"].is_undefined_length = True
        body = encode(ds, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
        assert body is not None
        with associated(receiver.port, syntaxes=[syntax]) as association:
            assert store_bytes(association, body, ds.SOPClassUID, ds.SOPInstanceUID) == 0, syntax
        assert any(file.read_bytes().endswith(body) for file in receiver.files())
    kept = {str(dcmread(file).file_meta.TransferSyntaxUID) for file in receiver.files()}
    assert kept == {*plain, *compressed}


def test_an_object_whose_head_is_long_is_kept(receiver: Receiver) -> None:
    long = radiograph()
    block = long.private_block(0x0009, "MAKER", create=True)
    block.add_new(0x01, "OB", bytes(3_000_000))
    large = radiograph(Rows=1000, Columns=1000, PixelData=bytes(2_000_000))
    assert send(receiver.port, long, large) == [0, 0]
    noise = radiograph(Rows=1000, Columns=1000, PixelData=random.Random(0).randbytes(2_000_000))
    body = encode(noise, False, True, True)
    assert body is not None and len(body) > 1 << 20
    with associated(receiver.port, syntaxes=[DeflatedExplicitVRLittleEndian]) as association:
        assert store_bytes(association, body, noise.SOPClassUID) == 0
    assert len(receiver.files()) == 3


def test_classes_that_it_does_not_know_are_taken(receiver: Receiver) -> None:
    for sop_class in (CTImageStorage, SecondaryCaptureImageStorage, "1.2.3.4.5.6.7", "1.2.840.10008.5.1.4.1.1.999"):
        ds = radiograph(SOPClassUID=sop_class)
        assert send(receiver.port, ds) == [0]
    assert len(receiver.files()) == 4


def test_128_contexts_of_all_syntaxes_are_no_attack(receiver: Receiver) -> None:
    classes = [f"1.2.3.4.{number}" for number in range(128)]
    with associated(receiver.port, *classes, syntaxes=list(ALL_TRANSFER_SYNTAXES)) as association:
        assert len(association.accepted_contexts) == 128


def test_twice_the_same_is_kept_once_and_other_bytes_too(receiver: Receiver) -> None:
    first, other = radiograph(SOPInstanceUID="1.2.3.9"), radiograph(SOPInstanceUID="1.2.3.9", level=5)
    assert send(receiver.port, first, first, other, other) == [0, 0, 0, 0]
    assert [each["kept"] for each in receiver.heard.of("received")] == ["new", "same", "other", "same"]
    assert len(receiver.files()) == 2


GARBAGE = {
    "zeros": b"\0" * 1000,
    "words": b"garbage" * 100,
    "cut": b"\x08\x00\x18\x00UI\xff\xff",
    "no instance": b"\x20\x00\x0d\x00UI\x04\x001.2.",
}
HOSTILE = (None, "../../../tmp/evil", "1." * 100 + "1", "Doe^Jane", "1.2/3", "..", "1..2")


def test_garbage_is_refused_and_not_kept(receiver: Receiver) -> None:
    for name, body in GARBAGE.items():
        with associated(receiver.port) as association:
            status = store_bytes(association, body, DigitalXRayImageStorageForPresentation)
        assert 0xC000 <= status < 0xD000, name
    assert not receiver.files() and not receiver.stored


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SOPInstanceUID"])
def test_hostile_uids_are_refused(receiver: Receiver, keyword: str) -> None:
    for value in HOSTILE:
        ds = radiograph()
        delattr(ds, keyword)
        if value is not None:
            with config.disable_value_validation():
                setattr(ds, keyword, value)
        with associated(receiver.port) as association:
            assert store_bytes(association, body_of(ds), DigitalXRayImageStorageForPresentation) == 0xC000, value
    assert not receiver.files() and "Doe" not in str(receiver.heard.all)


def test_a_long_uid_in_the_command_ends_the_association_alone(receiver: Receiver) -> None:
    ds = radiograph()
    with associated(receiver.port) as association:
        message = C_STORE_RQ()
        request = C_STORE()
        request.MessageID, request.Priority = 1, 2
        request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = ds.SOPClassUID, "1.2.3"
        request.DataSet = io.BytesIO(body_of(ds))
        message.primitive_to_message(request)
        with config.disable_value_validation():
            message.command_set.AffectedSOPInstanceUID = "1." * 100 + "1"
        for part in message.encode_msg(association.accepted_contexts[0].context_id, 16382):
            association.dul.send_pdu(part)
        wait_until(lambda: not association.is_established)
    assert send(receiver.port, ds) == [0] and len(receiver.files()) == 1


def test_a_disk_below_its_reserve_refuses(tmp_path: Path) -> None:
    full = Receiver(tmp_path / "spool", Heard(), reserve=1 << 62)
    try:
        assert send(full.port, radiograph()) == [0xA700] and not full.files()
        assert full.heard.of("refused")[0]["status"] == "0xA700"
    finally:
        full.scp.close()


def test_a_disk_that_fails_refuses(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("colles.serving.dicom.spool.write_synced", full)
    assert send(receiver.port, radiograph()) == [0xA700]
    monkeypatch.undo()
    assert send(receiver.port, radiograph()) == [0]


def test_a_defect_is_an_answer_and_stops_nothing(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_: Any) -> None:
        raise KeyError("Doe^Jane")

    monkeypatch.setattr("colles.serving.dicom.spool.write_synced", defect)
    (status,) = send(receiver.port, radiograph())
    assert 0xC000 <= status < 0xD000
    assert [each["reason"] for each in receiver.heard.of("refused")] == ["a defect of colles (KeyError)"]
    monkeypatch.undo()
    assert send(receiver.port, radiograph()) == [0]


def test_an_object_above_the_limit_is_counted_while_it_comes(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "MAX_BYTES", 300_000)
    kept: list[int] = []
    write = arriving.Discarded.write
    monkeypatch.setattr(arriving.Discarded, "write", lambda self, data: kept.append(len(data)) or write(self, data))
    large = radiograph(Rows=1000, Columns=1000, PixelData=bytes(2_000_000))
    assert send(receiver.port, large, radiograph()) == [0xC000, 0]
    assert sum(kept) > 1_000_000 and len(receiver.files()) == 1


def test_an_object_without_end_ends_its_association(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "MAX_BYTES", 100_000)
    monkeypatch.setattr(arriving, "_ENDLESS", 500_000)
    ae = AE()
    ae.add_requested_context(DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", receiver.port)
    large = radiograph(Rows=2000, Columns=2000, PixelData=bytes(8_000_000))
    assert "Status" not in association.send_c_store(large)
    assert not receiver.files() and send(receiver.port, radiograph()) == [0]


def test_a_command_without_end_ends_its_association(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "_COMMAND", 50_000)
    with associated(receiver.port) as association:
        part = P_DATA()
        part.presentation_data_value_list = [[association.accepted_contexts[0].context_id, b"\x01" + bytes(10_000)]]
        for _ in range(20):
            association.dul.send_pdu(part)
        wait_until(lambda: not association.is_established)
    assert send(receiver.port, radiograph()) == [0]


def test_a_peer_that_waits_for_no_answer_fills_no_memory(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    go, asked = threading.Event(), threading.Event()
    store = Spool.store

    def slow(self: Spool, *arguments: Any) -> Stored:
        asked.set()
        assert go.wait(30)
        return store(self, *arguments)

    monkeypatch.setattr(Spool, "store", slow)
    with associated(receiver.port) as association:
        for number in range(40):
            request = C_STORE()
            request.MessageID, request.Priority = number, 2
            request.AffectedSOPClassUID = DigitalXRayImageStorageForPresentation
            request.AffectedSOPInstanceUID, request.DataSet = "1.2.3", io.BytesIO(body_of(radiograph()))
            association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
        assert asked.wait(30)
        (there,) = receiver.scp._ae.active_associations
        wait_until(lambda: there._sent_abort)
        assert there.dimse.msg_queue.qsize() < 10
        go.set()
        wait_until(lambda: not association.is_established)
    assert send(receiver.port, radiograph()) == [0]


def test_a_unit_that_claims_gigabytes_is_not_waited_for(receiver: Receiver) -> None:
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=10) as peer:
        peer.sendall(b"\x01\x00" + struct.pack(">I", 0xFFFFFFFF) + b"x" * 1000)
        peer.settimeout(10)
        with suppress(ConnectionResetError):
            assert peer.recv(1) == b""
    assert send(receiver.port, radiograph()) == [0]


def test_a_silent_peer_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_scp, "_SECONDS", 0.3)
    patient = Receiver(tmp_path / "spool", Heard())
    try:
        with socket.create_connection(("127.0.0.1", patient.port), timeout=10) as peer:
            peer.sendall(b"\x01\x00" + struct.pack(">I", 1000) + b"x")
            assert peer.recv(1) == b""
        assert send(patient.port, radiograph()) == [0]
    finally:
        patient.scp.close()


def test_a_peer_that_drips_holds_up_no_stop(tmp_path: Path) -> None:
    dripped = Receiver(tmp_path / "spool", Heard())
    over = threading.Event()
    with socket.create_connection(("127.0.0.1", dripped.port), timeout=10) as peer:
        peer.sendall(b"\x01\x00" + struct.pack(">I", 100_000))

        def drip() -> None:
            with suppress(OSError):
                while not over.wait(0.05):
                    peer.sendall(b"x")

        dripping, closing = threading.Thread(target=drip), threading.Thread(target=dripped.scp.close, args=(1.0,))
        wait_until(lambda: dripped.scp._ae.active_associations)
        (association,) = dripped.scp._ae.active_associations
        dripping.start()
        closing.start()
        closing.join(10)
        held = closing.is_alive()
        over.set()
    closing.join(60)
    dripping.join(60)
    assert not held
    wait_until(lambda: not association.dul.is_alive())  # which a process would wait for


def test_connections_are_counted_before_they_ask_for_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_scp, "_CONNECTIONS", 3)
    receiver = Receiver(tmp_path / "spool", Heard())
    peers: list[socket.socket] = []
    try:
        for _ in range(3):
            peers.append(socket.create_connection(("127.0.0.1", receiver.port), timeout=10))
            wait_until(lambda: len(receiver.scp._ae.active_associations) == len(peers))
        peers.append(socket.create_connection(("127.0.0.1", receiver.port), timeout=10))
        assert peers[-1].recv(1) == b"" and len(receiver.scp._ae.active_associations) == 3
        assert receiver.heard.wait("rejected")[0]["caller"] == "?@127.0.0.1"
    finally:
        for peer in peers:
            peer.close()
        receiver.scp.close()


def test_only_named_callers_are_taken(tmp_path: Path) -> None:
    address = Address("COLLES", "127.0.0.1", 0, ("MODALITY",))
    strict = Receiver(tmp_path / "spool", Heard(), address=address)
    try:
        ae = AE(ae_title="STRANGER")
        ae.add_requested_context(Verification)
        refused = ae.associate("127.0.0.1", strict.port)
        assert refused.is_rejected and strict.heard.wait("rejected")[0]["caller"] == "STRANGER@127.0.0.1"
        assert send(strict.port, radiograph()) == [0]
    finally:
        strict.scp.close()


def test_four_associations_at_once_lose_nothing(receiver: Receiver) -> None:
    objects = [[radiograph(f"{STUDY}.{part}", level=number) for number in range(10)] for part in range(4)]
    statuses: list[int] = []

    def work(part: int) -> None:
        statuses.extend(send(receiver.port, *objects[part]))

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert statuses == [0] * 40
    sent = {ds.SOPInstanceUID for part in objects for ds in part}
    assert {dcmread(file).SOPInstanceUID for file in receiver.files()} == sent and len(receiver.spool.studies()) == 4


def test_stopping_ends_the_object_that_is_under_way(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    arrived, go = threading.Event(), threading.Event()
    store = Spool.store

    def slow(self: Spool, *arguments: Any) -> Stored:
        arrived.set()
        assert go.wait(30)
        return store(self, *arguments)

    monkeypatch.setattr(Spool, "store", slow)
    statuses: list[int] = []
    sender = threading.Thread(target=lambda: statuses.extend(send(receiver.port, radiograph())))
    sender.start()
    assert arrived.wait(30)
    closing = threading.Thread(target=receiver.scp.close)
    closing.start()
    go.set()
    closing.join(30)
    sender.join(30)
    assert statuses == [0] and len(receiver.files()) == 1


def test_nothing_of_a_patient_is_told(receiver: Receiver, capfd: pytest.CaptureFixture[str]) -> None:
    ds = radiograph(f"{STUDY}.1", SOPInstanceUID=generate_uid())
    send(receiver.port, ds, ds, radiograph(f"{STUDY}.1", PatientName="Doe^Jane\nroot"))
    told = "".join(capfd.readouterr())
    assert told.count("received") == 3
    for secret in ("Doe", "4711", STUDY, str(ds.SOPInstanceUID)):
        assert secret not in told and secret not in str([*receiver.spool.root.rglob("*")])


def test_results_that_come_back_are_not_judged(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path / "spool", Heard(), is_own=lambda ds: ds.Manufacturer == "colles")
    try:
        assert send(receiver.port, radiograph(Manufacturer="colles"), radiograph()) == [0, 0]
        assert len(receiver.stored) == 1 and len(receiver.heard.of("returned")) == 1
    finally:
        receiver.scp.close()


def test_a_busy_port_and_an_unknown_host(receiver: Receiver, tmp_path: Path) -> None:
    for address in (Address("A", "127.0.0.1", receiver.port), Address("A", "no.such.host.invalid", 0)):
        with pytest.raises(UsageError, match=r"--port: cannot listen on .* Choose another --port or --host"):
            Receiver(tmp_path / "other", Heard(), address=address)
