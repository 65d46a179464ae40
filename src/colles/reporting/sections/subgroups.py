"""For whom it works: the AUROC by subgroup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Bullets, Details, Figures, Missing, Note, Table, Text, long_table
from colles.reporting.figures.forest import ForestRow, forest_plot
from colles.reporting.formats import count, estimate, plural, subset_name
from colles.reporting.sections.base import Section

_MAX_ROWS = 40
Group = Mapping[str, Any]


class Subgroups(Section):
    """Forest plot and table."""

    name = "subgroups"
    title = "Subgroups"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        if run.evaluation is None:
            return [Missing("No evaluation.", "colles evaluate PREDICTIONS --out DIR")]
        every = (g for g in run.evaluation.get("subgroups") or () if g.get("subset") == run.reported)
        groups = [g for g in every if g.get("column") != "condition"]  # robustness has a section of its own
        if not groups:
            return [
                Missing(
                    "No subgroups: the evaluation had no catalog.",
                    "colles evaluate PREDICTIONS --catalog FILE --out DIR",
                )
            ]
        overall = (run.subsets[str(run.reported)].get("figures") or {}).get("auroc") or {}
        drawing = forest_plot(forest_rows(groups), overall.get("value"))
        where = f"AUROC by subgroup on the {subset_name(str(run.reported))} set"
        caption = f"{where}, fractured of images at the right. Dashed: all images. Hollow: too few to trust."
        if len(groups) > _MAX_ROWS:
            caption += f" The first {_MAX_ROWS} of {len(groups)} are drawn; the table has all."
        if any(group.get("column") == "lesion_area" for group in groups):
            caption += " Lesion area: fractures of that size against all images without one."
        warned = [g for g in groups if g.get("warning")]
        table = _table(groups)
        return [
            *_warning(warned, len(groups)),
            Figures(((drawing, caption),), wide=True),
            *long_table(table, f"Every subgroup ({len(groups)})"),
        ]


def _warning(warned: Sequence[Group], of: int) -> list[Block]:
    if not warned:
        return [Text(_SEVERAL)]
    verb = "has" if len(warned) == 1 else "have"
    text = (
        f"{count(len(warned))} of {plural(of, 'subgroup')} {verb} too few images of a class for a figure to say much."
    )
    reasons = tuple(f"{_name(group)}: {group.get('warning')}" for group in warned)
    return [Note(text, warning=True), Details("Which, and why", (Bullets(reasons),)), Text(_SEVERAL)]


_SEVERAL = (
    "With many subgroups some lie low or high by chance; an interval that leaves out the dashed line is a hint, "
    "not a proof."
)


def forest_rows(groups: Sequence[Group]) -> list[ForestRow]:
    """Return the rows of the forest plot, a heading for each column of the catalog."""
    rows: list[ForestRow] = []
    column = None
    for group in groups[:_MAX_ROWS]:
        if group.get("column") != column:
            column = group.get("column")
            rows.append(ForestRow(str(column).replace("_", " ")))
        auroc = (group.get("figures") or {}).get("auroc") or {}
        note = f"{estimate(auroc, 2)}   {count(group.get('n_positive'))}/{count(group.get('n'))}"
        label = _short(_value(group))
        rows.append(
            ForestRow(label, auroc.get("value"), auroc.get("low"), auroc.get("high"), note, bool(group.get("warning")))
        )
    return rows


def _value(group: Group) -> str:
    value = str(group.get("value"))
    return {"true": "yes", "false": "no"}.get(value.lower(), value.replace("_", " "))


def _name(group: Group) -> str:
    return f"{str(group.get('column')).replace('_', ' ')}: {_value(group)}"


def _short(text: str) -> str:
    return text if len(text) <= 28 else f"{text[:27]}…"


def _table(groups: Sequence[Group]) -> Table:
    rows = []
    for group in groups:
        figures = group.get("figures") or {}
        point = (group.get("operating_points") or {}).get("f1") or {}
        at = point.get("figures") or {}
        cells = (count(group.get("n")), count(group.get("n_positive")), estimate(figures.get("auroc")))
        rates = (estimate(at.get("sensitivity")), estimate(at.get("specificity")))
        rows.append((_name(group), *cells, *rates))
    columns = ("Subgroup", "Images", "Fractured", "AUROC", "Sensitivity, best F1", "Specificity, best F1")
    return Table(columns, tuple(rows), "Subgroups with intervals.")
