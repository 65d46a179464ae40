"""The body of a request: the bytes of one file, bounded in size and time, never on the disk; or what is left of it."""

from __future__ import annotations

import asyncio
import io
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope

from colles.core.limits import MAX_BYTES
from colles.serving.http.refusal import Refusal

_PATIENCE = 120.0  # seconds for what is left of a body that nobody needs
_WHOLE = "Send the file itself as the body: curl --data-binary @FILE"


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """Return the body; raise `Refusal` where it is empty, a form, packed, above `most` bytes, or late.

    Late is after `seconds`. A stated length above `most` is refused before anything is read, any other one as soon as
    it is passed.
    """
    if request.headers.get("content-type", "").strip().lower().startswith("multipart/"):
        raise Refusal(415, "the body is a form, not a file", _WHOLE)
    if request.headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        # RFC 9110 15.5.16; unpacked nowhere, its bytes would pass for a file that cannot be read
        raise Refusal(415, "the body is packed (Content-Encoding)", _WHOLE, accept_encoding="identity")
    if int(request.headers.get("content-length") or 0) > most:
        raise _too_large(most)
    try:
        async with asyncio.timeout(seconds):
            data = await _read(request, most)
    except TimeoutError as error:
        text = f"the file did not arrive within {seconds:g} seconds"
        raise Refusal(408, text, "Send it over a faster line", connection="close") from error
    except ClientDisconnect as error:
        raise Refusal(400, "the line was cut before the file was there", "Send it again") from error
    if not data:
        raise Refusal(400, "the body is empty", _WHOLE)
    return data


async def _read(request: Request, most: int) -> bytes:
    data = io.BytesIO()  # whose bytes are given out without a second copy, however small the parts were
    async for part in request.stream():
        if data.tell() + len(part) > most:
            raise _too_large(most)
        data.write(part)
    return data.getvalue()


def _too_large(most: int) -> Refusal:
    # Closed, or the rest would still be read, and an endless body has no end.
    text = f"the file is above the limit of {most} bytes"
    return Refusal(413, text, "Send one radiograph, as it came", connection="close")


class Rest:
    """What a request still sends while its answer is ready: a refusal, most of all.

    Who asked to close the line (`Connection: close`, HTTP/1.0: proxies, and programs that read nothing before they have
    sent everything) would see it broken, and no answer. On any other line the server beneath reads on by itself.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = Headers(scope=scope)
        closes = scope["http_version"] == "1.0" or "close" in headers.get("connection", "").lower()
        self._comes = closes and "expect" not in headers  # else it waits for a word before it sends
        self._receive = receive

    async def receive(self) -> Message:
        """Return the next part, as ASGI has it."""
        message = await self._receive()
        self._comes = self._comes and bool(message.get("more_body"))
        return message

    async def read(self) -> None:
        """Drop what is left, as much as a file may hold and no longer than `_PATIENCE`."""
        left = MAX_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while self._comes and left > 0:
                    left -= len((await self.receive()).get("body", b""))
