"""The body of a request: the bytes of one file, bounded in size and time, never on the disk."""

from __future__ import annotations

import asyncio
import io

from starlette.requests import ClientDisconnect, Request

from colles.serving.http.refusal import Refusal

_WHOLE = "Send the file itself as the body: curl --data-binary @FILE"


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """Return the body; raise `Refusal` where it is empty, a form, above `most` bytes, or not there after `seconds`.

    A stated length above `most` is refused before anything is read, any other one as soon as it is passed.
    """
    if request.headers.get("content-type", "").strip().lower().startswith("multipart/"):
        raise Refusal(415, "the body is a form, not a file", _WHOLE)
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
