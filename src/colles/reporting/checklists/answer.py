"""Answer a checklist from a run's artefacts: what the run tells, and what a person must write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Note, Table, Text, long_table
from colles.reporting.checklists.checklist import Checklist, Item
from colles.reporting.checklists.topics import TOPICS

Status = Literal["answered", "partly", "person"]
STATUS_NAMES: dict[Status, str] = {"answered": "answered", "partly": "partly", "person": "a person must write it"}
UNVERIFIED = "unverified"


@dataclass(frozen=True)
class Answer:
    """What a run has to say to one item."""

    item: Item
    status: Status
    told: str
    """Sentences from the run's files; empty where it holds nothing."""
    to_write: str
    """What is left to a person; empty where nothing is."""


def answer(checklist: Checklist, run: Artefacts) -> list[Answer]:
    """Return an answer to every item, in the list's order."""
    return [_answer(item, run) for item in checklist.items]


def _answer(item: Item, run: Artefacts) -> Answer:
    told = " ".join(text for topic in item.topics if (text := TOPICS[topic](run)))
    lacking = f"The run holds nothing on {', '.join(t.replace('_', ' ') for t in item.topics)}." if item.topics else ""
    to_write = item.person or ("" if told else lacking)
    status: Status = "person" if not told else "partly" if item.person else "answered"
    return Answer(item, status, told, to_write)


def checklist_table(answers: Sequence[Answer]) -> pl.DataFrame:
    """Return the answers as a frame for results/."""
    rows = [
        {"item": a.item.number, "section": a.item.section, "asks": a.item.asks, "status": a.status,
         "verified": a.item.verified, "the_run_tells": a.told, "a_person_writes": a.to_write}
        for a in answers
    ]  # fmt: skip
    return pl.DataFrame(rows)


def checklist_blocks(checklist: Checklist, answers: Sequence[Answer]) -> list[Block]:
    """Return the blocks of one checklist in the report."""
    counted = Counter(a.status for a in answers)
    text = (
        f"{checklist.title}. {len(answers)} items: this run answers {counted['answered']} by itself and "
        f"{counted['partly']} in part; {counted['person']} a person must write. A filled item is not yet a good one."
    )
    rows = tuple((_number(a), a.item.asks, STATUS_NAMES[a.status], _cell(a)) for a in answers)
    table = Table(("Item", "Asks (our words)", "Status", "Text"), rows, checklist.citation, frozenset({0, 1, 2, 3}))
    unsure = sum(not a.item.verified for a in answers)
    notes = [Note(f"{unsure} of {len(answers)} items are marked {UNVERIFIED}. {checklist.checked}")]
    return [Text(text), *(notes if unsure else [Text(checklist.checked)]), *long_table(table, f"All {len(rows)} items")]


def _number(found: Answer) -> str:
    return found.item.number + ("" if found.item.verified else f" ({UNVERIFIED})")


def _cell(found: Answer) -> str:
    left = f"To write: {found.to_write}" if found.to_write else ""
    return " ".join(part for part in (found.told, left) if part)


def checklist_markdown(checklist: Checklist, answers: Sequence[Answer], name: str) -> str:
    """Return the filled-in list as Markdown, to be completed by hand."""
    lines = [f"# {checklist.title}", "", f"Run: {name}", "", checklist.citation, "", checklist.checked, ""]
    lines += ["| item | asks (our words) | status | from the run | to write |", "|---|---|---|---|---|"]
    for found in answers:
        cells = (_number(found), found.item.asks, STATUS_NAMES[found.status], found.told, found.to_write)
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
