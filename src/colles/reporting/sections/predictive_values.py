"""What a call is worth elsewhere: likelihood ratios, PPV and NPV at other shares of fractures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from colles.reporting.blocks import Block, Figures, Heading, Table, Text, long_table
from colles.reporting.figures.predictive import predictive_values
from colles.reporting.formats import capital, per_hundred, point_name

_ABOUT = (
    "Sensitivity and specificity travel, PPV and NPV do not: the rarer fractures are, the more alarms are false. "
    "Worked out by Bayes' rule from this set's sensitivity and specificity, for patients who differ in nothing else."
)


def predictive_blocks(points: Mapping[str, Mapping[str, Any]]) -> list[Block]:
    """Return figure and table of PPV and NPV by prevalence; nothing where the evaluation has none."""
    every = {name: point.get("at_prevalence") or () for name, point in points.items()}
    rows = {name: found for name, found in every.items() if any(_known(row) for row in found)}
    drawing = predictive_values(rows)
    if drawing is None:
        return []
    caption = "Predictive values by the share of patients with a fracture; shaded: the intervals."
    table = _table(rows)
    return [
        Heading("Where fractures are rarer or commoner"),
        Text(_ABOUT),
        Figures(((drawing, caption),), wide=True),
        *long_table(table, f"Predictive values in figures ({len(table.rows)} rows)"),
    ]


def _known(row: Mapping[str, Any]) -> bool:
    return any((row.get(name) or {}).get("value") is not None for name in ("ppv", "npv"))


def _table(points: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    found = [
        (
            f"{capital(point_name(name))}, {100 * row['prevalence']:.0f} of 100",
            per_hundred(row.get("ppv")) or "undefined",
            per_hundred(row.get("npv")) or "undefined",
        )
        for name, rows in points.items()
        for row in rows
    ]
    columns = ("Operating point, share of fractures", "Right of 100 called fractured", "Right of 100 called sound")
    return Table(columns, tuple(found), "Predictive values by the share of fractures, with intervals.")
