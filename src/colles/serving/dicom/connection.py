"""How long one connection may hold a thread: pynetdicom waits for a silent peer without end, and so does its abort."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any

_ABORT = 0.5  # seconds that a peer has to hear that its association is ended


def bound_waits(event: Any, timeout: float) -> None:
    """Let no read or write of a connection wait for longer than `timeout` seconds; call it when one opens."""
    event.assoc.dul.socket.socket.settimeout(timeout)


def end_association(association: Any) -> None:
    """Abort an association, and close the connection of a peer that does not let pynetdicom do so.

    One that sends a byte now and then holds the thread that would.
    """
    aborting = threading.Thread(target=association.abort, daemon=True)
    aborting.start()
    aborting.join(_ABORT)
    if aborting.is_alive():
        with suppress(OSError, AttributeError):  # it has ended meanwhile
            association.dul.socket.socket.shutdown(socket.SHUT_RDWR)
        aborting.join(_ABORT)
