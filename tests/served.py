"""A file server on the loopback that can cut a download short, knows byte ranges, and counts what it is asked."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Served:
    """Bytes at one address; `cut` ends the first answers after so many bytes, as a broken line does."""

    def __init__(self, data: bytes) -> None:
        self.data, self.cut, self.ranges, self.etags = data, [], [], True  # type: ignore[var-annotated]
        self.url = ""

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.data).hexdigest()[:16]}"'


@contextmanager
def serve(data: bytes, name: str = "set.zip") -> Iterator[Served]:
    """Serve `data` under a name on 127.0.0.1 until the block ends."""
    served = Served(data)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != f"/{name}":
                self.send_error(404)
                return
            served.ranges.append(self.headers.get("Range"))
            start = _start(self.headers, served)
            self.send_response(206 if start else 200)
            body = served.data[start:]
            self.send_header("Content-Length", str(len(body)))
            if served.etags:
                self.send_header("ETag", served.etag)
            self.end_headers()
            self.wfile.write(body[: served.cut.pop(0)] if served.cut else body)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_port}/{name}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


def _start(headers: Any, served: Served) -> int:
    asked = headers.get("Range")
    if asked is None or headers.get("If-Range") != served.etag:
        return 0
    return int(asked.removeprefix("bytes=").rstrip("-"))
