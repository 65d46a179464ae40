"""A listening socket and the server behind it, from the first request to the last one's answer."""

from __future__ import annotations

import errno
import ipaddress
import signal
import socket
from collections.abc import Callable

import uvicorn

from colles.core.errors import UsageError
from colles.serving.http.app import Service

_PATIENCE = 30  # seconds that requests have to end after Ctrl-C
_CONNECTIONS = 200  # at most; more are told 503 at once
_BACKLOG = 128


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raise `UsageError` where the host is none of this machine or the port is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or " ", port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        text = f"{host!r} is no address ({getattr(error, 'strerror', None) or error})"
        raise UsageError(text, field="--host", repair=_HOST) from error
    try:
        found = socket.socket(family, kind, protocol)
    except OSError as error:  # a kind of address that this machine does not have
        raise _cannot_listen(error, host, port) from error
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(_BACKLOG)
    except OSError as error:
        found.close()
        raise _cannot_listen(error, host, port) from error
    return found


_HOST = "Leave it out, or name an address of this machine"


def _cannot_listen(error: OSError, host: str, port: int) -> UsageError:
    if error.errno == errno.EADDRINUSE:
        return UsageError(
            f"port {port} of {host} is taken", field="--port", repair="Choose another; 0 takes a free one"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return UsageError(f"port {port} may not be used", field="--port", repair="Choose one above 1023")
    return UsageError(f"cannot listen on {host} ({error.strerror})", field="--host", repair=_HOST)


def is_loopback(listening: socket.socket) -> bool:
    """Tell whether only programs of this machine reach it."""
    return ipaddress.ip_address(listening.getsockname()[0].partition("%")[0]).is_loopback


def address_of(host: str, listening: socket.socket) -> str:
    """Return the address to type into a browser, by the host's name as it was given."""
    port = listening.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()


def serve(service: Service, listening: socket.socket, on_start: Callable[[], None]) -> bool:
    """Answer until SIGINT or SIGTERM, then end what is being answered; return whether all of it was.

    `on_start` is called once requests are taken. A second SIGINT waits for nothing.
    """
    config = uvicorn.Config(
        service.app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # its tracebacks quote what came in; the guard says what happened
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_PATIENCE,
    )
    server = _Server(config, on_start)
    # uvicorn raises the signal that ended it once more, when all is done: as this exception, and not as a kill.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
        service.desk.close()
    return not server.force_exit and not service.app.cut
