"""Whom a node talks to: AE titles, and destinations written AET@HOST:PORT."""

from __future__ import annotations

import re
from dataclasses import dataclass

from colles.core.errors import UsageError
from colles.core.machine import LOOPBACK

_DESTINATION = re.compile(r"(?P<aet>[^@]*)@(?P<host>\[[0-9A-Fa-f:.]+\]|[^@:\[\]\s]+):(?P<port>\d{1,5})")
_EVERYWHERE = ("0.0.0.0", "::", "")


def ae_title(text: str, field: str) -> str:
    """Check an AE title (PS3.5 6.2: 1–16 characters, no backslash, no control character); raise `UsageError`."""
    title = text.strip(" ")
    if not 1 <= len(title) <= 16 or "\\" in title or not title.isascii() or not title.isprintable():
        raise UsageError(
            f"{text!r} is no AE title", field=field, repair="Give 1 to 16 plain characters, none of them a backslash"
        )
    return title


@dataclass(frozen=True, slots=True)
class Destination:
    """Where results are sent."""

    aet: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str, field: str = "--send-to") -> Destination:
        """Read AET@HOST:PORT; an IPv6 address stands in brackets. Raise `UsageError`."""
        found = _DESTINATION.fullmatch(text)
        if found is None or not 1 <= int(found["port"]) <= 65535:
            raise UsageError(f"{text!r} is no destination", field=field, repair="Write it like PACS@127.0.0.1:104")
        return cls(ae_title(found["aet"], field), found["host"].strip("[]"), int(found["port"]))

    def is_at(self, host: str, port: int) -> bool:
        """Tell whether it is where a node listens: that takes its own results for done with, and nobody gets them."""
        here = self.host == host or (self.host in LOOPBACK and host in (*LOOPBACK, *_EVERYWHERE))
        return here and self.port == port

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.aet}@{host}:{self.port}"
