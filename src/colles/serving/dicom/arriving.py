"""Limits on what is still arriving: pynetdicom takes messages of any length, and waits without end."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from typing import Any

from colles.core.limits import MAX_BYTES
from colles.serving.dicom.connection import bound_waits

PDU = 1 << 17
"""Bytes of a protocol unit that peers are asked to keep to."""
_MOST_OF_ONE = 1 << 20
"""Above this a unit is taken for an attack: requests for an association are longer than data, but not so long."""
_ENDLESS = 20 * MAX_BYTES
"""Bytes of one object after which its association is ended."""

_COMMAND, _WAITING = 1 << 16, 4
"""Bytes of what goes before an object; objects that wait, of a peer that does not wait for answers (PS3.7 D.3.3.3)."""


class Discarded(BytesIO):
    """Takes the rest of an object that is too large, counts it and keeps nothing, so that it can be refused by name."""

    count = 0

    def write(self, data: Any, /) -> int:
        """Count."""
        self.count += len(data)
        return len(data)


def guard_connection(event: Any, timeout: float) -> None:
    """Bound how long a read waits and how much it takes; call it when a connection opens."""
    bound_waits(event, timeout)
    stream = event.assoc.dul.socket
    stream.recv = partial(_bounded, stream.recv)


def _bounded(receive: Any, size: int) -> Any:
    if size > _MOST_OF_ONE:
        raise OSError("a protocol unit is too long")
    return receive(size)


def guard_object(event: Any) -> None:
    """Bound the object that is being received; call it when a protocol unit has come."""
    service = event.assoc.dimse
    if service.msg_queue.qsize() > _WAITING:
        event.assoc.abort()
    message = service.message
    if message is None or message.data_set is None:
        return
    if message.encoded_command_set.tell() > _COMMAND:
        event.assoc.abort()
    if isinstance(message.data_set, Discarded):
        if message.data_set.count > _ENDLESS:
            event.assoc.abort()
    elif message.data_set.tell() > MAX_BYTES:
        discarded = Discarded()
        discarded.count = message.data_set.tell()
        message.data_set = discarded
