"""A modality, a PACS and a listener to events, on free ports of the loopback, for tests of the node."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pynetdicom", reason="DICOM comes with colles[dicom]")

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, build_context, evt

from colles.serving.bundle import load_bundle
from colles.serving.dicom.events import Events
from colles.serving.dicom.node import Node, Settings
from colles.serving.dicom.peers import Destination
from colles.serving.dicom.storage_scp import Address
from colles.serving.predictor import Predictor
from drawn_dicom import dicom, encoded

LONG = 60.0  # seconds that a busy machine may take
STUDY = "1.2.826.0.1.3680043.8.498.77"


def radiograph(study: str = STUDY, level: int = 2000, **elements: Any) -> FileDataset:
    """Return a small flat DX image of a patient who must not be named anywhere."""
    values = {"StudyInstanceUID": study, "SeriesInstanceUID": f"{study}.1", "Manufacturer": "Maker"} | elements
    return dcmread(io.BytesIO(encoded(dicom(np.full((64, 64), level, "<u2"), **values))))


def wait_until(condition: Callable[[], object], seconds: float = LONG) -> None:
    """Wait for a condition; fail after so many seconds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.005)


class Heard(Events):
    """Events that a test waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[dict[str, Any]] = []
        self._new = threading.Condition()

    def tell(self, event: str, **values: Any) -> None:
        super().tell(event, **values)
        with self._new:
            self.all.append({"event": event, **values})
            self._new.notify_all()

    def of(self, event: str) -> list[dict[str, Any]]:
        with self._new:
            return [each for each in self.all if each["event"] == event]

    def wait(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.of(event)) >= count)
        return self.of(event)


class Pacs:
    """A destination; `answer` gives the status of each object, and may be changed."""

    def __init__(self, port: int = 0) -> None:
        self.received: list[Dataset] = []
        self.answer: Callable[[Dataset], int] = lambda ds: 0x0000
        self._ae = AE(ae_title="PACS")
        self._ae.supported_contexts = AllStoragePresentationContexts
        server = self._ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)])
        self.destination = Destination("PACS", "127.0.0.1", server.server_address[1])

    def _store(self, event: Any) -> int:
        ds = event.dataset
        ds.file_meta = event.file_meta
        status = self.answer(ds)
        if status == 0:
            self.received.append(ds)
        return status

    def of(self, modality: str) -> list[Dataset]:
        return [ds for ds in list(self.received) if ds.Modality == modality]

    def close(self) -> None:
        self._ae.shutdown()


@contextmanager
def pacs(port: int = 0) -> Iterator[Pacs]:
    """Run a destination until the block ends."""
    running = Pacs(port)
    try:
        yield running
    finally:
        running.close()


@contextmanager
def listening(ae: AE, *handlers: tuple[Any, Callable[[Any], Any]]) -> Iterator[Destination]:
    """Let an application entity of a test's own answer until the block ends."""
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=list(handlers))
    try:
        yield Destination("PACS", "127.0.0.1", server.server_address[1])
    finally:
        ae.shutdown()


@contextmanager
def associated(port: int, *classes: str, syntaxes: list[str] | None = None, aet: str = "MODALITY") -> Iterator[Any]:
    """Open an association with a node."""
    ae = AE(ae_title=aet)
    wanted = classes or (DigitalXRayImageStorageForPresentation,)
    contexts = [build_context(each, syntaxes or [ExplicitVRLittleEndian]) for each in wanted]
    association = ae.associate("127.0.0.1", port, contexts)
    assert association.is_established
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def send(port: int, *objects: Dataset) -> list[int]:
    """Send objects over one association and return the statuses."""
    classes = {ds.SOPClassUID for ds in objects}
    with associated(port, *classes) as association:
        return [association.send_c_store(ds).Status for ds in objects]


@contextmanager
def running(bundle: Path, spool: Path, heard: Heard, *to: Destination, **changes: Any) -> Iterator[Node]:
    """Run a node in a thread until the block ends."""
    values: dict[str, Any] = {
        "spool": spool,
        "address": Address("COLLES", "127.0.0.1", 0),
        "destinations": to,
        "quiet": 0.2,
        "keep_days": None,
        "first_wait": 0.05,
        "reserve": 0,
    }
    node = Node(Settings(**(values | changes)), Predictor(load_bundle(str(bundle)), threads=1, gate=False), heard)
    stop = threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            node.run(stop.is_set)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    before = len(heard.of("listening"))
    thread.start()
    try:
        wait_until(lambda: failed or len(heard.of("listening")) > before)
        if failed:
            raise failed[0]
        yield node
    finally:
        stop.set()
        thread.join(LONG)
        assert not thread.is_alive()
    assert not failed, failed
