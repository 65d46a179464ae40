"""Problems of the data, by kind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Link, Missing, Note, Table, Text, long_table
from colles.reporting.formats import count, plural
from colles.reporting.sections.base import Section

_SHORTCUTS = 6
"""Shown in full; the table counts all."""
_RANK = {"error": 0, "warning": 1, "info": 2}


class AuditSection(Section):
    """Issues by kind, and the leaks across the sources' own split."""

    name = "audit"
    title = "Audit of the data"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        if run.audit is None:
            return [Missing("No audit.", "colles audit CATALOG --out DIR")]
        issues = [issue for issue in run.audit.get("issues") or () if isinstance(issue, dict)]
        table = _by_kind(issues)
        if not issues:
            return [Text("The audit found no problem."), *_link(run, page)]
        return [
            *_leaks(run),
            *_shortcuts(issues),
            *long_table(table, f"Problems by kind ({len(table.rows)})", 16),
            *_link(run, page),
        ]


def _by_kind(issues: Sequence[dict[str, Any]]) -> Table:
    kinds: dict[str, list[dict[str, Any]]] = {}
    for issue in issues:
        kinds.setdefault(str(issue.get("kind")), []).append(issue)
    order = sorted(kinds, key=lambda kind: (_severity(kinds[kind]), -len(kinds[kind]), kind))
    rows = []
    for kind in order:
        found = kinds[kind]
        images = {str(image) for issue in found for image in issue.get("images") or ()}
        worst = min(
            found, key=lambda issue: (_RANK.get(str(issue.get("severity")), 3), -len(issue.get("images") or ()))
        )
        cells = (kind.replace("_", " "), str(worst.get("severity")), count(len(found)), count(len(images)))
        rows.append((*cells, _example(worst)))
    columns = ("Kind", "Severity", "Issues", "Images", "The worst of them")
    return Table(columns, tuple(rows), "Problems by kind, the gravest first.", frozenset({0, 1, 4}))


def _severity(issues: Sequence[dict[str, Any]]) -> int:
    return min(_RANK.get(str(issue.get("severity")), 3) for issue in issues)


def _example(issue: dict[str, Any]) -> str:
    images = [str(image) for image in issue.get("images") or ()]
    more = f" and {count(len(images) - 2)} more" if len(images) > 2 else ""
    return f"{issue.get('detail') or ''} [{', '.join(images[:2])}{more}]"


def _leaks(run: Artefacts) -> Sequence[Block]:
    leaks = ((run.audit or {}).get("summary") or {}).get("leaks") or {}
    if not leaks.get("n"):
        return []
    text = (
        f"Across {leaks.get('across', 'the given split')}, {plural(int(leaks['n']), 'unit')} (patients, studies or "
        f"copies; {plural(int(leaks.get('images') or 0), 'image')}) stand on several sides. Figures made with that "
        "division would be too good; this run uses its own."
    )
    return [Note(text)]


def _shortcuts(issues: Sequence[dict[str, Any]]) -> list[Block]:
    """Say loudly what gives the label away without showing a fracture."""
    found = [issue for issue in issues if issue.get("kind") == "shortcut"]
    grave = sorted(found, key=lambda issue: _RANK.get(str(issue.get("severity")), 3))
    return [Note(f"Shortcut: {issue.get('detail')}", issue.get("severity") != "info") for issue in grave[:_SHORTCUTS]]


def _link(run: Artefacts, page: Path) -> Sequence[Block]:
    if run.audit_page is None:
        return []
    relative = os.path.relpath(run.audit_page.resolve(), page.resolve().parent)
    if relative.startswith(".."):
        return []  # a page that is sent elsewhere should not point out of its folder
    return [Link(quote(Path(relative).as_posix()), "Every problem with its pictures: the audit's own page")]
