"""One association with a destination: C-STORE of result files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from colles.serving.dicom.connection import bound_waits, end_association
from colles.serving.dicom.peers import Destination

_CONNECT, _ASSOCIATE, _SECONDS = 10.0, 20.0, 60.0  # to connect; to take an association; to take an object
_DUPLICATE = 0x0111  # PS3.7, annex C: what an archive answers that has the object, and keeps each once
_MOST_CONTEXTS = 128  # PS3.8 9.3.2.2: their ids are the odd numbers of one byte

BROKEN = ("aborted", "no_answer")
"""What `Send` returns where the association is over."""
Send = Callable[[Path], str | None]
"""Sends a file; returns None where it was accepted, else in a word why not."""


class Unreachable(Exception):
    """The destination took no association: `unreachable`, `rejected`, `unknown_host`."""


class Delivery:
    """Associations with one destination."""

    def __init__(self, destination: Destination, aet: str) -> None:
        """`aet` is the node's own title."""
        from pynetdicom import AE

        self._destination = destination
        self._association: Any = None
        self._ae = ae = AE(ae_title=aet)
        ae.connection_timeout, ae.acse_timeout = _CONNECT, _ASSOCIATE
        ae.dimse_timeout = ae.network_timeout = _SECONDS

    @contextmanager
    def open(self, files: Sequence[Path]) -> Iterator[Send]:
        """Associate for these files; raise `Unreachable` where the destination does not.

        One that takes none of their classes is there all the same: others may have what it takes.
        """
        from pynetdicom import evt

        there = self._destination
        contexts = _contexts(files)
        handlers: list[Any] = [(evt.EVT_CONN_OPEN, self._connected)]
        try:
            association = self._ae.associate(
                there.host, there.port, contexts, ae_title=there.aet, evt_handlers=handlers
            )
        except OSError as error:
            raise Unreachable("unknown_host") from error
        if association.rejected_contexts and not association.accepted_contexts:  # pynetdicom has ended it
            yield lambda path: "not_taken"
            return
        if not association.is_established:
            raise Unreachable("rejected" if association.is_rejected else "unreachable")
        try:
            yield lambda path: _send(association, path)
        finally:
            if association.is_established:
                association.release()

    def abort(self) -> None:
        """End the association that is open, or being asked for."""
        if self._association is not None:
            end_association(self._association)

    def _connected(self, event: Any) -> None:
        self._association = event.assoc
        bound_waits(event, _SECONDS)


def _contexts(files: Sequence[Path]) -> list[Any]:
    from pydicom import dcmread
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
    from pynetdicom import build_context

    found: dict[tuple[str, ...], Any] = {}
    for path in files:
        meta = dcmread(path, stop_before_pixels=True).file_meta
        sop_class, syntax = meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID
        syntaxes: list[Any] = [syntax] if syntax.is_compressed else [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
        found[sop_class, *syntaxes] = build_context(sop_class, syntaxes)
    return list(found.values())[:_MOST_CONTEXTS]


def _send(association: Any, path: Path) -> str | None:
    from pynetdicom.status import code_to_category

    if not association.is_established:
        return "aborted"
    try:
        status = association.send_c_store(path)
    except ValueError:  # the destination takes no such class in this encoding
        return "not_taken"
    if "Status" not in status:
        return "no_answer"
    accepted = code_to_category(status.Status) in ("Success", "Warning") or status.Status == _DUPLICATE
    return None if accepted else f"0x{status.Status:04X}"
