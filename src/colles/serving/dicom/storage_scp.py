"""`StorageSCP`: takes whatever is sent, and says so only when it lies on the disk. Answers C-ECHO too."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from colles.core.errors import CollesError, UsageError
from colles.core.extras import require
from colles.serving.dicom.arriving import PDU, Discarded, guard_connection, guard_object
from colles.serving.dicom.connection import end_association
from colles.serving.dicom.events import Events, printable
from colles.serving.dicom.head import read_head
from colles.serving.dicom.spool import Spool, Stored
from colles.serving.dicom.uids import is_uid

RESERVE = 500_000_000
"""Bytes of the disk that are left free: results need room, and so does the rest of the machine."""
_OUT_OF_RESOURCES, _CANNOT_UNDERSTAND = 0xA700, 0xC000  # PS3.4 B.2.3
_SECONDS, _MOST = 60.0, 10  # that a silent peer may take; associations at a time
_CONNECTIONS = 3 * _MOST  # at a time, with those that have not asked for an association yet: each has two threads
_PREAMBLE = b"\0" * 128 + b"DICM"

OnStored = Callable[[Stored], None]
IsOwn = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a node listens, and to whom."""

    aet: str
    host: str
    port: int
    """0 for any free one."""
    callers: tuple[str, ...] = ()
    """AE titles that may call; all where there is none."""


class _Refused(Exception):
    def __init__(self, status: int, reason: str) -> None:
        self.status, self.reason = status, reason
        super().__init__(reason)


def silence() -> None:
    """Silence pynetdicom and pydicom: their log lines quote data sets."""
    from pynetdicom import _config

    from colles.imaging.dicom_bytes import quieten

    quieten()
    _config.LOG_HANDLER_LEVEL = "none"
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)


class StorageSCP:
    """Receive objects into a spool, in threads of its own."""

    def __init__(
        self,
        address: Address,
        spool: Spool,
        events: Events,
        on_stored: OnStored,
        *,
        is_own: IsOwn = lambda ds: False,
        reserve: int = RESERVE,
    ) -> None:
        """`is_own` tells, by the head of a data set, results of a node: a PACS may send them round."""
        require("pynetdicom", "dicom")
        silence()
        self._address, self._spool, self._events = address, spool, events
        self._on_stored, self._is_own, self._reserve = on_stored, is_own, reserve
        self._busy = 0
        self._lock = threading.Lock()
        self._server: Any = None
        self.port = address.port

    def start(self) -> None:
        """Listen; raise `UsageError` where the address or port cannot be had."""
        from pynetdicom import AE, _config, evt
        from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

        # Every storage class, known here or not, in the first encoding that the sender offers: it knows which is best.
        _config.UNRESTRICTED_STORAGE_SERVICE = True
        self._ae = ae = AE(ae_title=self._address.aet)
        ae.add_supported_context(Verification)
        ae.require_calling_aet = list(self._address.callers)
        ae.maximum_pdu_size, ae.maximum_associations = PDU, _MOST
        ae.network_timeout = ae.dimse_timeout = _SECONDS
        handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, guard_connection, [_SECONDS]),
            (evt.EVT_PDU_RECV, guard_object),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_REJECTED, self._rejected),
        ]
        try:
            self._server = ae.start_server((self._address.host, self._address.port), block=False, evt_handlers=handlers)
        except (OSError, ValueError) as error:
            text = f"cannot listen on {self._address.host}, port {self._address.port} ({_words(error)})"
            raise UsageError(text, field="--port", repair="Choose another --port or --host") from error
        self._server.verify_request = self._has_room
        self.port = int(self._server.server_address[1])

    def close(self, grace: float = 5.0) -> None:
        """Stop listening, let each association end the object that it is at, then end it."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        until = time.monotonic() + grace
        for association in self._ae.active_associations:
            while association.is_alive() and not self._is_idle(association) and time.monotonic() < until:
                time.sleep(0.002)
            end_association(association)
        while self._busy and time.monotonic() < until:
            time.sleep(0.01)

    def _is_idle(self, association: Any) -> bool:
        received = association.dimse.message is None and association.dimse.msg_queue.empty()
        return received and not self._busy and association.dul.to_provider_queue.empty()

    def _has_room(self, request: Any, address: Any) -> bool:
        room = len(self._ae.active_associations) < _CONNECTIONS
        if not room:
            self._events.tell("rejected", caller=f"?@{address[0]}")
        return room

    def _rejected(self, event: Any) -> None:
        self._events.tell("rejected", caller=_peer(event))

    def _store(self, event: Any) -> Any:
        with self._lock:
            self._busy += 1
        try:
            return self._answer(event)
        finally:
            with self._lock:
                self._busy -= 1

    def _answer(self, event: Any) -> Any:
        try:
            self._keep(event)
        except _Refused as refused:
            return self._refuse(event, refused)
        except OSError as error:
            return self._refuse(event, _Refused(_OUT_OF_RESOURCES, f"cannot be stored ({error.strerror})"))
        except Exception as error:  # pynetdicom would answer, and tell nobody; the text may quote the object
            return self._refuse(event, _Refused(_CANNOT_UNDERSTAND, f"a defect of colles ({type(error).__name__})"))
        return 0x0000

    def _keep(self, event: Any) -> None:
        from pynetdicom.dsutils import encode_file_meta

        received = event.request.DataSet
        if isinstance(received, Discarded):
            raise _Refused(_CANNOT_UNDERSTAND, "larger than this node takes")
        body = received.getbuffer() if received is not None else memoryview(b"")
        if shutil.disk_usage(self._spool.root).free - len(body) < self._reserve:
            raise _Refused(_OUT_OF_RESOURCES, "the disk is nearly full")
        head = _PREAMBLE + encode_file_meta(event.file_meta)
        ds = _read_head(head, body)
        study, instance = (_uid(ds, keyword) for keyword in ("StudyInstanceUID", "SOPInstanceUID"))
        if self._is_own(ds):
            self._events.tell("returned", study=self._spool.names.name("study", study), caller=_peer(event))
            return
        stored = self._spool.store(study, instance, [head, body])
        self._events.tell("received", study=stored.study, bytes=len(body), kept=stored.how, caller=_peer(event))
        self._on_stored(stored)

    def _refuse(self, event: Any, refused: _Refused) -> Any:
        from pydicom.dataset import Dataset

        status = f"0x{refused.status:04X}"
        self._events.tell("refused", status=status, reason=refused.reason, caller=_peer(event))
        answer = Dataset()
        answer.Status, answer.ErrorComment = refused.status, refused.reason[:64]
        return answer


def _read_head(head: bytes, body: memoryview) -> Any:
    try:
        return read_head(head, body)
    except CollesError as error:
        raise _Refused(_CANNOT_UNDERSTAND, "its header is too large") from error
    except Exception as error:  # pydicom raises many kinds on damaged data
        raise _Refused(_CANNOT_UNDERSTAND, f"cannot be read ({type(error).__name__})") from error


def _uid(ds: Any, keyword: str) -> str:
    from colles.datasets.sources.dicom_words import first_text

    value = first_text(ds, keyword)
    if value is None:
        raise _Refused(_CANNOT_UNDERSTAND, f"has no {keyword}")
    if not is_uid(value):
        raise _Refused(_CANNOT_UNDERSTAND, f"its {keyword} is no UID")
    return value


def _peer(event: Any) -> str:
    requestor = event.assoc.requestor
    return f"{printable(str(requestor.ae_title))}@{requestor.address}"


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
