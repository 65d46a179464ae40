"""The page: one HTML file with its style and script inside, and the policy under which a browser runs only these."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from colles.serving.card import EXTERNAL
from colles.serving.http.about import About
from colles.serving.http.worth import WORDS, intervals, measured_on, rows, worth

_TEMPLATE = "page.html.j2"


@dataclass(frozen=True, slots=True)
class Page:
    """The page of one bundle."""

    html: str
    policy: str
    """Its Content-Security-Policy: nothing from elsewhere, no other script or style than its own."""


def render(about: About) -> Page:
    """Write the page of a bundle."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    measured = {
        name: measured_on(found) for name, found in (("own", about.measured), ("external", about.external)) if found
    }
    points = {"own": rows(about, about.measured), "external": rows(about, about.external)}
    html = environment.get_template(_TEMPLATE).render(
        about=about,
        words=WORDS,
        worth=worth(about),
        rows=points,
        measured=measured,
        intervals=intervals(about.measured),
        whole=EXTERNAL,
    )
    return Page(html, _policy(html))


def _policy(html: str) -> str:
    hashes = {kind: _sha256(html, kind) for kind in ("script", "style")}
    parts = ("default-src 'none'", *(f"{kind}-src {value}" for kind, value in hashes.items()),
             "img-src data:", "connect-src 'self'", "base-uri 'none'", "form-action 'none'",
             "frame-ancestors 'none'")  # fmt: skip
    return "; ".join(parts)


def _sha256(html: str, kind: str) -> str:
    (text,) = re.findall(rf"<{kind}>(.*?)</{kind}>", html, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
