"""What stands before every route: whom it answers, what it logs, and the headers that keep a browser strict.

A page of another site may neither post here (its browser says where it comes from) nor come in under a name of its own
that was made to point here (DNS rebinding: the Host header must be one of ours).
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import time
import traceback
from collections.abc import Callable, Iterable
from datetime import datetime
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from colles.core.errors import UsageError
from colles.core.machine import LOOPBACK
from colles.serving.http.body import Rest
from colles.serving.http.metrics import Metrics
from colles.serving.http.refusal import Refusal

_METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE")
_READING = ("GET", "HEAD")
_OTHER = "other"
_HOST = re.compile(r"[a-z0-9._-]+")


class _LineError(Exception):
    """The server beneath could not send: the line is broken, which is no defect of ours."""


class Guard:
    """An ASGI application around another one."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str],
        address: str,
        routes: Iterable[str],
        policy: str,
        metrics: Metrics,
        log: Callable[[str], None],
    ) -> None:
        """`hosts` are names of this server given by hand, its own under any port; `address` is what it listens on.

        Paths but `routes` are neither logged nor counted by name; `policy` is the Content-Security-Policy. Raise
        `UsageError` for a host that no browser asks by.
        """
        self._app, self._metrics, self._log = app, metrics, log
        self._named = frozenset(map(_given, hosts))
        self._known = self._named.union(LOOPBACK, [address.lower()])
        self._routes = frozenset(routes)
        self.cut = 0
        """Requests that the end of the server cut off."""
        self._headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and log it."""
        if scope["type"] != "http":
            return
        started, code, rest = time.perf_counter(), 0, Rest(scope, receive)

        async def told(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                if headers.get("connection") != "close":
                    await rest.read()
                code = message["status"]
            try:
                await send(message)
            except Exception as error:
                raise _LineError from error

        try:
            await self._answer(scope, rest.receive, told)
        except asyncio.CancelledError:  # the server ends, and has waited long enough
            self.cut += 1
            if not code:
                ended = Refusal(503, "the server has ended", "Send it again later", connection="close")
                await ended.response()(scope, receive, told)
        finally:
            self._note(scope, code, time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._admit(scope["method"], Headers(scope=scope))
            if scope["method"] == "HEAD":
                await self._app({**scope, "method": "GET"}, receive, _without_body(send))
            else:
                await self._app(scope, receive, send)
        except Refusal as refusal:
            await refusal.response()(scope, receive, send)
        except _LineError:
            pass
        except Exception as error:  # answered already; the text of an error may quote a file, so only its kind is told
            self._log(f"defect: {type(error).__name__}; COLLES_DEBUG=1 shows where")
            if os.environ.get("COLLES_DEBUG"):
                self._log(traceback.format_exc())

    def _admit(self, method: str, headers: Headers) -> None:
        host = headers.getlist("host")
        if len(host) != 1 or _name(host[0]) not in self._known:
            repair = "Use an address that it printed, or start it with --allow-host NAME"
            raise Refusal(403, "this server is not known by that name", repair)
        if method not in _READING and not self._from_here(headers, host[0]):
            repair = "Use the page of this server; behind a proxy, start it with --allow-host and the proxy's name"
            raise Refusal(403, "a page of another site asks", repair)

    def _from_here(self, headers: Headers, host: str) -> bool:
        # Programs send neither header, and browsers let no page forge them.
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return False
        origin = headers.get("origin")
        if origin is None:
            return True
        place = origin.partition("://")[2]
        # Behind a proxy the Host may be another one; names that were given by hand are ours under any.
        return place.lower() == host.lower() or _name(place) in self._named

    def _note(self, scope: Scope, code: int, seconds: float) -> None:
        # Whatever a client can choose freely, such as a path that is no route, may hold a name.
        route = scope["path"] if scope["path"] in self._routes else _OTHER
        method = scope["method"] if scope["method"] in _METHODS else _OTHER
        self._metrics.responded(route, code)
        self._log(f"{datetime.now():%Y-%m-%dT%H:%M:%S} {method} {route} {code} {seconds:.3f} s")


def _without_body(send: Send) -> Send:
    """Send what a GET would give, less its body: how HEAD is to be answered (RFC 9110 9.3.2)."""

    async def head(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return head


def _given(host: str) -> str:
    """Return a name given by hand as `_name` returns it."""
    bare = host.lower().removeprefix("[").removesuffix("]")
    try:
        if ":" in bare:
            return str(ipaddress.IPv6Address(bare))
    except ValueError:
        bare = ""
    if not _HOST.fullmatch(bare):
        repair = "Leave out http://, port and path; write other letters as browsers send them (xn--)"
        raise UsageError(f"{host!r} is no name of a host", field="--allow-host", repair=repair)
    return bare


def _name(place: str) -> str | None:
    """Return the host of `host:port` in small letters, without the brackets of an IPv6 address."""
    try:
        return urlsplit(f"//{place}").hostname
    except ValueError:
        return None
